"""The data sets that sayso can fetch, where they lie on this machine, and what a corpus holds.

Nothing is fetched here.
"""

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import soundfile

from sayso.config import SILENCE, FeatureSettings
from sayso.corpus.clips import FEW_GROUPS, GROUP, LONGEST
from sayso.corpus.corpus import Corpus, Skipped
from sayso.errors import AudioError, DownloadError
from sayso.sound import audio
from sayso.sound.libsndfile import HIGHEST_RATE, LOWEST_RATE
from sayso.sound.speech import is_heard, speech_bounds
from sayso.system.workers import in_processes

# A set that was unpacked whole holds this hidden file, which tells where it comes from.
MARKER = ".sayso.json"


@dataclass(frozen=True)
class DataSet:
    """A data set that can be fetched.

    Attributes
    ----------
    name : str
        What users call it, and its folder.
    about : str
        What it holds.
    address : str
        Folder of the archive on the network.
    archive : str
        Name of the archive.
    size : int
        Bytes of the archive.
    sha256 : str or None
        Hash of the archive, if it is known.
    unpacked : int
        Bytes on disk once unpacked, about.
    """

    name: str
    about: str
    address: str
    archive: str
    size: int
    sha256: str | None
    unpacked: int


_TENSORFLOW = "http://download.tensorflow.org/data"

KNOWN = {
    data_set.name: data_set
    for data_set in (
        DataSet(
            name="speech-commands",
            about="Speech Commands 2: 105,829 clips of 35 words, and noise",
            address=_TENSORFLOW,
            archive="speech_commands_v0.02.tar.gz",
            size=2_428_923_189,
            sha256="af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58",
            unpacked=3_850_000_000,
        ),
        DataSet(
            name="speech-commands-v1",
            about="Speech Commands 1: about 65,000 clips of 30 words, and noise",
            address=_TENSORFLOW,
            archive="speech_commands_v0.01.tar.gz",
            size=1_489_096_277,
            sha256="743935421bb51cccdb6bdd152e04c5c70274e935c82119ad7faeec31780d811d",
            unpacked=2_350_000_000,
        ),
        DataSet(
            name="speech-commands-test",
            about="the official test set of Speech Commands 2: 4,890 clips",
            address=_TENSORFLOW,
            archive="speech_commands_test_set_v0.02.tar.gz",
            size=112_563_277,
            sha256="cc2a00c1147c2254e9be3fa0f779d8c17421dc349b86366567a8edfa9acd51df",
            unpacked=180_000_000,
        ),
        DataSet(
            name="mini-speech-commands",
            about="a part of Speech Commands: 8,000 clips of 8 words",
            address="https://storage.googleapis.com/download.tensorflow.org/data",
            archive="mini_speech_commands.zip",
            size=182_082_353,
            sha256=None,
            unpacked=290_000_000,
        ),
    )
}


def data_folder() -> Path:
    """Return the folder in which data sets are kept unless another is named."""
    from platformdirs import user_data_path

    return user_data_path("sayso", appauthor=False)


def is_whole(folder: Path) -> bool:
    """Tell whether a folder is a data set that was fetched and unpacked to its end."""
    return (folder / MARKER).is_file()


def find(place: Path) -> Path:
    """Return the folder of recordings that is named by its path or, if it was fetched, by the name of a data set.

    Raises
    ------
    DownloadError
        If it is the name of a data set that is not on this machine.
    """
    name = str(place)
    if name not in KNOWN or place.exists():
        return place
    folder = data_folder() / name
    if not is_whole(folder):
        raise DownloadError(f"the data set {name} is not on this machine; run: sayso data download {name}")
    return folder


