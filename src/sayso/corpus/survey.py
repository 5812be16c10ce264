"""Survey a corpus: words, speakers, hours, broken files, and clips without audible speech."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from sayso.config import SILENCE, FeatureSettings
from sayso.corpus.clips import FEW_GROUPS, GROUP, LONGEST
from sayso.corpus.corpus import Corpus, Skipped
from sayso.errors import AudioError
from sayso.sound import audio
from sayso.sound.speech import is_audible, speech_bounds
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
    audible: bool


def _examine(_: None, jobs: Sequence[tuple[Path, bool]]) -> list[_Found | Skipped]:
    """Read the headers of some files, and the samples of those that should hold speech."""
    found: list[_Found | Skipped] = []
    for path, spoken in jobs:
        try:
            seconds, rate = audio.info(path, only_files=True)
            if not seconds:
                found.append(Skipped(path, "holds no samples"))
            else:
                found.append(_Found(seconds, rate, not spoken or seconds > LONGEST or _is_audible(path)))
        except AudioError as error:
            found.append(Skipped(path, str(error)))
    return found


def _is_audible(path: Path) -> bool:
    # At the rate of the model; at that of some files a minute would fill the memory.
    clip = audio.load(path, FeatureSettings.sample_rate, only_files=True)
    start, end = speech_bounds(clip, FeatureSettings.sample_rate)
    return is_audible(clip[start:end])
