"""Predictions for a set of clips, and what follows from them: calibration, thresholds, the worst clips."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sayso.config import SILENCE, UNKNOWN
from sayso.evaluation.accuracy import Evaluation, losses

# Number of confidence bins of equal width.
BINS = 10


class ConfidenceBin(NamedTuple):
    """Clips predicted with about the same confidence.

    Attributes
    ----------
    confidence : float
        Mean probability of the predicted labels.
    accuracy : float
        Fraction of the predictions that are correct.
    clips : int
        Number of clips.
    """

    confidence: float
    accuracy: float
    clips: int


class TradeOff(NamedTuple):
    """Error rates on clips at a threshold: a word is detected if its probability reaches the threshold.

    Attributes
    ----------
    threshold : float
        The threshold.
    miss_rate : float
        Fraction of the clips of words in which that word is not detected.
    false_alarm_rate : float
        Fraction of the clips without a word of the model in which one is detected.
    """

    threshold: float
    miss_rate: float
    false_alarm_rate: float


@dataclass(frozen=True, eq=False)
class Predictions:
    """A model's probabilities for each clip of a set, with the true labels.

    Attributes
    ----------
    labels : tuple of str
        The labels.
    truth : ndarray of int, shape (clips,)
        Index of each clip's label.
    probabilities : ndarray of float, shape (clips, labels)
        Probability of each label.
    """

    labels: tuple[str, ...]
    truth: NDArray[np.integer]
    probabilities: NDArray[np.floating]

    @property
    def predicted(self) -> NDArray[np.intp]:
        """Index of the most probable label of each clip."""
        predicted: NDArray[np.intp] = self.probabilities.argmax(axis=1)
        return predicted

    @property
    def losses(self) -> NDArray[np.floating]:
        """Cross-entropy of each clip in nats: -ln of the probability of its label."""
        return losses(self.probabilities, self.truth)

    @property
    def evaluation(self) -> Evaluation:
        """The confusion matrix and the scores that follow from it."""
        return Evaluation.of(self.labels, self.truth, self.predicted)

    def worst(self, count: int) -> NDArray[np.intp]:
        """Return the indices of the `count` clips with the largest loss, the largest first."""
        return np.argsort(-self.losses, kind="stable")[:count]

    def calibration(self) -> list[ConfidenceBin]:
        """Compare confidence and accuracy in each confidence bin that is not empty."""
        confidence = self.probabilities.max(axis=1)
        correct = self.predicted == self.truth
        bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
        return [
            ConfidenceBin(float(confidence[inside].mean()), float(correct[inside].mean()), int(inside.sum()))
            for inside in (bins == number for number in np.unique(bins))
        ]

    @property
    def calibration_error(self) -> float:
        """Expected calibration error: mean distance between confidence and accuracy, weighted by the clips in each bin.

        C. Guo et al., "On calibration of modern neural networks", 2017, equation 3.
        """
        bins = self.calibration()
        return sum(part.clips * abs(part.accuracy - part.confidence) for part in bins) / max(len(self.truth), 1)

    def trade_off(self, thresholds: Sequence[float]) -> list[TradeOff]:
        """Compute the error rates at thresholds; empty unless there are clips with and without words of the model."""
        return [point for threshold in thresholds if (point := self.detection(threshold))]

    def detection(self, threshold: float, own: Mapping[str, float] | None = None) -> TradeOff | None:
        """Compute the error rates at a threshold; words in `own` have their own. None where `trade_off` is empty."""
        words = np.array([position for position, label in enumerate(self.labels) if label not in (UNKNOWN, SILENCE)])
        is_word = np.isin(self.truth, words)
        if is_word.all() or not is_word.any():
            return None
        limits = np.array([(own or {}).get(label, threshold) for label in self.labels])
        best = words[self.probabilities[:, words].argmax(axis=1)]
        detected = self.probabilities[np.arange(len(best)), best] >= limits[best]
        hits = (detected & (best == self.truth))[is_word]
        return TradeOff(threshold, 1 - float(np.mean(hits)), float(np.mean(detected[~is_word])))
