"""Activations: the nonlinear functions between layers, without which a deep network would be a single linear map."""

from dataclasses import dataclass

import numpy as np

from sayso.nn.layer import FramewiseLayer
from sayso.nn.parameters import FloatArray, Views


@dataclass(frozen=True)
class ReLU(FramewiseLayer):
    """Rectified linear unit: y = max(x, 0)."""

    def forward(self, values: Views, x: FloatArray, rng: np.random.Generator | None) -> tuple[FloatArray, FloatArray]:
        """Compute max(x, 0)."""
        y = np.maximum(x, 0)
        return y, y

    def backward(self, values: Views, gradients: Views, cache: FloatArray, grad_y: FloatArray) -> FloatArray:
        """Pass the gradient where the input was positive.

        There y = x, so dy/dx = 1; elsewhere y is constant and dy/dx = 0. At the kink itself we take 0.
        """
        grad_y *= cache > 0
        return grad_y


@dataclass(frozen=True)
class Tanh(FramewiseLayer):
    """Hyperbolic tangent: y = tanh x, the classic activation with outputs between -1 and 1."""

    def forward(self, values: Views, x: FloatArray, rng: np.random.Generator | None) -> tuple[FloatArray, FloatArray]:
        """Compute tanh x."""
        y = np.tanh(x)
        return y, y

    def backward(self, values: Views, gradients: Views, cache: FloatArray, grad_y: FloatArray) -> FloatArray:
        """Multiply the gradient by the slope.

        The derivative of tanh x is 1 - tanh² x = 1 - y², so the slope follows from the output alone.
        """
        grad_y *= 1 - cache**2
        return grad_y
