"""Files by word: links or copies in a folder for each word, of which none ever takes the place of another file."""

import filecmp
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import nullcontext
from itertools import count
from pathlib import Path, PurePath
from urllib.parse import unquote

from sayso.errors import StorageError
from sayso.sound.sources import fetched, is_remote, on_disk


def sort_into(folder: Path, word: str, name: str, copy: bool = False) -> Path:
    """Put a sound into the folder of a word.

    Parameters
    ----------
    folder : Path
        Where the folders of the words stand.
    word : str
        The word.
    name : str
        The sound: a path or an address.
    copy : bool
        Whether to copy it in any case; else it is a hard link where file and folder share a disk, and needs no space.

    Returns
    -------
    place : Path
        Where it is now; where it was already, if it was sorted before.

    Raises
    ------
    StorageError
        If it cannot be put there.
    """
    # A word is what the makers of a model call it; it names a folder here, and never a way out of this one.
    shelf = folder / (re.sub(r"[^\w -]", "_", word).strip() or "_")
    try:
        shelf.mkdir(parents=True, exist_ok=True)
        # A path is not read here: what is a pipe was read when it was classified.
        with fetched(name) if is_remote(name) else nullcontext(Path(name)) as sound, on_disk(sound) as source:
            for place in _names(shelf, base_name(name)):
                if _put(Path(source), place, copy or is_remote(name)):
                    return place
    except OSError as error:
        reason = error.strerror or error
        raise StorageError(f"cannot sort {name} into {shelf}: {reason}; choose another place") from error
    raise AssertionError("names never run out")


def base_name(name: str) -> str:
    """Return the last part of a path or an address."""
    if is_remote(name):
        last = PurePath(unquote(name.partition("?")[0])).name
        return last if last not in ("", "..") else "sound"
    return PurePath(name).name


def _names(folder: Path, name: str) -> Iterator[Path]:
    """Yield the name, then `name (2)`, `name (3)` and so on."""
    first = folder / name
    yield first
    for number in count(2):
        yield first.with_name(f"{first.stem} ({number}){first.suffix}")


def _put(source: Path, place: Path, copy: bool) -> bool:
    """Link or copy a file, unless another one is there; an earlier, interrupted batch may have put this one."""
    if place.exists():
        return place.samefile(source) or filecmp.cmp(source, place, shallow=False)
    if not copy:
        try:
            place.hardlink_to(source.resolve())
        except FileExistsError:
            return False
        except OSError:
            # Another disk, or one that knows no links.
            pass
        else:
            return True
    # Whole or not at all under its name.
    part = place.with_name(f".sayso.{os.getpid()}.part")
    shutil.copyfile(source, part)
    part.replace(place)
    return True
