"""How good a model is: accuracy with its interval, precision and recall of each word, and what is taken for what."""

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
    """How well one label is told from the others.

    Attributes
    ----------
    precision : float
        Part of the clips given this label that deserve it; 0 if none was given it.
    recall : float
        Part of the clips that deserve this label that were given it; 0 if there are none.
    f1 : float
        Harmonic mean of the two.
    clips : int
        Clips that deserve it.
    """

    precision: float
    recall: float
    f1: float
    clips: int


@dataclass(frozen=True)
class Evaluation:
    """What a model said to a set of clips.

    Attributes
    ----------
    labels : tuple of str
        The labels.
    confusion : ndarray of int, shape (labels, labels)
        Number of clips of each true label (row) that were given each label (column).
    """

    labels: tuple[str, ...]
    confusion: NDArray[np.int64]

    @classmethod
    def of(cls, labels: tuple[str, ...], truth: NDArray[np.integer], said: NDArray[np.integer]) -> "Evaluation":
        """Count what was said to clips of each true label."""
        confusion = np.zeros((len(labels), len(labels)), np.int64)
        np.add.at(confusion, (truth, said), 1)
        return cls(labels, confusion)

    @property
    def clips(self) -> int:
        """Number of clips."""
        return int(self.confusion.sum())

    @property
    def right(self) -> int:
        """Number of clips that were given their true label."""
        return int(np.trace(self.confusion))

    @property
    def accuracy(self) -> float:
        """Part of the clips that were given their true label."""
        return self.right / max(self.clips, 1)

    @property
    def balanced_accuracy(self) -> float:
        """Mean recall of the labels that have clips: each label counts the same, however many clips it has."""
        recalls = [score.recall for score in self.words.values() if score.clips]
        return float(np.mean(recalls)) if recalls else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the accuracy."""
        return wilson_interval(self.right, self.clips)

    @property
    def words(self) -> dict[str, WordScore]:
        """Score of each label."""
        scores = {}
        for position, label in enumerate(self.labels):
            right = int(self.confusion[position, position])
            deserved, given = int(self.confusion[position].sum()), int(self.confusion[:, position].sum())
            precision, recall = right / max(given, 1), right / max(deserved, 1)
            f1 = 2 * precision * recall / (precision + recall) if right else 0.0
            scores[label] = WordScore(precision, recall, f1, deserved)
        return scores

    @property
    def mistakes(self) -> list[tuple[str, str, int]]:
        """True label, label that was said instead, and number of clips, the most frequent mistake first."""
        wrong = self.confusion - np.diag(np.diag(self.confusion))
        order = np.argsort(-wrong, axis=None, kind="stable")
        pairs = [divmod(int(place), len(self.labels)) for place in order]
        return [
            (self.labels[true], self.labels[said], int(wrong[true, said])) for true, said in pairs if wrong[true, said]
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return everything in plain values."""
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
    said : str
        What the model hears in it.
    loss : float
        -ln of the probability of the word that it is said to hold; 0 is certainty.
    """

    clip: Clip
    said: str
    loss: float


def doubtful(
    rows: Sequence[Clip], probabilities: NDArray[np.floating], labels: Sequence[str], most: int = 10
) -> tuple[Doubtful, ...]:
    """Name the recordings in which a model hears something else, the most certain of it first.

    Parameters
    ----------
    rows : sequence of Clip
        The recordings.
    probabilities : ndarray of float, shape (clips, labels)
        What the model says to each.
    labels : sequence of str
        The labels of the model; the words that it does not know are unknown speech to it.
    most : int
        How many to name at most.
    """
    truth = np.array([labels.index(label_of(row.word, labels)) for row in rows], int)
    loss, said = losses(probabilities, truth), probabilities.argmax(axis=1)
    worst = [place for place in np.argsort(-loss, kind="stable") if said[place] != truth[place]][:most]
    return tuple(Doubtful(rows[place], labels[said[place]], float(loss[place])) for place in worst)


def losses(probabilities: NDArray[np.floating], truth: NDArray[np.integer]) -> NDArray[np.floating]:
    """Compute the cross-entropy of each clip in nats: -ln of the probability of its label; 0 is certainty."""
    of_truth = probabilities[np.arange(len(truth)), truth]
    # The logarithm stays finite.
    loss: NDArray[np.floating] = -np.log(np.maximum(of_truth, 1e-12))
    return loss
