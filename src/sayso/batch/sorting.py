"""Sort files by word: link or copy them into one folder per word, and never overwrite another file."""

import filecmp
import shutil
from contextlib import nullcontext
from pathlib import Path

from sayso.batch.names import base_name, candidate_names
from sayso.errors import StorageError
from sayso.sound.sources import fetched, is_remote, on_disk
from sayso.system.atomic_files import TakenError, creating


def sort_into(folder: Path, name: str, copy: bool = False) -> Path:
    """Put a sound file into the folder of a word.

    Parameters
    ----------
    folder : Path
        The folder of the word (see `sayso.batch.names.word_folders`); it is created if it is missing.
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
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # A path is not read here: what is a pipe was read when it was classified.
        with fetched(name) if is_remote(name) else nullcontext(Path(name)) as sound, on_disk(sound) as source:
            for place in candidate_names(folder, base_name(name)):
                if _put(Path(source), place, copy or is_remote(name)):
                    return place
    except OSError as error:
        reason = error.strerror or error
        raise StorageError(f"cannot sort {name} into {folder}: {reason}; choose another place") from error
    raise AssertionError("names never run out")


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
    try:
        with source.open("rb") as sound, creating(place) as file:
            shutil.copyfileobj(sound, file)
    except TakenError:
        # By a broken link, or by another batch at this moment.
        return False
    return True
