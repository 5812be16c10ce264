"""What a model remembers of its training, so that words can be added to it without the recordings."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sayso.config import UNKNOWN
from sayso.nn import Dense, Dropout, Merging, Network, ReLU, Residual
from sayso.nn.layer import Layer

# Examples of each label. Unknown speech is many words, and what a new word is most easily taken for; some of its
# examples are recordings as they are, running speech before single words.
EXAMPLES, UNKNOWN_EXAMPLES, UNKNOWN_PLAIN = 128, 1_040, 400


def can_go_on(network: Network) -> bool:
    """Tell whether a network ends in what teaching goes on from: a dense layer, or what teaching made of it.

    Behind it classes may be merged.
    """
    last, *behind = network.chain.layers[network.last :] or (None,)
    if [type(layer) for layer in behind] not in ([], [Merging]):
        return False
    if isinstance(last, Residual):
        kinds = [type(layer) for layer in last.layers]
        return (
            kinds == [Dense, ReLU, Dropout, Dense]
            and len(last.shortcut) == 1
            and all(map(_is_whole, (last.layers[0], last.layers[-1], last.shortcut[0])))
        )
    return _is_whole(last)


def _is_whole(layer: Layer | None) -> bool:
    return type(layer) is Dense and layer.bias


class Rehearsal(NamedTuple):
    """What the last layer was given for training clips, varied ones and unknown speech as it is.

    Attributes
    ----------
    inputs : ndarray of float16, shape (examples, width)
        Its inputs.
    labels : ndarray of uint16, shape (examples,)
        Index of the right label of each.
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
            What the labels stand for.
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
