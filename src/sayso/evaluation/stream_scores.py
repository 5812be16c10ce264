"""Score a model on streams: missed words, false alarms per hour, and the delay from a word to its detection."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

import numpy as np

from sayso.config import UNKNOWN, DecisionSettings
from sayso.evaluation.intervals import poisson_interval, wilson_interval
from sayso.evaluation.posteriors import Posteriors, posteriors_of
from sayso.evaluation.streams import PART, Spoken, Stream, StreamMaker
from sayso.recognition.decision import Detection
from sayso.recognition.recognizer import Recognizer

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


class Outcome(NamedTuple):
    """What became of one word of the model that was said.

    Attributes
    ----------
    source : Path or None
        Its recording, if the stream was built from recordings.
    delay : float or None
        Seconds from its end to its detection; None if it was missed.
    """

    source: Path | None
    delay: float | None


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
    outcomes : tuple of Outcome
        What became of each word of the model that was said, in order of time.
    faults : Counter of Fault
        Number of times that each error occurred.
    """

    spoken: Counter[str] = field(default_factory=Counter)
    hit: Counter[str] = field(default_factory=Counter)
    alarms: Counter[str] = field(default_factory=Counter)
    wrong: int = 0
    in_speech: int = 0
    hours: float = 0.0
    outcomes: tuple[Outcome, ...] = ()
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
    def delays(self) -> tuple[float, ...]:
        """Seconds from the end of each detected word to its detection."""
        return tuple(outcome.delay for outcome in self.outcomes if outcome.delay is not None)

    def by_unit(self, unit: Callable[[Path], str]) -> list[list[Outcome]]:
        """Return the outcomes of each speaker, or of whatever else `unit` makes of the path of a recording."""
        units: defaultdict[str, list[Outcome]] = defaultdict(list)
        for outcome in self.outcomes:
            if outcome.source:
                units[unit(outcome.source)].append(outcome)
        return list(units.values())

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
    # The delay of each word that was detected.
    hit: dict[int, float] = {}
    wrong: set[int] = set()
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
            hit[position] = detection.end - utterances[position].end
    words = [(position, entry) for position, entry in enumerate(utterances) if entry.label != UNKNOWN]
    spoken = Counter(entry.label for _, entry in words)
    hits = Counter(utterances[position].label for position in hit)
    for position, entry in words:
        if position not in hit and entry.source:
            faults[Fault("missed", entry.label, entry.source)] += 1
    outcomes = tuple(Outcome(entry.source, hit.get(position)) for position, entry in words)
    return StreamScore(spoken, hits, alarms, len(wrong), in_speech, hours, outcomes, faults)


@dataclass(frozen=True, eq=False)
class StreamPosteriors(Posteriors):
    """The network's probabilities at each step of a stream whose truth is known.

    Attributes
    ----------
    stream : Stream
        The stream without its samples, which are not kept.
    """

    stream: Stream

    def score(self, settings: DecisionSettings) -> StreamScore:
        """Compare the detections that these settings give with the truth."""
        return match(self.stream.truth, self.detections(settings), self.stream.seconds / 3600)


def listen_to(recognizer: Recognizer, stream: Stream) -> StreamPosteriors:
    """Compute the probabilities at each step of a stream, as live recognition does."""
    # A copy, as a view would keep all samples in memory.
    without = replace(stream, samples=stream.samples[:0].copy())
    return StreamPosteriors(**vars(posteriors_of(recognizer, [stream.samples])), stream=without)


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
