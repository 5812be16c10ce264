"""Leave out of the input what the batch itself writes, now or before an interruption."""

import glob
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import takewhile
from pathlib import Path

from sayso.batch.annotations import ANNOTATIONS
from sayso.batch.side_file import side_path
from sayso.sound.sources import is_remote


class OwnFiles:
    """The files that a batch writes, as far as they could be found as input.

    Parameters
    ----------
    places : sequence of str
        The places given as input. What is asked for by name below the folder of sorted files is input nevertheless.
    output : Path or None
        The output.
    annotations : mapping of str to Path
        Folders for the labels of long files, by the kind of labels; the files there with the suffix of the kind.
    sort_folder : Path or None
        Folder in which files are sorted by word. If it lies in a place, all that is in it is left out. If it is the
        place itself, or input comes from a list, only what is in the folders of the words.
    word_folders : iterable of str
        Names of the folders of the words.

    Attributes
    ----------
    left_out : set of str
        Folders with sorted files that were left out so far.
    """

    def __init__(
        self,
        places: Sequence[str],
        output: Path | None,
        annotations: Mapping[str, Path],
        sort_folder: Path | None,
        word_folders: Iterable[str],
    ) -> None:
        self.left_out: set[str] = set()
        self._names: set[str] = set()
        if output:
            part = output.with_name(output.name + ".part")
            self._names = {_absolute(str(path)) for path in (output, part, side_path(output))}
        self._labels = {(_real(str(folder)), ANNOTATIONS[kind][0]) for kind, folder in annotations.items()}
        self._sorted = _real(str(sort_folder)) if sort_folder else ""
        self._words = {os.path.join(self._sorted, name) for name in word_folders}  # noqa: PTH118
        starts = [_start(place) for place in places if not is_remote(place)]
        self._asked = {
            start for start in starts if start != self._sorted and self._sorted and _is_in(start, self._sorted)
        }
        self._only_words = self._sorted in starts or not any(_is_in(self._sorted, start) for start in starts)

    def without(self, files: Iterable[str]) -> Iterator[str]:
        """Yield the files that the batch does not write."""
        # Paths are text here, as there are millions; most are in the folder of the one before.
        folder, real, is_sorted = None, "", False
        for file in files:
            if is_remote(file):
                yield file
                continue
            if folder != (folder := os.path.split(file)[0]):
                real = _real(folder)
                is_sorted = self._is_sorted(real)
            path = f"{real}{os.sep}{os.path.basename(file)}"  # noqa: PTH119
            if is_sorted and path not in self._asked:
                self.left_out.add(real)
            elif path not in self._names and (real, os.path.splitext(file)[1]) not in self._labels:  # noqa: PTH122
                yield file

    def _is_sorted(self, folder: str) -> bool:
        """Return whether a folder holds sorted files that are no input."""
        if not self._sorted or not _is_in(folder, self._sorted) or any(_is_in(folder, start) for start in self._asked):
            return False
        return not self._only_words or folder in self._words


def _real(folder: str) -> str:
    """Return the absolute path of a folder, without links."""
    return os.path.realpath(folder or ".")


def _absolute(path: str) -> str:
    """Return the absolute path of a file, without links in its folders."""
    folder, name = os.path.split(path)
    return f"{_real(folder)}{os.sep}{name}"


def _start(place: str) -> str:
    """Return the folder at which a pattern starts, or the place itself."""
    path = Path(place)
    if path.is_dir():
        return _real(place)
    if path.exists() or not glob.has_magic(place):
        return _absolute(place)
    return _real(str(Path(*takewhile(lambda part: not glob.has_magic(part), path.parts))))


def _is_in(path: str, folder: str) -> bool:
    """Return whether a path is a folder or lies below it."""
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)
