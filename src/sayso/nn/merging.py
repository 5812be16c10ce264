"""Merging: several classes count as one, where they are easier to learn one by one than as their union."""

from dataclasses import dataclass

import numpy as np

from sayso.nn.layer import Layer
from sayso.nn.parameters import FloatArray, Shape, Views


@dataclass(frozen=True)
class Merging(Layer):
    """Add the probabilities of a class and of its parts, which are the last logits.

    The members of a class such as "any other word" have nothing in common that could be learned; each word as a
    separate class does. The network is trained without this layer and used with it.

    Attributes
    ----------
    into : int
        Index of the class that the parts belong to.
    parts : int
        Number of the last logits that are its parts.
    """

    into: int
    parts: int

    def __post_init__(self) -> None:
        if self.into < 0 or self.parts < 1:
            raise ValueError(f"Merging of {self.parts} parts into class {self.into}; expected 1 or more into 0 or more")

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return (classes,): the number of logits without the parts."""
        if len(input_shape) != 1 or input_shape[0] - self.parts <= self.into:
            raise ValueError(
                f"Merging takes more than {self.into + self.parts} logits, its {self.parts} parts behind them, "
                f"got an input of shape {input_shape}"
            )
        return (input_shape[0] - self.parts,)

    def forward(self, values: Views, x: FloatArray, rng: np.random.Generator | None) -> tuple[FloatArray, FloatArray]:
        """Compute y_c = log(exp z_c + sum over the parts of exp z_k), without overflow.

        The softmax of y_c is then the sum of the members' probabilities.
        """
        y = x[: -self.parts].copy()
        members = np.concatenate([x[self.into : self.into + 1], x[-self.parts :]])
        y[self.into] = np.logaddexp.reduce(members)
        return y, np.exp(members - y[self.into])

    def backward(self, values: Views, gradients: Views, cache: FloatArray, grad_y: FloatArray) -> FloatArray:
        """Distribute the gradient over the members.

        With y = log sum_k exp z_k, dy/dz_k = exp z_k / sum_j exp z_j: each member's share of the sum, a softmax.
        """
        grad_x: FloatArray = np.concatenate([grad_y, cache[1:] * grad_y[self.into]])
        grad_x[self.into] *= cache[0]
        return grad_x
