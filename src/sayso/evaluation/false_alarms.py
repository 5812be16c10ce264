"""How often a word is detected where it was not said, as a function of its threshold, from less than an hour of sound.

At the thresholds of interest there are almost no alarms to count. So the highest threshold at which each recording
still gives an alarm is found, and an exponential tail is fitted to the largest of these: the scores of sounds that are
not the word fall off about exponentially, as in J. Pickands, "Statistical inference using extreme order statistics",
1975. The fit takes few scores: further down, where sounds resemble the word less, they lie further apart.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sayso.config import UNKNOWN, DecisionSettings, FeatureSettings
from sayso.config.odds import log_odds
from sayso.recognition.decision import Decision

# Recordings with the largest scores that are listened to, those of them to which the tail is fitted, and the fewest to
# which it can be.
CANDIDATES, TAIL, FEWEST = 30, 5, 3
# Range in which the threshold of a recording is sought, in log-odds, and how exactly; and that of chosen thresholds.
LOWEST, PRECISION = -3.0, 0.05
CHOSEN = (-1.0, 7.0)


class Listened(NamedTuple):
    """The probabilities at every step of a recording.

    Attributes
    ----------
    whole, newest : ndarray of float32, shape (steps, labels)
        Of the whole window, and of the newest part of it.
    """

    whole: NDArray[np.float32]
    newest: NDArray[np.float32]


class Tail(NamedTuple):
    """Alarms of a word per hour as a function of its threshold.

    Attributes
    ----------
    hours : float
        Length of what was listened to.
    scores : tuple of float
        In log-odds, the highest threshold of each recording that gives an alarm, in descending order.
    """

    hours: float
    scores: tuple[float, ...]

    @property
    def _fit(self) -> tuple[int, float, float]:
        """The number of largest scores, the score that they exceed, and the mean excess; none if there are too few."""
        if len(self.scores) <= FEWEST:
            return 0, math.inf, 1.0
        count = min(TAIL, len(self.scores) - 1)
        least = self.scores[count]
        return count, least, max(sum(self.scores[:count]) / count - least, PRECISION)

    def rate(self, threshold: float) -> float:
        """Return the expected alarms per hour at a threshold, given in log-odds."""
        count, least, excess = self._fit
        if threshold < least:
            return sum(score >= threshold for score in self.scores) / self.hours
        return count / self.hours * math.exp(-(threshold - least) / excess)

    def threshold(self, rate: float) -> float:
        """Return the lowest threshold, in log-odds, with at most so many expected alarms per hour, within limits."""
        count, least, excess = self._fit
        alarms = self.hours * rate
        if alarms < count:
            found = least + excess * math.log(count / alarms)
        else:
            found = self.scores[int(alarms)] + PRECISION if alarms < len(self.scores) else LOWEST
        return min(max(found, CHOSEN[0]), CHOSEN[1])


def tail_of(
    recordings: Sequence[Listened], word: str, labels: Sequence[str], settings: DecisionSettings,
    features: FeatureSettings,
) -> Tail:  # fmt: skip
    """Find at which thresholds a word is detected in recordings in which it is not said.

    Parameters
    ----------
    recordings : sequence of Listened
        Each is decided on separately.
    word : str
        The word.
    labels : sequence of str
        The labels, in the order of the probabilities.
    settings, features : DecisionSettings, FeatureSettings
        Those of the model; the thresholds of other words stay.
    """
    place, smoothing = labels.index(word), settings.smoothing
    rough = np.array([_smoothed(recording.whole[:, place], smoothing) for recording in recordings])
    candidates = np.argsort(-rough, kind="stable")[:CANDIDATES].tolist()
    scores = [highest_threshold(recordings[number], word, labels, settings, features) for number in candidates]
    hours = sum(len(recording.whole) for recording in recordings) * settings.step / 3600
    return Tail(hours, tuple(sorted((score for score in scores if score > LOWEST), reverse=True)))


def highest_threshold(
    recording: Listened, word: str, labels: Sequence[str], settings: DecisionSettings, features: FeatureSettings
) -> float:
    """Return the highest threshold, in log-odds, with which a word is detected in a recording; at least `LOWEST`."""

    def fires(threshold: float) -> bool:
        own = 1 / (1 + math.exp(-threshold))
        chosen = replace(settings, words={**settings.words, word: own})
        decision = Decision(chosen, labels, features.sample_rate, features.clip)
        steps = zip(recording.whole, recording.newest, strict=True)
        found = (decision.update(whole, length + number * step, newest) for number, (whole, newest) in enumerate(steps))
        return any(detection is not None and detection.label == word for detection in found)

    step, length = round(settings.step * features.sample_rate), features.clip_samples
    rough = _smoothed(recording.whole[:, labels.index(word)], settings.smoothing)
    # A word may be detected with a score that is a little lower than its threshold if a pause or a word is near.
    low, high = LOWEST, rough + settings.ease + 2
    if high <= low or not fires(low):
        return LOWEST
    while high - low > PRECISION:
        middle = (low + high) / 2
        low, high = (middle, high) if fires(middle) else (low, middle)
    return low


def _smoothed(probabilities: NDArray[np.float32], smoothing: int) -> float:
    """Return the largest mean of the log-odds of successive steps."""
    odds = log_odds(probabilities.clip(1e-4, 1 - 1e-4))
    count = min(smoothing, len(odds))
    return float(np.convolve(odds, np.full(count, 1 / count), "valid").max())


def listened(
    probabilities: NDArray[np.float32], pauses: NDArray[np.float32], silence: int | None, labels: Sequence[str]
) -> Listened:
    """Return what is known of a recording of which only the pauses in the newest parts of the windows were kept.

    The newest part is taken to show the same words as the whole, where it does not show a pause.

    Parameters
    ----------
    probabilities : ndarray, shape (steps, labels)
        Those of the whole windows.
    pauses : ndarray, shape (steps,)
        The probability of silence in the newest part of each.
    silence : int or None
        The label of silence.
    labels : sequence of str
        The labels.
    """
    newest = probabilities * (1 - pauses)[:, None]
    newest[:, labels.index(UNKNOWN) if silence is None else silence] = 0
    if silence is not None:
        newest[:, silence] = pauses
    total = newest.sum(axis=1, keepdims=True)
    return Listened(probabilities, (newest / np.maximum(total, 1e-9)).astype(np.float32))
