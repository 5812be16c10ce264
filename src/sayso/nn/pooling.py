"""Pooling over time: from one vector per frame to one vector per example."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from sayso.nn.layer import Layer
from sayso.nn.parameters import FloatArray, Shape, Views


class _Cache(NamedTuple):
    centred: FloatArray
    deviation: FloatArray


@dataclass(frozen=True)
class StatisticsPooling(Layer):
    """Mean and standard deviation of each channel over time.

    The mean measures how strong a channel is, the deviation whether it is active all the time or briefly. D. Snyder et
    al., "X-vectors", 2018.

    Attributes
    ----------
    epsilon : float
        Added to the variance, so that the gradient is finite for a constant channel.
    """

    epsilon: float = 1e-5

    def __post_init__(self) -> None:
        if not 0 < self.epsilon <= 1:
            raise ValueError(f"StatisticsPooling has epsilon {self.epsilon}; expected a number above 0 and at most 1")

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return (2 x channels,): the means, then the deviations."""
        if len(input_shape) != 2:
            raise ValueError(f"StatisticsPooling takes an input of shape (channels, time), got {input_shape}")
        return (2 * input_shape[0],)

    def forward(self, values: Views, x: FloatArray, rng: np.random.Generator | None) -> tuple[FloatArray, _Cache]:
        """Map (channels, time, batch) to (2 x channels, batch)."""
        # The mean as a weighted sum over time is a matrix product; NumPy's sums over an inner axis are slower. It is
        # rounded in the order that the BLAS kernel sums in, so even a constant channel may differ from its mean in the
        # last digit; against epsilon that is negligible.
        weights = np.full(x.shape[1], 1 / x.shape[1], x.dtype)
        mean = weights @ x
        centred = x - mean[:, None]
        deviation = np.sqrt(weights @ np.square(centred) + self.epsilon)
        return np.concatenate([mean, deviation]), _Cache(centred, deviation)

    def backward(self, values: Views, gradients: Views, cache: _Cache, grad_y: FloatArray) -> FloatArray:
        """Distribute the gradient over the frames.

        Write m for the mean of the T frames x_t and s = sqrt(v + epsilon) for the deviation. The mean has dm/dx_t =
        1 / T. The variance v = sum_t (x_t - m)² / T has dv/dx_t = 2 (x_t - m) / T (the contribution through m cancels,
        as the deviations x_t - m sum to zero), and ds/dv = 1 / (2 s). Together

            dL/dx_t = (dL/dm + dL/ds (x_t - m) / s) / T
        """
        centred, deviation = cache
        channels, time, _ = centred.shape
        grad_x: FloatArray = centred * (grad_y[channels:] / (time * deviation))[:, None]
        grad_x += (grad_y[:channels] / time)[:, None]
        return grad_x
