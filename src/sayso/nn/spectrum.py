"""From cepstral coefficients to a picture of frequency and time, for layers that look at neighbouring bands, and back.

Coefficients say how much of each cosine there is in the spectrum: nothing in them is a neighbour of anything. Layers
with weights shared over frequency need the bands themselves.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from sayso.nn.layer import MomentLayer
from sayso.nn.parameters import FloatArray, Shape, Views


@dataclass(frozen=True)
class Spectrum(MomentLayer):
    """Adds up the cosines that standardised coefficients stand for: y(f, t) = sum_k C_kf x_k(t) / (k + 1).

    C is the orthonormal discrete cosine transform, type II (N. Ahmed et al., "Discrete cosine transform", 1974), whose
    inverse is its transpose; there are as many bands as coefficients. The deviations of the coefficients of speech fall
    about like 1 / (k + 1), and standardising brings all of them to 1; the weight, a lifter, takes that back, so that
    the picture is about the log-mel spectrum again (a coarser one if the transform gave fewer coefficients than bands).
    """

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return (1, bands, time)."""
        if len(input_shape) != 2:
            raise ValueError(f"Spectrum takes an input of shape (coefficients, time), got {input_shape}")
        return (1, *input_shape)

    def multiply_adds(self, input_shape: Shape) -> int:
        """Count one for each cosine, band and moment."""
        coefficients, time = input_shape
        return coefficients**2 * time

    def workspace(self, input_shape: Shape) -> int:
        """Count the cosines beside the input and the output."""
        return super().workspace(input_shape) + input_shape[0] ** 2

    def forward(self, values: Views, x: FloatArray, rng: np.random.Generator | None) -> tuple[FloatArray, None]:
        """Compute the spectrum at all moments of all examples in one product."""
        y = cosines(len(x), x.dtype).T @ x.reshape(len(x), -1)
        return y.reshape(1, *x.shape), None

    def backward(self, values: Views, gradients: Views, cache: None, grad_y: FloatArray) -> FloatArray:
        """Carry the gradient back.

        x_k moves the band f by C_kf / (k + 1), so dL/dx_k = sum_f C_kf dL/dy(f) / (k + 1): what the coefficients get is
        the cosine transform of the gradient of the bands, weighed in the same way.
        """
        bands = grad_y.shape[1]
        grad_x = cosines(bands, grad_y.dtype) @ grad_y.reshape(bands, -1)
        return grad_x.reshape(grad_y.shape[1:])


@lru_cache(maxsize=8)
def cosines(count: int, dtype: np.dtype[np.floating]) -> FloatArray:
    """Return the weighed cosines C_kf / (k + 1), read-only: a row for each coefficient, a column for each band."""
    order = np.arange(count)[:, None]
    matrix = np.sqrt(2 / count) * np.cos(math.pi * order * (np.arange(count) + 0.5) / count)
    matrix[0] /= math.sqrt(2)
    weighed: FloatArray = (matrix / (order + 1)).astype(dtype)
    weighed.flags.writeable = False
    return weighed


@dataclass(frozen=True)
class Stack(MomentLayer):
    """Take each band of each channel as a channel of its own: (channels, bands, time) as (channels x bands, time)."""

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return (channels x bands, time)."""
        if len(input_shape) != 3:
            raise ValueError(f"Stack takes an input of shape (channels, bands, time), got {input_shape}")
        channels, bands, time = input_shape
        return channels * bands, time

    def forward(self, values: Views, x: FloatArray, rng: np.random.Generator | None) -> tuple[FloatArray, Shape]:
        """Go from (channels, bands, time, batch) to (channels x bands, time, batch); nothing moves in memory."""
        return x.reshape(*self.output_shape(x.shape[:-1]), x.shape[-1]), x.shape

    def backward(self, values: Views, gradients: Views, cache: Shape, grad_y: FloatArray) -> FloatArray:
        """Each number's gradient belongs to the number itself."""
        return grad_y.reshape(cache)
