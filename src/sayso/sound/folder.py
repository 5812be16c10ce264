"""What a folder of sound holds, by one rule for all commands.

Sound files are regular files, or links to such, with a suffix of a known format. Hidden files and folders are ignored,
and so are the side files that some systems put beside each file (`._clip.wav`), which are hidden, too. Links to
folders are not followed, so circles end.
"""

import os
from collections.abc import Iterator

from sayso.sound.audio import SUFFIXES


def entries(folder: str | os.PathLike[str]) -> list[os.DirEntry[str]]:
    """Return what is in a folder, sorted by name, without what is hidden.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    with os.scandir(folder) as found:
        return sorted((entry for entry in found if not entry.name.startswith(".")), key=lambda entry: entry.name)


def is_sound(name: str) -> bool:
    """Tell by its suffix whether a file should hold sound."""
    return os.path.splitext(name)[1].lower() in SUFFIXES  # noqa: PTH122 - a Path for each of millions takes its time


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Tell whether an entry is a folder, or a link to one; a link that leads in a circle is none."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def fault(entry: os.DirEntry[str]) -> str | None:
    """Return why a file cannot hold sound, as far as can be told without opening it."""
    try:
        if not entry.is_file():
            return "not a regular file, or a link that leads nowhere"
        if not is_sound(entry.name):
            return "not an audio file"
        return "empty (0 bytes)" if entry.stat().st_size == 0 else None
    except OSError as error:
        return f"cannot be read: {error.strerror}"


def walk(folder: str) -> Iterator[str]:
    """Yield the sound files below a folder in the order of their names; a folder that cannot be read, itself.

    Folders are read as they are come to, however deep they lie: of a large archive, only the names in the folders on
    the way lie in memory.
    """
    levels = [iter(_listed(folder))]
    while levels:
        path, is_below = next(levels[-1], ("", False))
        if not path:
            levels.pop()
        elif is_below:
            levels.append(iter(_listed(path)))
        else:
            yield path


def _listed(folder: str) -> list[tuple[str, bool]]:
    """Return the sound files and folders in a folder, and which they are."""
    try:
        found = entries(folder)
    except OSError:
        return [(folder, False)]
    listed = []
    for entry in found:
        below = entry.is_dir(follow_symlinks=False)
        if below or (is_sound(entry.name) and not is_folder(entry)):
            # As Path writes it, and users, too.
            listed.append((entry.name if folder == "." else entry.path, below))
    return listed
