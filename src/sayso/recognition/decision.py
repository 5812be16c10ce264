"""From probabilities over time to detections: a small state machine whose only clock is the count of samples.

It never edits what it has seen: a held word fires once, and a word said twice fires twice once it has died away in
between.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sayso.config import SILENCE, UNKNOWN, DecisionSettings


@dataclass(frozen=True)
class Detection:
    """A word that was heard.

    Attributes
    ----------
    label : str
        The word.
    confidence : float
        Its probability, averaged over the looks that decided; the newest counts most.
    start, end : float
        Where it was heard, in seconds from the beginning of the sound.
    runners_up : tuple of (str, float)
        The next likeliest labels with their probabilities.
    """

    label: str
    confidence: float
    start: float
    end: float
    runners_up: tuple[tuple[str, float], ...] = ()


def ranking(labels: Sequence[str], probabilities: NDArray[np.floating], count: int = 3) -> list[tuple[str, float]]:
    """Return the likeliest labels with their probabilities, likeliest first."""
    order = np.argsort(-probabilities, kind="stable")[:count]
    return [(labels[position], float(probabilities[position])) for position in order]


class Decision:
    """Decides when a word was said.

    Parameters
    ----------
    settings : DecisionSettings
        Thresholds and times.
    labels : sequence of str
        What the probabilities stand for; silence and unknown never fire.
    sample_rate : int
        Samples a second.
    window : float
        Seconds that the network sees at once.
    """

    def __init__(self, settings: DecisionSettings, labels: Sequence[str], sample_rate: int, window: float) -> None:
        self._settings = settings
        self._labels = tuple(labels)
        self._rate = sample_rate
        self._window = window
        # The latest looks, the newest first.
        self._recent: NDArray[np.floating] = np.zeros((settings.smoothing, len(labels)), np.float32)
        # The newest counts most: so many looks are needed to tell a word from a sound that is like it for a moment, but
        # a word that has been said shows in the newest of them. The newer half alone tells it sooner, if it is clear.
        falling = np.arange(settings.smoothing, 0, -1)
        self._weights: NDArray[np.floating] = np.stack([falling, (falling - settings.smoothing // 2).clip(0)]).astype(
            np.float32
        )
        self._looks = 0
        self._words = np.array([place for place, label in enumerate(labels) if label not in (SILENCE, UNKNOWN)], int)
        own = np.array([settings.words.get(self._labels[place], settings.threshold) for place in self._words])
        # To fire, and to be armed again; in the probabilities' own type, so that a limit is reached exactly.
        self._limits: NDArray[np.floating] = np.stack([own, settings.rearm * (own / settings.threshold)])
        self._armed = np.ones(len(self._words), bool)
        self._quiet_until = -np.inf

    def update(self, probabilities: NDArray[np.floating], end_sample: int) -> Detection | None:
        """Take one look into account.

        Parameters
        ----------
        probabilities : ndarray, shape (labels,)
            What the network says of the window that ends at `end_sample`.
        end_sample : int
            Position in the sound, in samples; each call's is later than the last one's.

        Returns
        -------
        detection : Detection or None
            The word that is detected with this look, if any.
        """
        settings = self._settings
        if self._recent.dtype != probabilities.dtype:
            self._recent = self._recent.astype(probabilities.dtype)
            self._weights = self._weights.astype(probabilities.dtype)
        self._recent[1:] = self._recent[:-1]
        self._recent[0] = probabilities
        self._looks = min(self._looks + 1, settings.smoothing)
        weights = self._weights[:, : self._looks]
        average, newest = weights @ self._recent[: self._looks] / weights.sum(axis=1, keepdims=True)
        heard = np.maximum(average, newest - settings.margin)[self._words]
        thresholds, rearm = self._limits.astype(heard.dtype)
        self._armed |= heard < rearm
        if not len(heard):
            return None
        best = int(heard.argmax())
        if heard[best] < thresholds[best] or not self._armed[best] or end_sample < self._quiet_until:
            return None
        self._armed[best] = False
        self._quiet_until = end_sample + settings.refractory * self._rate
        place, end = self._words[best], end_sample / self._rate
        decided = average if heard[best] == average[place] else newest
        others = [entry for entry in ranking(self._labels, decided, 4) if entry[0] != self._labels[place]][:3]
        return Detection(self._labels[place], float(decided[place]), max(end - self._window, 0.0), end, tuple(others))
