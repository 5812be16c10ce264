"""From probabilities over time to detections: a small state machine whose only clock is the count of samples.

Past scores are never edited: a held word fires once, and a word said twice fires twice, provided that its score falls
in between.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sayso.config import SILENCE, UNKNOWN, DecisionSettings


@dataclass(frozen=True)
class Detection:
    """A detected word.

    Attributes
    ----------
    label : str
        The word.
    confidence : float
        Its probability; in a stream the mean over the latest steps, weighted towards the newest.
    start, end : float
        The window in which it was detected, in seconds from the beginning of the sound.
    runners_up : tuple of (str, float)
        The next most probable labels with their probabilities.
    """

    label: str
    confidence: float
    start: float
    end: float
    runners_up: tuple[tuple[str, float], ...] = ()


def ranking(labels: Sequence[str], probabilities: NDArray[np.floating], count: int = 3) -> list[tuple[str, float]]:
    """Return the most probable labels with their probabilities, in descending order."""
    order = np.argsort(-probabilities, kind="stable")[:count]
    return [(labels[index], float(probabilities[index])) for index in order]


class Decision:
    """Decides at which steps of a stream a word is detected.

    Parameters
    ----------
    settings : DecisionSettings
        Thresholds and times.
    labels : sequence of str
        The labels, in the order of the probabilities; silence and unknown never fire.
    sample_rate : int
        Samples per second.
    window : float
        Length of the network's input in seconds.
    """

    def __init__(self, settings: DecisionSettings, labels: Sequence[str], sample_rate: int, window: float) -> None:
        self._settings = settings
        self._labels = tuple(labels)
        self._rate = sample_rate
        self._window = window
        # Probabilities of the latest steps, the newest first.
        self._recent: NDArray[np.floating] = np.zeros((settings.smoothing, len(labels)), np.float32)
        # Two weighted means. Over all steps, the weights fall linearly with age: it takes this many steps to tell a
        # word from a sound that resembles it briefly, but a completed word shows in the newest of them. The mean over
        # the newer half alone detects a clear word sooner.
        falling = np.arange(settings.smoothing, 0, -1)
        self._weights: NDArray[np.floating] = np.stack([falling, (falling - settings.smoothing // 2).clip(0)]).astype(
            np.float32
        )
        self._steps = 0
        self._words = np.array([index for index, label in enumerate(labels) if label not in (SILENCE, UNKNOWN)], int)
        thresholds = np.array([settings.words.get(self._labels[index], settings.threshold) for index in self._words])
        # To fire, and to rearm; `update` casts them to the type of the probabilities, so that a limit is met exactly.
        self._limits: NDArray[np.floating] = np.stack([thresholds, settings.rearm * (thresholds / settings.threshold)])
        self._armed = np.ones(len(self._words), bool)
        self._quiet_until = -np.inf

    def update(self, probabilities: NDArray[np.floating], end_sample: int) -> Detection | None:
        """Process the probabilities of one step.

        Parameters
        ----------
        probabilities : ndarray, shape (labels,)
            The network's output for the window that ends at `end_sample`.
        end_sample : int
            Position in the sound, in samples; it must increase from call to call.

        Returns
        -------
        detection : Detection or None
            The word that is detected at this step, if any.
        """
        settings = self._settings
        if self._recent.dtype != probabilities.dtype:
            self._recent = self._recent.astype(probabilities.dtype)
            self._weights = self._weights.astype(probabilities.dtype)
        self._recent[1:] = self._recent[:-1]
        self._recent[0] = probabilities
        self._steps = min(self._steps + 1, settings.smoothing)
        weights = self._weights[:, : self._steps]
        average, newer = weights @ self._recent[: self._steps] / weights.sum(axis=1, keepdims=True)
        scores = np.maximum(average, newer - settings.margin)[self._words]
        thresholds, rearm = self._limits.astype(scores.dtype)
        self._armed |= scores < rearm
        if not len(scores):
            return None
        best = int(scores.argmax())
        if scores[best] < thresholds[best] or not self._armed[best] or end_sample < self._quiet_until:
            return None
        self._armed[best] = False
        self._quiet_until = end_sample + settings.refractory * self._rate
        index, end = self._words[best], end_sample / self._rate
        decisive = average if scores[best] == average[index] else newer
        others = [entry for entry in ranking(self._labels, decisive, 4) if entry[0] != self._labels[index]][:3]
        return Detection(self._labels[index], float(decisive[index]), max(end - self._window, 0.0), end, tuple(others))
