"""Many files: what is heard in each, worked out in groups that any number of workers may share.

Which group a file falls into, and who works on it, changes nothing in what is heard.
"""

import contextlib
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

# What one worker gets at a time: so many files, or fewer if they are large.
GROUP_FILES = 64
GROUP_BYTES = 16_000_000
# With less to do than this, starting workers takes longer than the work.
FEW_GROUPS = 16
FEW_BYTES = 64_000_000


@dataclass(frozen=True)
class Row:
    """One thing that was heard in a file.

    Attributes
    ----------
    path : str
        The file.
    detection : Detection or None
        What was heard; None if there was no word, or the file could not be read.
    error : str
        Why the file could not be read, or nothing.
    """

    path: str
    detection: Detection | None = None
    error: str = ""


@dataclass(frozen=True)
class FileResult:
    """All that was heard in a file.

    Attributes
    ----------
    path : str
        The file.
    detections : tuple of Detection
        Of a clip, the one decision; of a longer file, the words.
    seconds : float
        How long the sound is, as far as it could be read.
    error : str
        Why the file, or the rest of it, could not be read, or nothing.
    """

    path: str
    detections: tuple[Detection, ...] = ()
    seconds: float = 0.0
    error: str = ""

    @property
    def is_clip(self) -> bool:
        """Whether it was taken as one clip."""
        return self.seconds <= LONGEST_CLIP

    def rows(self) -> list[Row]:
        """Return a row for each detection and for the error; one in any case."""
        rows = [Row(self.path, detection) for detection in self.detections]
        if self.error or not rows:
            rows.append(Row(self.path, error=self.error))
        return rows


class Group(NamedTuple):
    """Consecutive files that one worker gets, and their bytes as far as they are known."""

    files: tuple[str, ...]
    size: int


class Job(NamedTuple):
    """What every worker needs.

    Attributes
    ----------
    recognizer : Recognizer
        What job.
    threads : int
        Threads for the network within one long file.
    folder : str
        Where relative paths begin; where the worker stands, if empty.
    named : frozenset of str
        Paths that may be pipes, as the user named them; what folders, patterns and lists name may not.
    channel : int or None
        The channel to take, counted from 1.
    """

    recognizer: Recognizer
    threads: int = 1
    folder: str = ""
    named: frozenset[str] = frozenset()
    channel: int | None = None


def grouped(files: Iterable[str]) -> Iterator[Group]:
    """Gather files, in their order, into groups."""
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
    """Hear any number of files.

    Parameters
    ----------
    recognizer : Recognizer
        What job.
    files : iterable of str
        The files; no more of them are taken than are in work.
    workers : int
        How many processes of this machine share the work, if there is enough of it.
    scheduler : str, optional
        Address of a Dask scheduler, whose workers do it instead.
    named, channel
        As in `Job`.

    Yields
    ------
    groups : iterator of list of FileResult
        What is heard in each file, in their order, group by group.

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
        # A single file is worked on by one process, but with all cores.
        job = Job(recognizer, max(workers // max(len(first), 1), 1), named=frozenset(named), channel=channel)
        few = 1 if sum(group.size for group in first) >= FEW_BYTES else FEW_GROUPS - 1
    with spread(classify_files, job, names, workers, scheduler, few) as results:
        yield results


def classify_files(job: Job, files: Sequence[str]) -> list[FileResult]:
    """Hear a group of files: the clips among them together, each longer one by itself.

    Parameters
    ----------
    job : Job
        What job, and how.
    files : sequence of str
        The files.

    Returns
    -------
    results : list of FileResult
        What was heard in each; it is told there, too, if a file could not be read.
    """
    from threadpoolctl import threadpool_limits

    keep_freed_memory()
    recognizer = job.recognizer
    rate = recognizer.model.features.sample_rate
    results: list[FileResult] = []
    clips: dict[int, Samples] = {}
    # Others work on the other cores.
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
                    sought = recognizer.detect(chain(beginning, chunks), TOGETHER, job.threads)
                    detections = tuple(sought)
                elif not sound.error:
                    clips[len(results)] = np.concatenate(beginning)
            results.append(FileResult(name, detections, sound.samples / rate, sound.error))
        for place, detection in zip(clips, recognizer.classify_clips(list(clips.values())), strict=True):
            results[place] = replace(results[place], detections=(detection,))
    return results


class _Sound:
    """The sound of a file as far as it can be read: an error ends it, and is remembered.

    Attributes
    ----------
    samples : int
        How many have been read.
    error : str
        What ended the reading, or nothing.
    """

    def __init__(self, name: str, job: Job) -> None:
        self.samples, self.error = 0, ""
        self._name, self._job = name, job
        # A path where the worker stands is left as it is.
        joined = job.folder and not is_remote(name)
        self._path = str(Path(job.folder, name)) if joined else name

    def chunks(self, rate: int) -> Generator[Samples, None, None]:
        """Yield the samples at some rate."""
        try:
            # A clip is read in one go.
            only_files = self._name not in self._job.named
            for chunk in read_chunks(self._path, rate, LONGEST_CLIP, self._job.channel, only_files=only_files):
                self.samples += len(chunk)
                yield chunk
        except AudioError as error:
            self.error = str(error).replace(self._path, self._name)
