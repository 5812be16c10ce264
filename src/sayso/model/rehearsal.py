"""Training examples that a model keeps, so that words can be added to it without the original recordings."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sayso.config import UNKNOWN
from sayso.nn import Dense, Dropout, Merging, Network, ReLU, Residual
from sayso.nn.layer import Layer

# Examples of each label. Unknown speech gets more: it is many words, and what a new word is most often confused with.
# Some of its examples are recordings without augmentation, running speech before single words.
EXAMPLES, UNKNOWN_EXAMPLES, UNKNOWN_PLAIN = 128, 1_040, 400


def supports_teaching(network: Network) -> bool:
    """Return whether a network ends in a layer that teaching can extend: a dense layer, or one that was taught before.

    It may be followed by a layer that merges classes.
    """
    last, *behind = network.chain.layers[network.last :] or (None,)
    if [type(layer) for layer in behind] not in ([], [Merging]):
        return False
    if isinstance(last, Residual):
        kinds = [type(layer) for layer in last.layers]
        return (
            kinds == [Dense, ReLU, Dropout, Dense]
            and len(last.shortcut) == 1
            and all(map(_is_dense, (last.layers[0], last.layers[-1], last.shortcut[0])))
        )
    return _is_dense(last)


def _is_dense(layer: Layer | None) -> bool:
    """Return whether a layer is dense, with a bias, and not of a subclass."""
    return type(layer) is Dense and layer.bias


class Rehearsal(NamedTuple):
    """Inputs of the last layer for augmented training clips, and for some unknown speech without augmentation.

    Attributes
    ----------
    inputs : ndarray of float16, shape (examples, width)
        The inputs.
    labels : ndarray of uint16, shape (examples,)
        Index of each example's label.
    """

    inputs: NDArray[np.float16]
    labels: NDArray[np.uint16]

    @classmethod
    def of(cls, inputs: NDArray[np.floating], labels: NDArray[np.integer], names: Sequence[str]) -> "Rehearsal":
        """Keep the first examples of each label.

        Parameters
        ----------
        inputs : ndarray, shape (n, width)
            Inputs of the last layer.
        labels : ndarray of int, shape (n,)
            Their labels.
        names : sequence of str
            Names of the labels, by index.
        """
        kept = np.sort(
            np.concatenate(
                [
                    np.flatnonzero(labels == label)[: UNKNOWN_EXAMPLES if name == UNKNOWN else EXAMPLES]
                    for label, name in enumerate(names)
                ]
            )
        )
        largest = float(np.finfo(np.float16).max)
        return cls(inputs[kept].clip(-largest, largest).astype(np.float16), labels[kept].astype(np.uint16))
