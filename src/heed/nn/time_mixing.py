"""A dense layer over time within each channel."""

from dataclasses import dataclass

import numpy as np

from heed.nn.layer import Layer
from heed.nn.parameters import FloatArray, Parameter, ParameterTree, Shape, Views, he_normal


@dataclass(frozen=True)
class TimeMixing(Layer):
    """Every moment of the output is a weighted sum of all moments of the input: y_c = W_c^T x_c for each channel c.

    It is what `folded` makes of a depthwise convolution, whose matrix it then need not write again for each input.

    Attributes
    ----------
    moments : int
        Moments of the output.
    """

    moments: int

    def __post_init__(self) -> None:
        if self.moments < 1:
            raise ValueError(f"TimeMixing has {self.moments} moments; expected at least 1")

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return (channels, moments)."""
        if len(input_shape) != 2:
            raise ValueError(f"TimeMixing takes an input of shape (channels, time), got {input_shape}")
        return input_shape[0], self.moments

    def parameters(self, input_shape: Shape) -> ParameterTree:
        """Return the weight (channels, time of the input, moments)."""
        channels, time = input_shape
        return {"weight": Parameter((channels, time, self.moments), he_normal(time))}

    def multiply_adds(self, input_shape: Shape) -> int:
        """Count one for each weight."""
        return input_shape[0] * self.moments * input_shape[1]

    def forward(self, values: Views, x: FloatArray, rng: np.random.Generator | None) -> tuple[FloatArray, FloatArray]:
        """Compute y = W^T x, channel by channel, for x of shape (channels, time, batch)."""
        return values["weight"].transpose(0, 2, 1) @ x, x

    def backward_parameters(self, values: Views, gradients: Views, cache: FloatArray, grad_y: FloatArray) -> None:
        """Gradient of the weights: as in a dense layer dL/dW = x (dL/dy)^T, channel by channel."""
        np.matmul(cache, grad_y.transpose(0, 2, 1), out=gradients["weight"])

    def backward(self, values: Views, gradients: Views, cache: FloatArray, grad_y: FloatArray) -> FloatArray:
        """Gradient of the weights (see there), then that of the input: dL/dx = W dL/dy, channel by channel."""
        self.backward_parameters(values, gradients, cache, grad_y)
        grad_x: FloatArray = values["weight"] @ grad_y
        return grad_x
