"""From cepstral coefficients to a spectrogram, for convolutions over frequency, and from bands to channels.

Each coefficient is the amplitude of one cosine over the whole spectrum, so neighbouring coefficients are not
neighbouring frequencies. Layers with weights shared over frequency need the bands themselves.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from sayso.nn.layer import FramewiseLayer
from sayso.nn.parameters import FloatArray, Shape, Views


@dataclass(frozen=True)
class Spectrum(FramewiseLayer):
    """Inverse cosine transform of standardised coefficients: y(f, t) = sum_k C_kf x_k(t) / (k + 1).

    C is the orthonormal discrete cosine transform, type II (N. Ahmed et al., "Discrete cosine transform", 1974), whose
    inverse is its transpose; there are as many bands as coefficients. The standard deviations of the coefficients of
    speech fall roughly like 1 / (k + 1), and standardisation brings them all to 1; the weight 1 / (k + 1), a lifter,
    undoes that. The result is approximately the log-mel spectrogram (smoothed if there are fewer coefficients than mel
    bands).
    """

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return (1, bands, time)."""
        if len(input_shape) != 2:
            raise ValueError(f"Spectrum takes an input of shape (coefficients, time), got {input_shape}")
        return (1, *input_shape)

    def multiply_adds(self, input_shape: Shape) -> int:
        """Return one per coefficient, band and frame."""
        coefficients, time = input_shape
        return coefficients**2 * time

    def workspace(self, input_shape: Shape) -> int:
        """Include the matrix of cosines."""
        return super().workspace(input_shape) + input_shape[0] ** 2

    def forward(self, values: Views, x: FloatArray, rng: np.random.Generator | None) -> tuple[FloatArray, None]:
        """Compute the spectra of all frames of all examples in one matrix product."""
        y = cosines(len(x), x.dtype).T @ x.reshape(len(x), -1)
        return y.reshape(1, *x.shape), None

    def backward(self, values: Views, gradients: Views, cache: None, grad_y: FloatArray) -> FloatArray:
        """Propagate the gradient from the bands to the coefficients.

        dy(f)/dx_k = C_kf / (k + 1), so dL/dx_k = sum_f C_kf dL/dy(f) / (k + 1): the cosine transform of the gradient of
        the bands, with the same weights.
        """
        bands = grad_y.shape[1]
        grad_x = cosines(bands, grad_y.dtype) @ grad_y.reshape(bands, -1)
        return grad_x.reshape(grad_y.shape[1:])


@lru_cache(maxsize=8)
def cosines(count: int, dtype: np.dtype[np.floating]) -> FloatArray:
    """Return the weighted cosines C_kf / (k + 1), read-only: one row per coefficient, one column per band."""
    order = np.arange(count)[:, None]
    matrix = np.sqrt(2 / count) * np.cos(math.pi * order * (np.arange(count) + 0.5) / count)
    matrix[0] /= math.sqrt(2)
    weighted: FloatArray = (matrix / (order + 1)).astype(dtype)
    weighted.flags.writeable = False
    return weighted


@dataclass(frozen=True)
class Stack(FramewiseLayer):
    """Make each band of each channel a separate channel: (channels, bands, time) to (channels x bands, time)."""

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return (channels x bands, time)."""
        if len(input_shape) != 3:
            raise ValueError(f"Stack takes an input of shape (channels, bands, time), got {input_shape}")
        channels, bands, time = input_shape
        return channels * bands, time

    def forward(self, values: Views, x: FloatArray, rng: np.random.Generator | None) -> tuple[FloatArray, Shape]:
        """Reshape (channels, bands, time, batch) to (channels x bands, time, batch) without copying."""
        return x.reshape(*self.output_shape(x.shape[:-1]), x.shape[-1]), x.shape

    def backward(self, values: Views, gradients: Views, cache: Shape, grad_y: FloatArray) -> FloatArray:
        """Reshape the gradient back."""
        return grad_y.reshape(cache)
