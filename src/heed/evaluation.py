"""How good a model is: accuracy with its interval, precision and recall of each word, and what is taken for what."""

import math
import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heed.clip_store import benchmark_set, labelled, load_clips, load_noises, whole_set
from heed.corpus import Corpus, Skipped, Split
from heed.errors import CorpusError
from heed.recognizer import Recognizer

# Standard normal quantile of a two-sided 95 % interval.
Z_95 = 1.959964


def wilson_interval(right: int, total: int) -> tuple[float, float]:
    """95 % interval of a proportion.

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", 1927; unlike the normal
    approximation it stays within 0 and 1 and holds for small counts.
    """
    if total == 0:
        return 0.0, 1.0
    share = right / total
    centre = share + Z_95**2 / (2 * total)
    spread = Z_95 * math.sqrt(share * (1 - share) / total + Z_95**2 / (4 * total**2))
    scale = 1 + Z_95**2 / total
    return (centre - spread) / scale, (centre + spread) / scale


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


def evaluate_corpus(recognizer: Recognizer, corpus: Corpus, split: Split) -> tuple[Evaluation, tuple[Skipped, ...]]:
    """Measure a recogniser on one split of a corpus, or on all clips of a test archive.

    Outside test archives, unknown words and silence get as many clips as a word has on average, as in the official
    benchmark; which ones is fixed.

    Parameters
    ----------
    recognizer : Recognizer
        What is measured.
    corpus : Corpus
        The recordings.
    split : {"training", "validation", "testing"}
        Which of them.

    Raises
    ------
    CorpusError
        If no clip of that split bears a label of the model.
    """
    features, threads = recognizer.model.features, os.cpu_count() or 1
    rows = labelled(corpus.by_split(split) if not corpus.is_test_archive else corpus.clips, recognizer.labels)
    store = load_clips(rows, features, threads)
    if not store.rows:
        raise CorpusError(
            f"{corpus.root} has no usable {split} clip of the model's labels ({', '.join(recognizer.labels)}); "
            "choose another split or other recordings"
        )
    skipped = list(store.skipped)
    if corpus.is_test_archive:
        clips = whole_set(store, recognizer.labels)
    else:
        noises, unread = load_noises(corpus.noises, features)
        skipped += unread
        clips = benchmark_set(store, noises, recognizer.labels, seed=0)
    said = recognizer.probabilities(clips.windows).argmax(axis=1)
    return Evaluation.of(recognizer.labels, clips.labels, said), tuple(skipped)
