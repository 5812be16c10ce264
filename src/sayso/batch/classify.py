"""Classify many files in groups, which any number of workers share.

The groups depend on the list of files and their sizes alone. So a file gets the same probabilities, to the last bit, on
any number of workers, and also after an interruption: a journal is saved between two groups, and grouping the rest of
the list from there gives the groups that are still missing.
"""

import contextlib
import os
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sayso.errors import AudioError
from sayso.recognition.decision import Detection
from sayso.recognition.recognizer import LONGEST_CLIP, TOGETHER, Recognizer
from sayso.sound.audio import read_chunks
from sayso.sound.sources import is_remote
from sayso.sound.stream import Samples
from sayso.system.memory import keep_freed_memory
from sayso.system.workers import spread

# One worker gets this many files at a time, or fewer if they are large.
GROUP_FILES = 64
GROUP_BYTES = 16_000_000
# With less to do than this, starting workers takes longer than the work.
FEW_GROUPS = 16
FEW_BYTES = 64_000_000


@dataclass(frozen=True)
class Row:
    """One line of the output: a detection in a file, an error, or neither.

    Attributes
    ----------
    path : str
        The file.
    detection : Detection or None
        None if no word was detected, or the file could not be read.
    error : str
        Why the file could not be read; empty if it could.
    """

    path: str
    detection: Detection | None = None
    error: str = ""


@dataclass(frozen=True)
class FileResult:
    """The result for one file.

    Attributes
    ----------
    path : str
        The file.
    detections : tuple of Detection
        The one decision for a clip, or the words detected in a longer file.
    seconds : float
        Duration of the sound, as far as it could be read.
    error : str
        Why the file, or the rest of it, could not be read; empty if all of it could.
    """

    path: str
    detections: tuple[Detection, ...] = ()
    seconds: float = 0.0
    error: str = ""

    @property
    def is_clip(self) -> bool:
        """Whether the file was classified as one clip."""
        return self.seconds <= LONGEST_CLIP

    def rows(self) -> list[Row]:
        """Return a row for each detection and one for an error; at least one row."""
        rows = [Row(self.path, detection) for detection in self.detections]
        if self.error or not rows:
            rows.append(Row(self.path, error=self.error))
        return rows


class Group(NamedTuple):
    """Consecutive files that one worker gets, and their total size in bytes as far as it is known."""

    files: tuple[str, ...]
    size: int


class Job(NamedTuple):
    """What every worker needs.

    Attributes
    ----------
    recognizer : Recognizer
        The recogniser to classify with.
    threads : int
        Threads for the network within one long file.
    folder : str
        The folder that relative paths start from; if empty, the worker's current folder.
    named : frozenset of str
        Paths that may be pipes, as the user named them; those found in folders, patterns and lists may not.
    channel : int or None
        The channel to take, counted from 1.
    """

    recognizer: Recognizer
    threads: int = 1
    folder: str = ""
    named: frozenset[str] = frozenset()
    channel: int | None = None


def grouped(files: Iterable[str]) -> Iterator[Group]:
    """Gather files, in their order, into groups; from the end of any group on, the groups are the same again."""
    group: list[str] = []
    size = 0
    for file in files:
        group.append(file)
        size += _size(file)
        if len(group) == GROUP_FILES or size >= GROUP_BYTES:
            yield Group(tuple(group), size)
            group, size = [], 0
    if group:
        yield Group(tuple(group), size)


def _size(file: str) -> int:
    try:
        return 0 if is_remote(file) else Path(file).stat().st_size
    except (OSError, ValueError):
        return 0


