"""What a corpus holds: words, speakers, hours, which files are broken, and in which no speech can be heard."""

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
    with spread(_examine, None, groups, workers, few=FEW_GROUPS) as parts:
        for (path, _), found in zip(jobs, chain.from_iterable(parts), strict=True):
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


def _examine(_: None, jobs: Sequence[tuple[Path, bool]]) -> list[_Found | Skipped]:
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
    return header._replace(heard=is_audible(clip[start:end]))


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
