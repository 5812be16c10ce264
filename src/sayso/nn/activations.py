"""Activations: the functions between the layers without which a deep network would be one linear map."""

from dataclasses import dataclass

import numpy as np

from sayso.nn.layer import MomentLayer
from sayso.nn.parameters import FloatArray, Views


@dataclass(frozen=True)
class ReLU(MomentLayer):
    """Rectified linear unit: y = max(x, 0)."""

    def forward(self, values: Views, x: FloatArray, rng: np.random.Generator | None) -> tuple[FloatArray, FloatArray]:
        """Pass what is positive."""
        y = np.maximum(x, 0)
        return y, y

    def backward(self, values: Views, gradients: Views, cache: FloatArray, grad_y: FloatArray) -> FloatArray:
        """Pass the gradient where the input was positive.

        y = x there, so dy/dx = 1; elsewhere y is constantly 0 and dy/dx = 0. At the corner itself we take 0.
        """
        grad_y *= cache > 0
        return grad_y


@dataclass(frozen=True)
class Tanh(MomentLayer):
    """Hyperbolic tangent: y = tanh x, the classic activation with outputs between -1 and 1."""

    def forward(self, values: Views, x: FloatArray, rng: np.random.Generator | None) -> tuple[FloatArray, FloatArray]:
        """Squash each number."""
        y = np.tanh(x)
        return y, y

    def backward(self, values: Views, gradients: Views, cache: FloatArray, grad_y: FloatArray) -> FloatArray:
        """Scale the gradient by the slope.

        The derivative of tanh x is 1 - tanh² x = 1 - y², so the output alone tells the slope.
        """
        grad_y *= 1 - cache**2
        return grad_y
