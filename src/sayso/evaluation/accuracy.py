"""Accuracy of a model on clips: its interval, precision and recall of each label, and the confusion matrix."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sayso.config.labels import label_of
from sayso.corpus.corpus import Clip
from sayso.evaluation.intervals import wilson_interval


@dataclass(frozen=True)
class WordScore:
    """Precision and recall of one label.

    Attributes
    ----------
    precision : float
        Fraction of the clips predicted as this label that have it; 0 if none were.
    recall : float
        Fraction of the clips with this label that were predicted as it; 0 if there are none.
    f1 : float
        Harmonic mean of the two.
    clips : int
        Number of clips with this label.
    predicted : int
        Number of clips predicted as this label.
    """

    precision: float
    recall: float
    f1: float
    clips: int
    predicted: int


@dataclass(frozen=True)
class Evaluation:
    """The confusion matrix of a model on a set of clips, and the scores that follow from it.

    Attributes
    ----------
    labels : tuple of str
        The labels.
    confusion : ndarray of int, shape (labels, labels)
        Number of clips by true label (row) and predicted label (column).
    """

    labels: tuple[str, ...]
    confusion: NDArray[np.int64]

    @classmethod
    def of(cls, labels: tuple[str, ...], truth: NDArray[np.integer], predicted: NDArray[np.integer]) -> "Evaluation":
        """Count the clips by true and predicted label, both given as indices into `labels`."""
        confusion = np.zeros((len(labels), len(labels)), np.int64)
        np.add.at(confusion, (truth, predicted), 1)
        return cls(labels, confusion)

    @property
    def clips(self) -> int:
        """Number of clips."""
        return int(self.confusion.sum())

    @property
    def correct(self) -> int:
        """Number of clips whose label was predicted."""
        return int(np.trace(self.confusion))

    @property
    def accuracy(self) -> float:
        """Fraction of the clips whose label was predicted."""
        return self.correct / max(self.clips, 1)

    @property
    def balanced_accuracy(self) -> float:
        """Mean recall of the labels that have clips, each with the same weight however many clips it has."""
        recalls = [score.recall for score in self.words.values() if score.clips]
        return float(np.mean(recalls)) if recalls else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the accuracy."""
        return wilson_interval(self.correct, self.clips)

    @property
    def words(self) -> dict[str, WordScore]:
        """Scores of each label."""
        scores = {}
        for position, label in enumerate(self.labels):
            correct = int(self.confusion[position, position])
            clips, predicted = int(self.confusion[position].sum()), int(self.confusion[:, position].sum())
            precision, recall = correct / max(predicted, 1), correct / max(clips, 1)
            f1 = 2 * precision * recall / (precision + recall) if correct else 0.0
            scores[label] = WordScore(precision, recall, f1, clips, predicted)
        return scores

    @property
    def mistakes(self) -> list[tuple[str, str, int]]:
        """True label, label predicted instead, and number of clips, the most frequent mistake first."""
        wrong = self.confusion - np.diag(np.diag(self.confusion))
        order = np.argsort(-wrong, axis=None, kind="stable")
        pairs = [divmod(int(place), len(self.labels)) for place in order]
        return [
            (self.labels[true], self.labels[predicted], int(wrong[true, predicted]))
            for true, predicted in pairs
            if wrong[true, predicted]
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return {
            "accuracy": self.accuracy,
            "interval": list(self.interval),
            "clips": self.clips,
            "words": {label: vars(score) for label, score in self.words.items()},
            "labels": list(self.labels),
            "confusion": self.confusion.tolist(),
        }


@dataclass(frozen=True)
class Doubtful:
    """A recording that may be mislabelled or empty.

    Attributes
    ----------
    clip : Clip
        The recording.
    predicted : str
        The label that the model predicts for it.
    loss : float
        -ln of the probability of the recording's own label; 0 means a probability of 1.
    """

    clip: Clip
    predicted: str
    loss: float


def doubtful(
    rows: Sequence[Clip], probabilities: NDArray[np.floating], labels: Sequence[str], most: int = 10
) -> tuple[Doubtful, ...]:
    """Find the recordings for which a model predicts another label, those with the largest loss first.

    Parameters
    ----------
    rows : sequence of Clip
        The recordings.
    probabilities : ndarray of float, shape (clips, labels)
        The model's probabilities for each.
    labels : sequence of str
        The labels of the model; words that it does not know count as unknown speech.
    most : int
        Maximum number of recordings to return.
    """
    truth = np.array([labels.index(label_of(row.word, labels)) for row in rows], int)
    loss, predicted = losses(probabilities, truth), probabilities.argmax(axis=1)
    worst = [place for place in np.argsort(-loss, kind="stable") if predicted[place] != truth[place]][:most]
    return tuple(Doubtful(rows[place], labels[predicted[place]], float(loss[place])) for place in worst)


def losses(probabilities: NDArray[np.floating], truth: NDArray[np.integer]) -> NDArray[np.floating]:
    """Compute the cross-entropy of each clip in nats: -ln of the probability of its label."""
    of_truth = probabilities[np.arange(len(truth)), truth]
    # The bound keeps the logarithm finite.
    loss: NDArray[np.floating] = -np.log(np.maximum(of_truth, 1e-12))
    return loss
