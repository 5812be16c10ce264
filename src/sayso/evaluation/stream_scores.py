"""Score a model on streams: missed words, false alarms per hour, and the delay from a word to its detection."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from sayso.config import UNKNOWN, DecisionSettings, FeatureSettings
from sayso.evaluation.intervals import poisson_interval, wilson_interval
from sayso.evaluation.streams import PART, Spoken, Stream, StreamMaker
from sayso.recognition.decision import Decision, Detection
from sayso.recognition.recognizer import TOGETHER, Recognizer

# A detection counts for a word until this many seconds after its end: as long as a window can contain the word.
LATEST = 0.75


class Fault(NamedTuple):
    """An error on a recording that a stream was built from.

    Attributes
    ----------
    what : {"missed", "false alarm"}
        A word that was not detected, or a word that was detected in unknown speech.
    word : str
        That word.
    source : Path
        The recording.
    """

    what: Literal["missed", "false alarm"]
    word: str
    source: Path


@dataclass(frozen=True)
class StreamScore:
    """Hits, misses and false alarms of a model on a stream.

    Attributes
    ----------
    spoken : Counter of str
        How often each word of the model was spoken.
    hit : Counter of str
        How often each word was detected where it was spoken.
    alarms : Counter of str
        False alarms by word: detections where no word was spoken, or of the same word a second time.
    wrong : int
        Number of words where another word was detected.
    in_speech : int
        False alarms in unknown speech.
    hours : float
        Length of the stream.
    delays : tuple of float
        Seconds from the end of each detected word to its detection.
    faults : Counter of Fault
        Number of times that each error occurred.
    """

    spoken: Counter[str] = field(default_factory=Counter)
    hit: Counter[str] = field(default_factory=Counter)
    alarms: Counter[str] = field(default_factory=Counter)
    wrong: int = 0
    in_speech: int = 0
    hours: float = 0.0
    delays: tuple[float, ...] = ()
    faults: Counter[Fault] = field(default_factory=Counter)

    def __add__(self, other: Self) -> Self:
        """Return the combined score of two streams."""
        return type(self)(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))

    @property
    def words(self) -> int:
        """Number of words of the model that were spoken."""
        return self.spoken.total()

    @property
    def hits(self) -> int:
        """Number of those words that were detected."""
        return self.hit.total()

    @property
    def false_alarms(self) -> int:
        """Number of detections where no word was spoken, or of the same word a second time."""
        return self.alarms.total()

    @property
    def misses(self) -> int:
        """Number of words that were not detected."""
        return self.words - self.hits

    @property
    def miss_rate(self) -> float:
        """Fraction of the words that were not detected."""
        return self.misses / max(self.words, 1)

    @property
    def false_alarm_rate(self) -> float:
        """False alarms per hour."""
        return self.false_alarms / self.hours if self.hours else 0.0

    @property
    def false_alarm_interval(self) -> tuple[float, float]:
        """95 % interval of the false alarms per hour."""
        low, high = poisson_interval(self.false_alarms)
        return low / max(self.hours, 1e-9), high / max(self.hours, 1e-9)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values."""
        quantiles = np.quantile(self.delays, [0.5, 0.95]) if self.delays else (None, None)
        return {
            "hours": self.hours,
            "words": self.words,
            "hits": self.hits,
            "misses": self.misses,
            "miss_rate": self.miss_rate,
            "miss_interval": list(wilson_interval(self.misses, self.words)),
            "wrong": self.wrong,
            "false_alarms": self.false_alarms,
            "false_alarms_in_speech": self.in_speech,
            "false_alarms_per_hour": self.false_alarm_rate,
            "false_alarms_interval": list(self.false_alarm_interval),
            "delay_median": None if quantiles[0] is None else float(quantiles[0]),
            "delay_95": None if quantiles[1] is None else float(quantiles[1]),
        }


