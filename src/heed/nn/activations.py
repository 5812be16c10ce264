"""Activations: the functions between the layers without which a deep network would be one linear map."""

from dataclasses import dataclass

import numpy as np

from heed.nn.layer import Layer
from heed.nn.parameters import FloatArray, Views


@dataclass(frozen=True)
class ReLU(Layer):
    """Rectified linear unit: y = max(x, 0)."""

    def forward(self, values: Views, x: FloatArray, rng: np.random.Generator | None) -> tuple[FloatArray, FloatArray]:
        """Pass what is positive."""
        # NumPy compares two arrays several times as fast as an array and a number; zeros for one channel stay in cache.
        y = np.maximum(x, np.zeros(x.shape[1:] if x.ndim > 2 else x.shape, x.dtype))
        return y, y

    def backward(self, values: Views, gradients: Views, cache: FloatArray, grad_y: FloatArray) -> FloatArray:
        """Pass the gradient where the input was positive.

        y = x there, so dy/dx = 1; elsewhere y is constantly 0 and dy/dx = 0. At the corner itself we take 0.
        """
        grad_y *= cache > 0
        return grad_y


@dataclass(frozen=True)
class Tanh(Layer):
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
