"""Names of files and folders that are made from labels and from the names of sounds."""

import hashlib
import os
import re
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path, PurePath
from urllib.parse import unquote

from sayso.sound.sources import is_remote
from sayso.system.text import is_safe

# Bytes of a name where the file system does not tell.
LONGEST_NAME = 255
# A longer suffix is no format but a part of the name.
_LONGEST_SUFFIX = 16
# What some file system cannot have in a name, and the percent sign, with which this is written instead.
_UNSAFE = set('<>:"/\\|?*%')
# Devices of Windows, with any suffix.
_RESERVED = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])(\..*)?", re.IGNORECASE)


def safe_name(text: str) -> str:
    """Return a name of a file or folder for any text, on any system; different texts have different names.

    Characters that a name cannot have are written as in addresses: the label `a/b` becomes `a%2Fb`.
    """
    name = "".join(character if _may_be_in_a_name(character) else _quoted(character) for character in text)
    # Windows drops dots and spaces at the end; a name with a dot in front is hidden.
    name = re.sub(r"^[. ]|[. ]+$", lambda found: "".join(map(_quoted, found[0])), name)
    if _RESERVED.fullmatch(name) or not name:
        # No text gives a percent sign without digits.
        name += "%"
    return shortened(name, LONGEST_NAME)


def _may_be_in_a_name(character: str) -> bool:
    return is_safe(character) and character not in _UNSAFE


def _quoted(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "surrogatepass"))


def word_folders(labels: Sequence[str]) -> dict[str, str]:
    """Return a name of a folder for each label; they are distinct also where case or Unicode forms make no difference.

    Labels that differ in nothing else get numbers: `Go` and `go (2)`.
    """
    folders: dict[str, str] = {}
    taken: set[str] = set()
    for label in labels:
        name = safe_name(label)
        for number in count(1):
            folder = name if number == 1 else f"{shortened(name, LONGEST_NAME - 8)} ({number})"
            if (key := unicodedata.normalize("NFKC", folder).casefold()) not in taken:
                break
        taken.add(key)
        folders[label] = folder
    return folders


def base_name(name: str) -> str:
    """Return the last part of a path or an address, as the name of a file."""
    if is_remote(name):
        last = PurePath(unquote(name.partition("?")[0])).name
        return safe_name(last) if last not in ("", "..") else "sound"
    return PurePath(name).name


def candidate_names(folder: Path, name: str, suffix: str | None = None) -> Iterator[Path]:
    """Yield the name of a sound in a folder, then `name (2)`, `name (3)` and so on.

    Parameters
    ----------
    folder : Path
        The folder, which exists.
    name : str
        The name of the sound; its stem is shortened if the result would be too long for the file system.
    suffix : str, optional
        The suffix instead of that of the sound.
    """
    stem, end = PurePath(name).stem, PurePath(name).suffix
    if suffix is None:
        suffix = end
        if len(os.fsencode(end)) > _LONGEST_SUFFIX:
            stem, suffix = name, ""
    longest = _longest_name(folder)
    for number in count(1):
        ending = suffix if number == 1 else f" ({number}){suffix}"
        yield folder / (shortened(stem, longest - len(os.fsencode(ending))) + ending)


def shortened(name: str, longest: int) -> str:
    """Return a name with at most this number of bytes: a longer one is cut, and ends with a hash of the whole."""
    content = os.fsencode(name)
    if len(content) <= longest:
        return name
    mark = "~" + hashlib.sha256(content).hexdigest()[:8]
    while len(os.fsencode(name)) > longest - len(mark):
        name = name[:-1]
    return name.rstrip(". ") + mark


def _longest_name(folder: Path) -> int:
    """Return the length of the longest name that the file system of a folder takes, in bytes."""
    if not hasattr(os, "pathconf"):
        return LONGEST_NAME
    try:
        return min(os.pathconf(folder, "PC_NAME_MAX"), LONGEST_NAME)
    except (OSError, ValueError):
        return LONGEST_NAME