def match(truth: Iterable[Spoken], detections: Iterable[Detection], hours: float) -> StreamScore:
    """Compare detections with the truth of a stream of `hours` hours.

    A detection counts for the last utterance that began before it, unless that ended more than `LATEST` seconds ago.
    """
    utterances = sorted(truth, key=lambda entry: entry.start)
    starts = [entry.start for entry in utterances]
    hit: set[int] = set()
    wrong: set[int] = set()
    delays: list[float] = []
    alarms: Counter[str] = Counter()
    faults: Counter[Fault] = Counter()
    in_speech = 0
    for detection in detections:
        position = int(np.searchsorted(starts, detection.end)) - 1
        nearby = position >= 0 and detection.end <= utterances[position].end + LATEST
        if not nearby or utterances[position].label == UNKNOWN:
            alarms[detection.label] += 1
            in_speech += nearby
            if nearby and (source := utterances[position].source):
                faults[Fault("false alarm", detection.label, source)] += 1
        elif utterances[position].label != detection.label:
            wrong.add(position)
        elif position in hit:
            alarms[detection.label] += 1
        else:
            hit.add(position)
            delays.append(detection.end - utterances[position].end)
    spoken = Counter(entry.label for entry in utterances if entry.label != UNKNOWN)
    hits = Counter(utterances[position].label for position in hit)
    for position, entry in enumerate(utterances):
        if entry.label != UNKNOWN and position not in hit and entry.source:
            faults[Fault("missed", entry.label, entry.source)] += 1
    return StreamScore(spoken, hits, alarms, len(wrong), in_speech, hours, tuple(delays), faults)


@dataclass(frozen=True, eq=False)
class StreamPosteriors:
    """The network's probabilities at each step of a stream whose truth is known.

    With them, decision settings can be compared without running the network again.

    Attributes
    ----------
    stream : Stream
        The stream without its samples, which are not kept.
    labels : tuple of str
        The labels of the model.
    features : FeatureSettings
        The feature settings of the model.
    probabilities : ndarray of float32, shape (steps, labels)
        Probability of each label at each step.
    newest : ndarray of float32, shape (steps, labels), or None
        The same for the newest part of the window of each step.
    ends : ndarray of int, shape (steps,)
        The sample before which the window of each step ends.
    """

    stream: Stream
    labels: tuple[str, ...]
    features: FeatureSettings
    probabilities: NDArray[np.float32]
    newest: NDArray[np.float32] | None
    ends: NDArray[np.int64]

    def score(self, settings: DecisionSettings) -> StreamScore:
        """Compare the detections that these settings give with the truth."""
        decision = Decision(settings, self.labels, self.features.sample_rate, self.features.clip)
        newest = [None] * len(self.ends) if self.newest is None else self.newest
        steps = zip(self.probabilities, self.ends.tolist(), newest, strict=True)
        decided = (decision.update(*step) for step in steps)
        return match(self.stream.truth, (found for found in decided if found), self.stream.seconds / 3600)


def listen_to(recognizer: Recognizer, stream: Stream) -> StreamPosteriors:
    """Compute the probabilities at each step of a stream, as live recognition does."""
    windows = list(recognizer.scores([stream.samples], TOGETHER))
    return StreamPosteriors(
        # A copy, as a view would keep all samples in memory.
        replace(stream, samples=stream.samples[:0].copy()),
        recognizer.labels,
        recognizer.model.features,
        np.array([window.probabilities for window in windows]),
        np.array([window.newest for window in windows]) if windows and windows[0].newest is not None else None,
        np.array([window.end for window in windows]),
    )


def listen_to_parts(
    recognizer: Recognizer,
    maker: StreamMaker,
    hours: float,
    threads: int,
    advance: Callable[[float], None] = lambda hours: None,
) -> list[StreamPosteriors]:
    """Build a stream part by part and compute the probabilities of each part, several parts at a time.

    Parameters
    ----------
    recognizer : Recognizer
        The recogniser.
    maker : StreamMaker
        Builds the parts.
    hours : float
        Length of the stream.
    threads : int
        Number of parts in work at a time; the result does not depend on it.
    advance : callable
        Called with the hours of each part when it is done.
    """
    from threadpoolctl import threadpool_limits

    seconds = 3600 * hours
    lengths = [min(PART, seconds - start) for start in np.arange(0, seconds, PART).tolist()]

    def part(number: int) -> StreamPosteriors:
        posteriors = listen_to(recognizer, maker.part(number, lengths[number]))
        advance(lengths[number] / 3600)
        return posteriors

    with threadpool_limits(1, "blas"), ThreadPoolExecutor(threads) as pool:
        return list(pool.map(part, range(len(lengths))))


def score(parts: Sequence[StreamPosteriors], settings: DecisionSettings) -> StreamScore:
    """Score all parts of a stream together."""
    return sum((part.score(settings) for part in parts), StreamScore())
