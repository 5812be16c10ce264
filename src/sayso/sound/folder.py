"""Which entries of a folder are sound files, by one rule for all commands.

A sound file is a regular file, or a link to one, with a suffix of sound. Hidden files and folders are ignored, and with
them the files that some systems write beside each file (`._clip.wav`). What has a suffix of sound and is something
else, such as a named pipe or a broken link, is not ignored but named, with the reason. Links to folders are not
followed, so that a walk always ends.
"""

import os
from collections.abc import Iterator

from sayso.sound.audio import SUFFIXES


def entries(folder: str | os.PathLike[str]) -> list[os.DirEntry[str]]:
    """Return the entries of a folder that are not hidden, sorted by name.

    Raises
    ------
    OSError
        If the folder cannot be read.
    """
    with os.scandir(folder) as found:
        return sorted((entry for entry in found if not entry.name.startswith(".")), key=lambda entry: entry.name)


def is_sound(name: str) -> bool:
    """Return whether a file name has the suffix of a known format."""
    return os.path.splitext(name)[1].lower() in SUFFIXES  # noqa: PTH122 - a Path for each of millions takes its time


def is_folder(entry: os.DirEntry[str], follow_links: bool = True) -> bool:
    """Return whether an entry is a folder or, if links are followed, a link to one; a circular link is neither."""
    try:
        return entry.is_dir(follow_symlinks=follow_links)
    except OSError:
        return False


def fault(entry: os.DirEntry[str]) -> str | None:
    """Return why a file cannot be sound, as far as this shows without opening it, or None."""
    try:
        if not entry.is_file():
            return "not a regular file, or a broken link"
        if not is_sound(entry.name):
            return "not an audio file"
        return "empty (0 bytes)" if entry.stat().st_size == 0 else None
    except OSError as error:
        return f"cannot be read: {error.strerror}"


def walk(folder: str, everything: bool = False) -> Iterator[str]:
    """Yield the sound files in a folder and below it, in the order of their names.

    A folder is listed when the walk reaches it, however deep it is, so only the names in the folders on the way are
    kept in memory. A folder that cannot be read is yielded itself, as is a broken link or a pipe with a suffix of
    sound: reading it, with `only_files`, reports what is wrong.

    Parameters
    ----------
    folder : str
        Where to start; it may be a link.
    everything : bool
        Whether to yield all that is not hidden and not a folder, whatever its suffix.
    """
    levels = [iter(_listed(folder, everything))]
    while levels:
        path, is_below = next(levels[-1], ("", False))
        if not path:
            levels.pop()
        elif is_below:
            levels.append(iter(_listed(path, everything)))
        else:
            yield path


def _listed(folder: str, everything: bool) -> list[tuple[str, bool]]:
    """Return the paths in a folder that a walk yields or enters, and whether it enters them."""
    try:
        found = entries(folder)
    except OSError:
        return [(folder, False)]
    listed = []
    for entry in found:
        below = is_folder(entry, follow_links=False)
        if below or everything or (is_sound(entry.name) and not is_folder(entry)):
            # As Path writes it, without ./ in front.
            listed.append((entry.name if folder == "." else entry.path, below))
    return listed
