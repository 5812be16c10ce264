"""Find the files that are given as files, folders, patterns, addresses and lists, without a list of all in memory."""

import fnmatch
import glob
import os
import sys
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from sayso.errors import AudioError, untrusted
from sayso.sound.folder import is_sound, walk
from sayso.sound.sources import STDIN, is_remote
from sayso.system.text import decoded, is_marked


def sound_files(places: Sequence[str]) -> Iterator[str]:
    """Yield the files given as files, folders (all sound files below them) and patterns, each once, in order.

    A place where no file is found is yielded itself, so that reading it reports what is wrong. Folders are walked
    lazily: of a large archive, only the names in the folders on the way are in memory.

    Parameters
    ----------
    places : sequence of str
        Paths, patterns, or addresses that fsspec understands; an address that ends in a slash is a folder.
    """
    single: set[str] = set()
    folders: list[str] = []
    for place in places:
        path = Path(place)
        if is_remote(place):
            found, once = _remote(place), True
        elif path.is_dir():
            found, once = walk(str(path)), False
        elif path.exists() or place == STDIN:
            found, once = iter([place]), True
        else:
            found, once = _matches(place), True
        anything = False
        for file in found:
            anything = True
            if file not in single and not (folders and _is_below(file, folders)):
                yield file
            if once:
                single.add(file)
        if not anything and place not in single:
            single.add(place)
            yield place
        if not once:
            folders.append(str(path))


def _matches(pattern: str) -> Iterator[str]:
    """Yield the files that a pattern means, and the sound files in the folders that it means.

    Two asterisks stand for folders in any number and depth, which are walked as folders that are named: links to
    folders are not followed, so that a link to a folder above does not lead in circles.
    """
    parts = Path(pattern).parts
    if "**" not in parts:
        for match in sorted(glob.glob(pattern)):  # noqa: PTH207 - it may be absolute
            yield from walk(match) if os.path.isdir(match) else [match]  # noqa: PTH112 - as text
        return
    place = parts.index("**")
    for folder in sorted(glob.glob(str(Path(*parts[:place])))) if place else ["."]:  # noqa: PTH207
        for file in walk(folder, everything=True):
            names = Path(file).parts if folder == "." else Path(file).relative_to(folder).parts
            if _fits(names, parts[place:]) and not os.path.isdir(file):  # noqa: PTH112 - a link to a folder
                yield file


def _fits(names: Sequence[str], parts: Sequence[str]) -> bool:
    """Return whether the names in a path fit the parts of a pattern."""
    if not parts:
        return not names
    if parts[0] == "**":
        return any(_fits(names[start:], parts[1:]) for start in range(len(names) + 1))
    return bool(names) and fnmatch.fnmatchcase(names[0], parts[0]) and _fits(names[1:], parts[1:])


def all_files(places: Sequence[str], listing: str | None) -> Iterator[str]:
    """Yield the files given as places, then those of a list, each as often as the list has it.

    Parameters
    ----------
    places : sequence of str
        As for `sound_files`.
    listing : str or None
        A file with one path per line, or "-" for standard input.

    Raises
    ------
    AudioError
        If the list cannot be read.
    """
    yield from sound_files(places)
    if listing == STDIN:
        yield from _names(sys.stdin.buffer)
    elif listing is not None:
        try:
            lines = Path(listing).open("rb")  # noqa: SIM115 - the next line closes it
        except OSError as error:
            raise AudioError(
                f"cannot read the list {listing}: {error.strerror}; give a file with one path per line"
            ) from error
        with lines:
            yield from _names(lines)


def _names(lines: BinaryIO) -> Iterator[str]:
    first = lines.readline()
    if is_marked(first):
        with untrusted(lambda reason: AudioError(f"the list is damaged: {reason}; expected one path per line")):
            names = iter(decoded(first + lines.read(), "surrogateescape").split("\n"))
    else:
        names = map(os.fsdecode, chain([first], lines))
    for name in names:
        if name := name.rstrip("\r\n"):
            # In a list, - is an ordinary file name.
            yield "./-" if name == "-" else name


def _is_below(file: str, folders: Sequence[str]) -> bool:
    """Return whether a walk through one of the folders has yielded this file."""
    if not is_sound(file):
        return False
    parents = [str(parent) for parent in Path(file).parents]
    return any(folder in parents for folder in folders)


def _remote(place: str) -> Iterator[str]:
    """Yield the files at an address, which may be a folder or a pattern."""
    if not (place.endswith("/") or glob.has_magic(place)):
        return iter([place])
    try:
        import fsspec
    except ImportError as error:
        raise AudioError(f'reading {place} needs fsspec: pip install "sayso[dask]"') from error
    try:
        system, path = fsspec.core.url_to_fs(place)
        names = system.find(path) if place.endswith("/") else system.glob(path)
    except Exception as error:  # each kind of storage has its own errors
        raise AudioError(f"cannot list {place}: {error or type(error).__name__}; correct the address") from error
    if place.endswith("/"):
        root = path.rstrip("/") + "/"
        names = [name for name in names if is_sound(name) and not _is_hidden(name.removeprefix(root))]
    return (system.unstrip_protocol(name) for name in sorted(names))


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or "/." in name
