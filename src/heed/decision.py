"""From probabilities over time to detections: a small state machine whose only clock is the count of samples.

It never edits what it has seen: a held word fires once, and a word said twice fires twice once it has died away in
between.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heed.config import SILENCE, UNKNOWN, DecisionSettings


@dataclass(frozen=True)
class Detection:
    """A word that was heard.

    Attributes
    ----------
    label : str
        The word.
    confidence : float
        Its probability, averaged over the looks that decided.
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
        self._recent: deque[NDArray[np.floating]] = deque(maxlen=settings.smoothing)
        self._words = np.array([label not in (SILENCE, UNKNOWN) for label in labels])
        self._armed = self._words.copy()
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
        self._recent.append(probabilities)
        average = np.mean(self._recent, axis=0)
        self._armed |= self._words & (average < settings.rearm)
        best = int(np.argmax(np.where(self._words, average, -1.0)))
        if average[best] < settings.threshold or not self._armed[best] or end_sample < self._quiet_until:
            return None
        self._armed[best] = False
        self._quiet_until = end_sample + settings.refractory * self._rate
        end = end_sample / self._rate
        others = [entry for entry in ranking(self._labels, average, 4) if entry[0] != self._labels[best]][:3]
        start = max(end - self._window, 0.0)
        return Detection(self._labels[best], float(average[best]), start, end, tuple(others))
