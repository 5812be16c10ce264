"""What a model remembers of its training, so that words can be added to it without the recordings."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from heed.config import UNKNOWN

# Examples of each label. Unknown speech is many words, and what a new word is most easily taken for: most of its
# examples are recordings as they are, running speech before single words.
EXAMPLES, UNKNOWN_EXAMPLES, UNKNOWN_PLAIN = 128, 2_240, 1_600


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
