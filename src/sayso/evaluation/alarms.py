"""False alarms on recordings in which nobody gives a command: running speech, noise, music.

In running speech, words of the model are said within sentences. Where a table tells (`words.tsv`, see
`sayso.corpus.places`), a word that is detected where it stands in the sentence is counted apart: it is no false alarm.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from threadpoolctl import threadpool_limits

from sayso.config import DecisionSettings
from sayso.corpus.places import Place, Places
from sayso.corpus.skipped import Skipped
from sayso.errors import AudioError
from sayso.evaluation.intervals import rate_interval
from sayso.evaluation.posteriors import Posteriors, posteriors_of
from sayso.evaluation.stream_scores import StreamScore
from sayso.evaluation.streams import PART
from sayso.evaluation.thresholds import THRESHOLDS, with_threshold
from sayso.recognition.decision import Detection
from sayso.recognition.recognizer import Recognizer
from sayso.sound import audio
from sayso.sound.stream import Samples

# A detection averages the scores of some windows: what it covers begins so many seconds before the latest of these.
EARLIER = 0.3
# The sensitivities at which false alarms are told; at 0.5 the model has its own thresholds.
SENSITIVITIES = tuple(round(0.1 * step, 1) for step in range(11))


class Alarm(NamedTuple):
    """A word that was detected where nobody gave a command.

    Attributes
    ----------
    word : str
        The word.
    recording : Path
        The recording.
    end : float
        The end of the window in which it was detected, in seconds.
    said : str
        The words of the table that the detection covers; empty without a table.
    """

    word: str
    recording: Path
    end: float
    said: str


@dataclass(frozen=True)
class AlarmScore:
    """False alarms of a model on recordings.

    Attributes
    ----------
    alarms : tuple of Alarm
        The false alarms.
    standing : tuple of Alarm
        Detections of a word that does stand in the sentence; they are no false alarms.
    seconds : mapping of Path to float
        Length of each recording.
    """

    alarms: tuple[Alarm, ...]
    standing: tuple[Alarm, ...]
    seconds: Mapping[Path, float]

    @property
    def hours(self) -> float:
        """Length of all recordings."""
        return sum(self.seconds.values()) / 3600

    @property
    def by_word(self) -> Counter[str]:
        """False alarms by word, the most frequent first."""
        return Counter(dict(Counter(alarm.word for alarm in self.alarms).most_common()))

    @property
    def rate(self) -> float:
        """False alarms per hour."""
        return len(self.alarms) / self.hours if self.hours else 0.0

    def interval(self, unit: Callable[[Path], str] = str) -> tuple[float, float]:
        """95 % interval of the false alarms per hour, by resampling recordings, see `rate_interval`.

        Parameters
        ----------
        unit : callable
            What is resampled as one, by the path of a recording, such as its speaker. Of a recording that is longer
            than ten minutes, each ten minutes are resampled separately.
        """
        hours: defaultdict[tuple[str, int], float] = defaultdict(float)
        counts: Counter[tuple[str, int]] = Counter()
        for path, seconds in self.seconds.items():
            for number in range(_part(seconds) + 1):
                hours[unit(path), number] += min(seconds - number * PART, PART) / 3600
        for alarm in self.alarms:
            # The window may end behind the recording.
            end = min(alarm.end, self.seconds[alarm.recording])
            counts[unit(alarm.recording), _part(end)] += 1
        return rate_interval([counts[key] for key in hours], list(hours.values()))

    def to_dict(self, unit: Callable[[Path], str] = str) -> dict[str, Any]:
        """Return everything as plain values; `unit` as for `interval`."""
        return {
            "hours": self.hours,
            "recordings": len(self.seconds),
            "false_alarms": len(self.alarms),
            "false_alarms_per_hour": self.rate,
            "false_alarms_interval": list(self.interval(unit)),
            "false_alarms_by_word": dict(self.by_word),
            "words_that_stand": len(self.standing),
        }


@dataclass(frozen=True, eq=False)
class RecordingPosteriors(Posteriors):
    """The network's probabilities at each step of a recording in which nobody gives a command.

    Attributes
    ----------
    path : Path
        The recording.
    seconds : float
        Its length.
    places : sequence of Place
        The words that are said in it, as far as they are known.
    """

    path: Path
    seconds: float
    places: Sequence[Place]

    def alarm(self, detection: Detection) -> Alarm:
        """Return a detection with the words of the table that it covers."""
        earliest = detection.end - self.features.clip - EARLIER
        said = (place.word for place in self.places if place.end > earliest and place.start < detection.end)
        return Alarm(detection.label, self.path, detection.end, " ".join(said))


def _part(seconds: float) -> int:
    """Return the number of the part of ten minutes that a time in a recording belongs to."""
    return max(math.ceil(seconds / PART) - 1, 0)


def stands(alarm: Alarm) -> bool:
    """Return whether the word, or the words of a phrase, are said there."""
    said, word = (f" {' '.join(text.casefold().replace('_', ' ').split())} " for text in (alarm.said, alarm.word))
    return word in said


def listen_to_recordings(
    recognizer: Recognizer,
    paths: Sequence[Path],
    places: Places,
    threads: int,
    advance: Callable[[], None] = lambda: None,
) -> tuple[list[RecordingPosteriors], list[Skipped]]:
    """Compute the probabilities at each step of recordings, several at a time, in memory that only grows with these.

    Parameters
    ----------
    recognizer : Recognizer
        The recogniser.
    paths : sequence of Path
        The recordings, of any length.
    places : mapping of Path to sequence of Place
        The words in each, by its path, see `sayso.corpus.places.places_in`.
    threads : int
        Number of recordings in work at a time; the result does not depend on it.
    advance : callable
        Called when a recording is done.

    Returns
    -------
    posteriors : list of RecordingPosteriors
        Those of each recording that can be read.
    skipped : list of Skipped
        The others, and why.
    """
    rate = recognizer.model.features.sample_rate

    def listen(path: Path) -> RecordingPosteriors | Skipped:
        samples = 0

        def counted(chunk: Samples) -> Samples:
            nonlocal samples
            samples += len(chunk)
            return chunk

        try:
            found = posteriors_of(recognizer, map(counted, audio.read_chunks(path, rate, only_files=True)))
        except AudioError as error:
            return Skipped(path, str(error))
        finally:
            advance()
        return RecordingPosteriors(**vars(found), path=path, seconds=samples / rate, places=places.get(path, ()))

    with threadpool_limits(1, "blas"), ThreadPoolExecutor(threads) as pool:
        results = list(pool.map(listen, paths))
    read = [result for result in results if not isinstance(result, Skipped)]
    return read, [result for result in results if isinstance(result, Skipped)]


def alarms_on(recordings: Sequence[RecordingPosteriors], settings: DecisionSettings) -> AlarmScore:
    """Count the false alarms that some decision settings give."""
    found = [recording.alarm(each) for recording in recordings for each in recording.detections(settings)]
    return AlarmScore(
        tuple(alarm for alarm in found if not stands(alarm)),
        tuple(alarm for alarm in found if stands(alarm)),
        {recording.path: recording.seconds for recording in recordings},
    )


def alarm_curve(
    recordings: Sequence[RecordingPosteriors],
    settings: DecisionSettings,
    thresholds: Sequence[float] = THRESHOLDS,
) -> list[tuple[float, AlarmScore]]:
    """Count the false alarms at several thresholds, each for all words, in ascending order."""
    return [(threshold, alarms_on(recordings, with_threshold(settings, threshold))) for threshold in sorted(thresholds)]


def alarms_by_sensitivity(
    recordings: Sequence[RecordingPosteriors], settings: DecisionSettings
) -> tuple[tuple[float, float], ...]:
    """Return the false alarms per hour at each of `SENSITIVITIES`, as a model file keeps them."""
    return tuple(
        (sensitivity, round(alarms_on(recordings, settings.at_sensitivity(sensitivity)).rate, 2))
        for sensitivity in SENSITIVITIES
    )


def with_alarms(
    heard: Sequence[Sequence[tuple[float, StreamScore]]], alarms: Sequence[tuple[float, AlarmScore]]
) -> list[tuple[float, StreamScore]]:
    """Return the words heard on all streams together, with the false alarms on recordings in place of their own.

    Parameters
    ----------
    heard : sequence of sequence of (float, StreamScore)
        The score at each threshold, for each stream.
    alarms : sequence of (float, AlarmScore)
        The false alarms at the same thresholds.
    """
    together = [sum((score for _, score in points), StreamScore()) for points in zip(*heard, strict=True)]
    return [
        (threshold, replace(score, alarms=found.by_word, hours=found.hours, in_speech=0))
        for score, (threshold, found) in zip(together, alarms, strict=True)
    ]


def lowest_threshold(curve: Sequence[tuple[float, AlarmScore]], most: float) -> tuple[float, AlarmScore] | None:
    """Return the point from which on all thresholds give at most so many false alarms per hour, or None."""
    found = None
    for point in reversed(curve):
        if point[1].rate > most:
            break
        found = point
    return found
