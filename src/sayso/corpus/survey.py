"""Survey a corpus: words, speakers, hours, broken files, and clips without audible speech."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import soundfile

from sayso.config import SILENCE, FeatureSettings
from sayso.corpus.clips import FEW_GROUPS, GROUP, LONGEST
from sayso.corpus.corpus import Corpus, Skipped
from sayso.errors import AudioError
from sayso.sound import audio
from sayso.sound.speech import is_audible, speech_bounds
from sayso.sound.stream import HIGHEST_RATE, LOWEST_RATE
from sayso.system.workers import spread


@dataclass(frozen=True)
class Survey:
    """The contents of a corpus, as far as its files can be read.

    Attributes
    ----------
    corpus : Corpus
        The corpus.
    broken : tuple of Skipped
        Files that cannot be used, and why.
    seconds : dict of Path to float
        Length of each clip and noise that can be read.
    rates : dict of int to int
        Number of these files by sample rate in Hz.
    faint : tuple of Path
        Clips without audible speech; they are counted like the others.
    """

    corpus: Corpus
    broken: tuple[Skipped, ...]
    seconds: dict[Path, float]
    rates: dict[int, int]
    faint: tuple[Path, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the survey as plain values; broken files are not counted among the clips and noises."""
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
    """Read all clips of a corpus, and the headers of its noises.

    Parameters
    ----------
    corpus : Corpus
        The corpus.
    workers : int
        Number of processes that share the work.
    advance : callable
        Called after each file.
    """
    # Clips of silence need no speech.
    jobs = [
        *((clip.path, clip.word != SILENCE) for clip in corpus.clips),
        *((path, False) for path in corpus.noises),
    ]
    groups = [jobs[start : start + GROUP] for start in range(0, len(jobs), GROUP)]
    broken, seconds, faint = list(corpus.skipped), {}, []
    rates: Counter[int] = Counter()
    with spread(_examine, None, groups, workers, few=FEW_GROUPS) as parts:
        for (path, _), found in zip(jobs, chain.from_iterable(parts), strict=True):
            advance()
            if isinstance(found, Skipped):
                broken.append(found)
                continue
            seconds[path] = found.seconds
            rates[found.rate] += 1
            if not found.audible:
                faint.append(path)
    return Survey(corpus, tuple(broken), seconds, dict(rates), tuple(faint))


class _Found(NamedTuple):
    """Length and sample rate of a file, and whether its speech is audible, if that was examined."""

    seconds: float
    rate: int
    audible: bool = True


def _examine(_: None, jobs: Sequence[tuple[Path, bool]]) -> list[_Found | Skipped]:
    """Read the headers of some files, and the samples of those that should hold speech."""
    return [_find_speech(path) if spoken else _read_header(path) for path, spoken in jobs]


def _find_speech(path: Path) -> _Found | Skipped:
    header = _read_header(path)
    if isinstance(header, Skipped) or header.seconds > LONGEST:
        return header
    try:
        # At the rate of the model; at that of some files a minute would fill the memory.
        clip = audio.load(path, FeatureSettings.sample_rate)
    except AudioError as error:
        return Skipped(path, str(error))
    start, end = speech_bounds(clip, FeatureSettings.sample_rate)
    return header._replace(audible=is_audible(clip[start:end]))


def _read_header(path: Path) -> _Found | Skipped:
    """Return length and sample rate; only an unusual header gets the stricter check, which takes longer."""
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
        # soundfile refuses a name that is not valid text; reading through Python takes longer.
        with path.open("rb") as file:
            return soundfile.info(file)


def _is_usual(header: Any) -> bool:
    """Return whether a header is beyond doubt; libsndfile's log says "should be" if a length in it is wrong."""
    return (
        header.format in ("WAV", "FLAC")
        and header.channels == 1
        and LOWEST_RATE <= header.samplerate <= HIGHEST_RATE
        and 0 < header.frames < 2**40
        and "should be" not in header.extra_info
    )
