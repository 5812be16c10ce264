"""Dropout: set a random part of the values to zero during training, so that no unit can rely on another."""

from dataclasses import dataclass

import numpy as np

from sayso.nn.layer import FramewiseLayer
from sayso.nn.parameters import FloatArray, Views

# One random byte per value is several times cheaper than one random float; rates are rounded to 1/256.
LEVELS = 256


@dataclass(frozen=True)
class Dropout(FramewiseLayer):
    """Set each value to zero with the probability `rate` and scale the others to keep the expectation.

    N. Srivastava et al., "Dropout", 2014, in the "inverted" form, which leaves inference unchanged.
    """

    rate: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.rate <= 1 - 1 / LEVELS:
            raise ValueError(f"Dropout has rate {self.rate}; expected at least 0 and below 1")

    def forward(
        self, values: Views, x: FloatArray, rng: np.random.Generator | None
    ) -> tuple[FloatArray, FloatArray | None]:
        """Multiply by a random mask in training; return x itself in inference."""
        dropped = round(self.rate * LEVELS)
        if rng is None or dropped == 0:
            return x, None
        draws = np.frombuffer(rng.bytes(x.size), np.uint8).reshape(x.shape)
        mask = np.multiply(draws >= dropped, LEVELS / (LEVELS - dropped), dtype=x.dtype)
        return x * mask, mask

    def backward(self, values: Views, gradients: Views, cache: FloatArray | None, grad_y: FloatArray) -> FloatArray:
        """Multiply the gradient by the same mask: y = m x has the derivative m."""
        if cache is not None:
            grad_y *= cache
        return grad_y
