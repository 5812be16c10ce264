"""Batch normalisation: standardise each channel to mean 0 and variance 1, then apply a learned scale and shift."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from sayso.nn.layer import FramewiseLayer
from sayso.nn.parameters import FloatArray, Parameter, ParameterTree, Shape, Views, ones, zeros


class _Cache(NamedTuple):
    centred: FloatArray
    inverse: FloatArray
    mean: FloatArray
    variance: FloatArray


class _InferenceCache(NamedTuple):
    x: FloatArray
    inverse: FloatArray


@dataclass(frozen=True)
class BatchNorm(FramewiseLayer):
    """y = scale x̂ + shift with x̂ = (x - mean) / sqrt(variance + epsilon), channel by channel.

    In training, mean and variance are taken over the batch (and over time, if there is a time axis); in inference they
    are running averages collected during training. S. Ioffe and C. Szegedy, "Batch normalization", 2015.
    """

    epsilon: float = 1e-5

    def __post_init__(self) -> None:
        if not 0 < self.epsilon <= 1:
            raise ValueError(f"BatchNorm has epsilon {self.epsilon}; expected a number above 0 and at most 1")

    def parameters(self, input_shape: Shape) -> ParameterTree:
        """Return scale, shift and the running statistics, one value per channel each."""
        shape = (input_shape[0], 1)
        return {
            "scale": Parameter(shape, ones, "bias"),
            "shift": Parameter(shape, zeros, "bias"),
            "mean": Parameter(shape, zeros, "statistic"),
            "variance": Parameter(shape, ones, "statistic"),
        }

    def forward(
        self, values: Views, x: FloatArray, rng: np.random.Generator | None
    ) -> tuple[FloatArray, _Cache | _InferenceCache]:
        """Normalise, scale and shift."""
        rows = x.reshape(len(x), -1)
        if rng is None:
            inverse = 1 / np.sqrt(values["variance"] + self.epsilon)
            gain = values["scale"] * inverse
            y = rows * gain
            y += values["shift"] - gain * values["mean"]
            return y.reshape(x.shape), _InferenceCache(rows, inverse)
        # To save passes over memory, x̂ itself is never stored, only x - mean.
        mean = rows.mean(axis=1, keepdims=True)
        centred = rows - mean
        variance = np.vecdot(centred, centred)[:, None] / rows.shape[1]
        inverse = 1 / np.sqrt(variance + self.epsilon)
        y = centred * (values["scale"] * inverse)
        y += values["shift"]
        return y.reshape(x.shape), _Cache(centred, inverse, mean, variance)

    def backward(
        self, values: Views, gradients: Views, cache: _Cache | _InferenceCache, grad_y: FloatArray
    ) -> FloatArray:
        """Propagate the gradient through the normalisation, whose mean and variance depend on every x.

        Write g = dL/dy, n for the number of values in a channel and <·> for their mean. Scale and shift apply to every
        value: dL/dscale = sum g x̂ and dL/dshift = sum g. The gradient of x̂ is dL/dx̂ = scale g. Raising one x_k by d
        raises the mean by d / n and the variance by 2 (x_k - mean) d / n; so x̂_i changes by d / s (1[i = k] - 1/n -
        x̂_i x̂_k / n), where s = sqrt(variance + epsilon). Multiplying by dL/dx̂_i and summing over i gives

            dL/dx_k = scale / s (g_k - <g> - x̂_k <g x̂>)

        The components of g that are constant over the channel or proportional to x̂ are removed: such a change of x
        would be normalised away. The "gradient" of the running statistics is their difference from the statistics of
        the batch, with the unbiased variance.
        """
        if isinstance(cache, _InferenceCache):
            return self._backward_inference(values, gradients, cache, grad_y)
        centred, inverse, mean, variance = cache
        rows = grad_y.reshape(centred.shape)
        count = centred[0].size
        along = np.vecdot(rows, centred)[:, None] * inverse
        total = rows.sum(axis=1, keepdims=True)
        gradients["scale"][...] = along
        gradients["shift"][...] = total
        np.subtract(values["mean"], mean, out=gradients["mean"])
        np.subtract(values["variance"], variance * (count / max(count - 1, 1)), out=gradients["variance"])
        grad_x: FloatArray = centred * (-along * inverse / count)
        grad_x += rows
        grad_x -= total / count
        grad_x *= values["scale"] * inverse
        return grad_x.reshape(grad_y.shape)

    def _backward_inference(
        self, values: Views, gradients: Views, cache: _InferenceCache, grad_y: FloatArray
    ) -> FloatArray:
        """Propagate the gradient through a normalisation with fixed mean and variance.

        They do not depend on x here, so nothing is removed from the gradient: dx̂/dx = 1 / s and dL/dx = scale / s g.
        """
        x, inverse = cache
        rows = grad_y.reshape(x.shape)
        gradients["scale"][...] = np.vecdot(rows, x - values["mean"])[:, None] * inverse
        gradients["shift"][...] = rows.sum(axis=1, keepdims=True)
        for name in ("mean", "variance"):
            gradients[name][...] = 0
        grad_x: FloatArray = rows * (values["scale"] * inverse)
        return grad_x.reshape(grad_y.shape)
