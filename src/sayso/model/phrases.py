"""Phrases: labels that are said in up to two windows, and told by both.

The network sees one window. For a word, one row of the last layer decides; a phrase has one for each half, the second
where other labels have theirs, and the first beside the network. A phrase is as certain as the less certain half: the
second one now, and the first one in the window before.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from sayso.config import SILENCE, UNKNOWN
from sayso.config.labels import nfc

# The log-odds that stand for impossible ones in sums.
NEVER = np.float32(-200)

FloatArray = NDArray[np.float32]


class Phrases(NamedTuple):
    """The labels of a model that are phrases, with the rows of the last layer for their first halves.

    Attributes
    ----------
    labels : tuple of str
        The phrases, each a label of the model.
    weight : ndarray of float32, shape (phrases, width)
        A row for each, for inputs of the last layer.
    bias : ndarray of float32, shape (phrases,)
        A constant for each.
    """

    labels: tuple[str, ...]
    weight: FloatArray
    bias: FloatArray

    @classmethod
    def read(cls, labels: Any, arrays: Mapping[str, FloatArray]) -> Self | None:
        """Return the phrases of a model file, None if it has none; that they fit the model is checked later."""
        return None if labels is None else cls(tuple(nfc(str(label)) for label in labels), **arrays)

    def check(self, labels: Sequence[str], input_shape: Sequence[int]) -> None:
        """Raise a ValueError if the phrases do not fit the labels of a model and the inputs of its last layer."""
        count, words = len(self.labels), set(labels) - {UNKNOWN, SILENCE}
        shapes = (self.weight.shape, self.bias.shape) == ((count, *input_shape), (count,))
        if not shapes or not 0 < len(words & set(self.labels)) == count:
            raise ValueError("the phrases do not fit the labels and the network")

    def places(self, labels: Sequence[str]) -> list[int]:
        """Return the index of each phrase among the labels of its model."""
        return [labels.index(phrase) for phrase in self.labels]

    def first_halves(self, inputs: FloatArray, logits: FloatArray, labels: Sequence[str]) -> FloatArray:
        """Return the log-odds with which windows show the first half of each phrase, against labels that are none.

        Parameters
        ----------
        inputs : ndarray, shape (n, width)
            Inputs of the last layer.
        logits : ndarray, shape (n, labels)
            What the network makes of them.
        labels : sequence of str
            The labels.

        Returns
        -------
        odds : ndarray, shape (n, phrases)
            In nats.
        """
        others = np.delete(logits, self.places(labels), axis=1)
        odds: FloatArray = inputs @ self.weight.T + self.bias - np.logaddexp.reduce(others, axis=1)[:, None]
        return odds

    def told(self, probabilities: FloatArray, before: FloatArray, labels: Sequence[str]) -> FloatArray:
        """Return the probabilities of the labels when it is known what the windows before show.

        The log-odds of each phrase against other labels are the lower ones of its halves. Phrases that share a half
        compete by the sum of both: each is as likely as its share among them.

        Parameters
        ----------
        probabilities : ndarray, shape (..., labels)
            What the network makes of windows.
        before : ndarray, shape (..., phrases)
            The log-odds of first halves in the windows before; minus infinity where there is none.
        labels : sequence of str
            The labels.
        """
        places, told = self.places(labels), np.maximum(probabilities, np.finfo(np.float32).tiny)
        others = np.delete(told, places, axis=-1).sum(axis=-1, keepdims=True)
        now, before = np.log(told[..., places] / others), np.maximum(before, NEVER)
        share = now + before - np.logaddexp.reduce(now + before, axis=-1, keepdims=True)
        told[..., places] = others * np.exp(np.minimum(now, before) + share)
        joined: FloatArray = told / told.sum(axis=-1, keepdims=True)
        return joined


def delayed(odds: FloatArray, steps: int, recordings: NDArray[np.integer]) -> FloatArray:
    """Return for each step of recordings the log-odds of so many steps earlier; minus infinity where there are none.

    Parameters
    ----------
    odds : ndarray, shape (n, phrases)
        Those of the window that ends at each step.
    steps : int
        Steps in a window.
    recordings : ndarray of int, shape (n,)
        The recording of each, one after the other.
    """
    moved = np.full_like(odds, -np.inf)
    same = recordings[steps:] == recordings[:-steps]
    moved[steps:][same] = odds[:-steps][same]
    return moved
