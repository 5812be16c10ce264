"""Merging: several classes that count as one, which a network can tell apart better than it could learn their union."""

from dataclasses import dataclass

import numpy as np

from sayso.nn.layer import Layer
from sayso.nn.parameters import FloatArray, Shape, Views


@dataclass(frozen=True)
class Merging(Layer):
    """Adds up the probabilities of a class and of its parts, which are the last of the logits.

    A class such as "any other word" has nothing in common by which it could be known; its words, each a class of its
    own, have. The network learns without this layer, and is used with it.

    Attributes
    ----------
    into : int
        Index of the class that the parts belong to.
    parts : int
        How many of the last logits are its parts.
    """

    into: int
    parts: int

    def __post_init__(self) -> None:
        if self.into < 0 or self.parts < 1:
            raise ValueError(f"Merging of {self.parts} parts into class {self.into}; expected 1 or more into 0 or more")

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return (classes,): the logits but for the parts."""
        if len(input_shape) != 1 or input_shape[0] - self.parts <= self.into:
            raise ValueError(
                f"Merging takes more than {self.into + self.parts} logits, its {self.parts} parts behind them, "
                f"got an input of shape {input_shape}"
            )
        return (input_shape[0] - self.parts,)

    def forward(self, values: Views, x: FloatArray, rng: np.random.Generator | None) -> tuple[FloatArray, FloatArray]:
        """Give the class the logarithm of the sum of the exponentials, whose softmax is the sum of the probabilities.

        What is written is y = log(exp z_c + sum over parts exp z_k), summed up so that nothing overflows.
        """
        y = x[: -self.parts].copy()
        members = np.concatenate([x[self.into : self.into + 1], x[-self.parts :]])
        y[self.into] = np.logaddexp.reduce(members)
        return y, np.exp(members - y[self.into])

    def backward(self, values: Views, gradients: Views, cache: FloatArray, grad_y: FloatArray) -> FloatArray:
        """Share the gradient out.

        With y = log sum_k exp z_k, dy/dz_k = exp z_k / sum_j exp z_j: each member's share of the sum, a softmax.
        """
        grad_x: FloatArray = np.concatenate([grad_y, cache[1:] * grad_y[self.into]])
        grad_x[self.into] *= cache[0]
        return grad_x