@contextlib.contextmanager
def classifying(
    recognizer: Recognizer,
    files: Iterable[str],
    workers: int,
    scheduler: str | None = None,
    named: Iterable[str] = (),
    channel: int | None = None,
) -> Iterator[Iterator[list[FileResult]]]:
    """Classify any number of files.

    Parameters
    ----------
    recognizer : Recognizer
        The recogniser to classify with.
    files : iterable of str
        The files; they are taken from the iterable only as workers need them.
    workers : int
        Number of processes on this machine that share the work, if there is enough of it.
    scheduler : str, optional
        Address of a Dask scheduler, whose workers do the work instead.
    named, channel
        As in `Job`.

    Yields
    ------
    groups : iterator of list of FileResult
        The results in the order of the files, group by group.

    Raises
    ------
    WorkerError
        If the workers fail.
    """
    groups = grouped(files)
    first = list(islice(groups, FEW_GROUPS))
    names = (group.files for group in chain(first, groups))
    if scheduler:
        job, few = Job(recognizer, folder=str(Path.cwd()), channel=channel), 0
    else:
        # One process works on a single file, but with all cores.
        job = Job(recognizer, max(workers // max(len(first), 1), 1), named=frozenset(named), channel=channel)
        few = 1 if sum(group.size for group in first) >= FEW_BYTES else FEW_GROUPS - 1
    with spread(classify_files, job, names, workers, scheduler, few) as results:
        yield results


def classify_files(job: Job, files: Sequence[str]) -> list[FileResult]:
    """Classify a group of files: the clips among them in batches, each longer file on its own.

    A clip's probabilities may differ in the last bits (by less than 1e-5) with its place in a batch, and so with the
    other files of the group.

    Parameters
    ----------
    job : Job
        The recogniser and its settings.
    files : sequence of str
        The files.

    Returns
    -------
    results : list of FileResult
        One result per file, in their order; a file that could not be read has an error.
    """
    from threadpoolctl import threadpool_limits

    keep_freed_memory()
    recognizer = job.recognizer
    rate = recognizer.model.features.sample_rate
    results: list[FileResult] = []
    clips: dict[int, Samples] = {}
    # The other cores are busy with other workers.
    with threadpool_limits(1, "blas"):
        for name in files:
            sound = _Sound(name, job)
            with contextlib.closing(sound.chunks(rate)) as chunks:
                beginning = []
                for chunk in chunks:
                    beginning.append(chunk)
                    if sound.samples > LONGEST_CLIP * rate:
                        break
                detections: tuple[Detection, ...] = ()
                if sound.samples > LONGEST_CLIP * rate:
                    detections = tuple(recognizer.detect(chain(beginning, chunks), TOGETHER, job.threads))
                elif not sound.error:
                    clips[len(results)] = np.concatenate(beginning)
            results.append(FileResult(name, detections, sound.samples / rate, sound.error))
        for place, detection in zip(clips, recognizer.classify_clips(list(clips.values())), strict=True):
            results[place] = replace(results[place], detections=(detection,))
    return results


class _Sound:
    """The sound of a file as far as it can be read: an error ends it and is kept.

    Attributes
    ----------
    samples : int
        Number of samples read so far.
    error : str
        What ended the reading; empty if nothing did.
    """

    def __init__(self, name: str, job: Job) -> None:
        self.samples, self.error = 0, ""
        self._name, self._job = name, job
        # Without a folder, the path is left as the user gave it.
        joined = job.folder and not is_remote(name)
        self._path = str(Path(job.folder, name)) if joined else name

    def chunks(self, rate: int) -> Generator[Samples, None, None]:
        """Yield the samples at `rate` samples a second."""
        try:
            # A clip is read in one go.
            only_files = self._name not in self._job.named
            for chunk in read_chunks(self._path, rate, LONGEST_CLIP, self._job.channel, only_files=only_files):
                self.samples += len(chunk)
                yield chunk
        except AudioError as error:
            self.error = _folder_fault(self._path, self._name) or str(error).replace(self._path, self._name)


def _folder_fault(path: str, name: str) -> str | None:
    """Return what is wrong with a folder among the files, or None if it is no folder.

    Only a folder in which no sound file was found, or that cannot be listed, is among the files.
    """
    if not os.path.isdir(path):  # noqa: PTH112 - the path may be impossible
        return None
    try:
        os.scandir(path).close()
    except OSError as error:
        return f"cannot list the folder {name}: {error.strerror}; give one that may be read"
    return (
        f"there is no sound file in the folder {name} or below it; expected names such as *.wav, *.flac or *.mp3, "
        "give another folder"
    )
