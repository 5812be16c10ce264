"""Predictions for the clips of a set, and what follows from them: calibration, thresholds, the worst clips."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sayso.config import SILENCE, UNKNOWN
from sayso.evaluation.accuracy import Evaluation, losses

# Confidences are looked at in so many steps of equal width.
BINS = 10


class ConfidenceBin(NamedTuple):
    """Clips to which the model answered with about the same confidence.

    Attributes
    ----------
    confidence : float
        Mean probability of the answers.
    accuracy : float
        Part of the answers that are right.
    clips : int
        How many clips there are.
    """

    confidence: float
    accuracy: float
    clips: int


class TradeOff(NamedTuple):
    """What a threshold gives on clips: a word is detected if its probability reaches the threshold.

    Attributes
    ----------
    threshold : float
        The threshold.
    miss_rate : float
        Part of the clips of words in which that word is not detected.
    false_alarm_rate : float
        Part of the clips without a word of the model in which one is detected.
    """

    threshold: float
    miss_rate: float
    false_alarm_rate: float


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a model says to each clip of a set.

    Attributes
    ----------
    labels : tuple of str
        The labels.
    truth : ndarray of int, shape (clips,)
        Index of each clip's label.
    probabilities : ndarray of float, shape (clips, labels)
        What the model says.
    """

    labels: tuple[str, ...]
    truth: NDArray[np.integer]
    probabilities: NDArray[np.floating]

    @property
    def said(self) -> NDArray[np.intp]:
        """Index of the likeliest label of each clip."""
        said: NDArray[np.intp] = self.probabilities.argmax(axis=1)
        return said

    @property
    def losses(self) -> NDArray[np.floating]:
        """Cross-entropy of each clip in nats: -ln of the probability of its label; 0 is certainty."""
        return losses(self.probabilities, self.truth)

    @property
    def evaluation(self) -> Evaluation:
        """What was taken for what."""
        return Evaluation.of(self.labels, self.truth, self.said)

    def worst(self, count: int) -> NDArray[np.intp]:
        """Return the positions of the clips that fit their label least, those of the largest loss first."""
        return np.argsort(-self.losses, kind="stable")[:count]

    def calibration(self) -> list[ConfidenceBin]:
        """Compare confidence and accuracy, in steps of confidence that hold any clips."""
        confidence = self.probabilities.max(axis=1)
        right = self.said == self.truth
        steps = np.minimum((confidence * BINS).astype(int), BINS - 1)
        return [
            ConfidenceBin(float(confidence[here].mean()), float(right[here].mean()), int(here.sum()))
            for here in (steps == step for step in np.unique(steps))
        ]

    @property
    def calibration_error(self) -> float:
        """Expected calibration error: the mean distance between confidence and accuracy, each clip counting the same.

        C. Guo et al., "On calibration of modern neural networks", 2017, equation 3.
        """
        bins = self.calibration()
        return sum(step.clips * abs(step.accuracy - step.confidence) for step in bins) / max(len(self.truth), 1)

    def trade_off(self, thresholds: Sequence[float]) -> list[TradeOff]:
        """Tell what thresholds give; nothing if there are no clips of words, or none without."""
        return [point for threshold in thresholds if (point := self.detection(threshold))]

    def detection(self, threshold: float, own: Mapping[str, float] | None = None) -> TradeOff | None:
        """Tell what a threshold gives, and those that words have of their own; None as above."""
        words = np.array([position for position, label in enumerate(self.labels) if label not in (UNKNOWN, SILENCE)])
        is_word = np.isin(self.truth, words)
        if is_word.all() or not is_word.any():
            return None
        limits = np.array([(own or {}).get(label, threshold) for label in self.labels])
        heard = words[self.probabilities[:, words].argmax(axis=1)]
        detected = self.probabilities[np.arange(len(heard)), heard] >= limits[heard]
        hits = (detected & (heard == self.truth))[is_word]
        return TradeOff(threshold, 1 - float(np.mean(hits)), float(np.mean(detected[~is_word])))
