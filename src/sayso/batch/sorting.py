"""Sort files by word: link or copy them into one folder per word, and never overwrite another file."""

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
from sayso.sound.sources import is_remote, local, on_disk


def sort_into(folder: Path, word: str, name: str, copy: bool = False) -> Path:
    """Put a sound file into the folder of a word.

    Parameters
    ----------
    folder : Path
        Parent of the folders of the words.
    word : str
        The word.
    name : str
        The sound file: a path or an address.
    copy : bool
        Whether to copy the file. Otherwise it is hard-linked if it is on the same disk as the folder, which takes no
        space.

    Returns
    -------
    place : Path
        Path of the link or copy, which may be there from an earlier run.

    Raises
    ------
    StorageError
        If the file cannot be linked or copied.
    """
    # Labels come from the model file: whatever they hold, the folder must not lie outside the parent.
    word_folder = folder / (re.sub(r"[^\w -]", "_", word).strip() or "_")
    try:
        word_folder.mkdir(parents=True, exist_ok=True)
        # A path is not read here: what is a pipe was read when it was classified.
        with local(name) if is_remote(name) else nullcontext(Path(name)) as sound, on_disk(sound) as source:
            for place in candidate_names(word_folder, base_name(name)):
                if _put(Path(source), place, copy or is_remote(name)):
                    return place
    except OSError as error:
        reason = error.strerror or error
        raise StorageError(f"cannot sort {name} into {word_folder}: {reason}; choose another place") from error
    raise AssertionError("names never run out")


def base_name(name: str) -> str:
    """Return the last part of a path or an address."""
    if is_remote(name):
        last = PurePath(unquote(name.partition("?")[0])).name
        return last if last not in ("", "..") else "sound"
    return PurePath(name).name


def candidate_names(folder: Path, name: str) -> Iterator[Path]:
    """Yield the name, then `name (2)`, `name (3)` and so on."""
    first = folder / name
    yield first
    for number in count(2):
        yield first.with_name(f"{first.stem} ({number}){first.suffix}")


def _put(source: Path, place: Path, copy: bool) -> bool:
    """Link or copy a file and return True; False if another file has that name.

    An interrupted batch may have put the same file there before.
    """
    if place.exists():
        return place.samefile(source) or filecmp.cmp(source, place, shallow=False)
    if not copy:
        try:
            place.hardlink_to(source.resolve())
        except FileExistsError:
            return False
        except OSError:
            # On another disk, or one without links: copy.
            pass
        else:
            return True
    # Rename it when it is complete.
    part = place.with_name(f".sayso.{os.getpid()}.part")
    shutil.copyfile(source, part)
    part.replace(place)
    return True