@dataclass(frozen=True)
class Survey:
    """What a corpus holds.

    Attributes
    ----------
    corpus : Corpus
        The corpus.
    broken : tuple of Skipped
        Files that cannot be used, and why.
    seconds : dict of Path to float
        Length of each clip and noise that can be read.
    rates : dict of int to int
        How many of them have each sample rate.
    faint : tuple of Path
        Clips in which no speech can be heard; they count as any other.
    """

    corpus: Corpus
    broken: tuple[Skipped, ...]
    seconds: dict[Path, float]
    rates: dict[int, int]
    faint: tuple[Path, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the facts as plain values; what is broken counts nowhere else."""
        clips = [clip for clip in self.corpus.clips if clip.path in self.seconds]
        noises = [self.seconds[path] for path in self.corpus.noises if path in self.seconds]
        words: dict[str, Counter[str]] = {word: Counter() for word in self.corpus.words}
        for clip in clips:
            words[clip.word][clip.split] += 1
        return {
            "folder": str(self.corpus.root),
            "clips": len(clips),
            "hours": sum(self.seconds[clip.path] for clip in clips) / 3600,
            "speakers": len({clip.speaker for clip in clips if clip.speaker}),
            "without_speaker": sum(clip.speaker is None for clip in clips),
            "splits": dict(Counter(clip.split for clip in clips)),
            "words": {word: dict(counts) for word, counts in words.items()},
            "noises": {"files": len(noises), "hours": sum(noises) / 3600},
            "sample_rates": {str(rate): count for rate, count in sorted(self.rates.items())},
            "broken": [{"path": str(item.path), "reason": item.reason} for item in self.broken],
            "faint": [str(path) for path in self.faint],
            "warnings": list(self.corpus.warnings),
        }


def survey(corpus: Corpus, workers: int, advance: Callable[[], object]) -> Survey:
    """Read the clips of a corpus, and the headers of its noises.

    Parameters
    ----------
    corpus : Corpus
        The corpus.
    workers : int
        How many processes share the work.
    advance : callable
        Is called after each file.
    """
    # Silence is meant to hold no speech.
    jobs = [
        *((clip.path, clip.word != SILENCE) for clip in corpus.clips),
        *((path, False) for path in corpus.noises),
    ]
    groups = [jobs[start : start + GROUP] for start in range(0, len(jobs), GROUP)]
    broken, seconds, faint = list(corpus.skipped), {}, []
    rates: Counter[int] = Counter()
    with contextlib.ExitStack() as stack:
        looks: Iterator[list[_Found | Skipped]] = map(partial(_look, None), groups)
        if workers > 1 and len(groups) > FEW_GROUPS:
            looks = stack.enter_context(in_processes(_look, None, workers))(groups)
        for (path, _), found in zip(jobs, chain.from_iterable(looks), strict=True):
            advance()
            if isinstance(found, Skipped):
                broken.append(found)
                continue
            seconds[path] = found.seconds
            rates[found.rate] += 1
            if not found.heard:
                faint.append(path)
    return Survey(corpus, tuple(broken), seconds, dict(rates), tuple(faint))


class _Found(NamedTuple):
    """Length and sample rate of a file, and whether speech can be heard in it, if that was asked."""

    seconds: float
    rate: int
    heard: bool = True


def _look(_: None, jobs: Sequence[tuple[Path, bool]]) -> list[_Found | Skipped]:
    """Look at some files, and listen to those that should hold speech."""
    return [_listen(path) if spoken else _read_header(path) for path, spoken in jobs]


def _listen(path: Path) -> _Found | Skipped:
    header = _read_header(path)
    if isinstance(header, Skipped) or header.seconds > LONGEST:
        return header
    try:
        # As the network would hear it; at the rate of some files a minute would fill the memory.
        clip = audio.load(path, FeatureSettings.sample_rate)
    except AudioError as error:
        return Skipped(path, str(error))
    start, end = speech_bounds(clip, FeatureSettings.sample_rate)
    return header._replace(heard=is_heard(clip[start:end]))


def _read_header(path: Path) -> _Found | Skipped:
    """Return length and sample rate; the stricter look, which takes longer, is for files with an unusual header."""
    try:
        header = _header(path)
    except (OSError, soundfile.SoundFileError, TypeError):
        header = None
    if header is not None and _is_usual(header):
        return _Found(header.frames / header.samplerate, header.samplerate)
    try:
        seconds = audio.duration(path)
    except AudioError as error:
        return Skipped(path, str(error))
    if header is None or not seconds:
        return Skipped(path, "holds no samples")
    return _Found(seconds, header.samplerate)


def _header(path: Path) -> Any:
    try:
        return soundfile.info(path)
    except UnicodeEncodeError:
        # A name that is no text, which soundfile cannot hand on; reading through Python takes longer.
        with path.open("rb") as file:
            return soundfile.info(file)


def _is_usual(header: Any) -> bool:
    """Tell whether a header leaves nothing to doubt: "should be" is in libsndfile's log if a length is wrong."""
    return (
        header.format in ("WAV", "FLAC")
        and header.channels == 1
        and LOWEST_RATE <= header.samplerate <= HIGHEST_RATE
        and 0 < header.frames < 2**40
        and "should be" not in header.extra_info
    )
