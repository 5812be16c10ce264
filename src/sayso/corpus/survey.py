"""Survey a corpus: words, speakers, hours, broken files, and clips without audible speech."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from sayso.config import SILENCE, FeatureSettings
from sayso.corpus.clips import FEW_GROUPS, GROUP, LONGEST
from sayso.corpus.corpus import Corpus
from sayso.corpus.digests import digest_of, repeated
from sayso.corpus.skipped import Skipped
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
    duplicates : tuple of str
        Warnings about recordings that are under two words or in two splits.
    """

    corpus: Corpus
    broken: tuple[Skipped, ...]
    seconds: dict[Path, float]
    rates: dict[int, int]
    faint: tuple[Path, ...]
    duplicates: tuple[str, ...] = ()

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
            "warnings": [*self.corpus.warnings, *self.duplicates],
            "notes": list(self.corpus.notes),
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
    digests: dict[Path, int] = {}
    rates: Counter[int] = Counter()
    with spread(_examine, None, groups, workers, few=FEW_GROUPS) as parts:
        for (path, _), found in zip(jobs, chain.from_iterable(parts), strict=True):
            advance()
            if isinstance(found, Skipped):
                broken.append(found)
                continue
            seconds[path] = found.seconds
            rates[found.rate] += 1
            digests[path] = found.digest
            if not found.audible:
                faint.append(path)
    duplicates = repeated(corpus.clips, [digests.get(clip.path, 0) for clip in corpus.clips])
    return Survey(corpus, tuple(broken), seconds, dict(rates), tuple(faint), tuple(duplicates))


class _Found(NamedTuple):
    """Length and sample rate of a file; whether its speech is audible, and its digest, if that was examined."""

    seconds: float
    rate: int
    audible: bool = True
    digest: int = 0


def _examine(_: None, jobs: Sequence[tuple[Path, bool]]) -> list[_Found | Skipped]:
    """Read the headers of some files, and the samples of those that should hold speech."""
    found: list[_Found | Skipped] = []
    for path, spoken in jobs:
        try:
            seconds, rate = audio.info(path, only_files=True)
            if not seconds:
                found.append(Skipped(path, "holds no samples"))
            elif not spoken or seconds > LONGEST:
                found.append(_Found(seconds, rate))
            else:
                found.append(_Found(seconds, rate, *_heard(path)))
        except AudioError as error:
            found.append(Skipped(path, str(error)))
    return found


def _heard(path: Path) -> tuple[bool, int]:
    """Return whether the speech in a clip is audible, and its digest."""
    # At the rate of the model; at that of some files a minute would fill the memory.
    clip = audio.load(path, FeatureSettings.sample_rate, only_files=True)
    start, end = speech_bounds(clip, FeatureSettings.sample_rate)
    return is_audible(clip[start:end]), digest_of(clip.tobytes()) if clip.any() else 0
