"""The dense (fully connected) layer, its frame-wise form, and the flattening that precedes it."""

from dataclasses import dataclass

import numpy as np

from sayso.nn.layer import FramewiseLayer, Layer
from sayso.nn.parameters import FloatArray, Parameter, ParameterTree, Shape, Views, he_normal, zeros


@dataclass(frozen=True)
class Dense(Layer):
    """Every output is a weighted sum of all inputs: y = W x + b.

    Attributes
    ----------
    units : int
        Number of outputs.
    bias : bool
        Whether to add b; before a batch normalisation, which has its own shift, b would have no effect.
    """

    units: int
    bias: bool = True

    def __post_init__(self) -> None:
        if self.units < 1:
            raise ValueError(f"{type(self).__name__} has {self.units} units; expected at least 1")

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return (units,)."""
        if len(input_shape) != 1:
            raise ValueError(f"Dense takes an input of shape (features,), got {input_shape}; put Flatten before it")
        return (self.units,)

    def parameters(self, input_shape: Shape) -> ParameterTree:
        """Return the weight (units, features) and the bias (units, 1)."""
        (features,) = input_shape
        weight = Parameter((self.units, features), he_normal(features))
        bias = {"bias": Parameter((self.units, 1), zeros, "bias")} if self.bias else {}
        return {"weight": weight, **bias}

    def multiply_adds(self, input_shape: Shape) -> int:
        """Return one per weight."""
        return self.units * input_shape[0]

    def forward(self, values: Views, x: FloatArray, rng: np.random.Generator | None) -> tuple[FloatArray, FloatArray]:
        """Compute y = W x + b for x of shape (features, batch)."""
        y: FloatArray = values["weight"] @ x
        if self.bias:
            y += values["bias"]
        return y, x

    def backward_parameters(self, values: Views, gradients: Views, cache: FloatArray, grad_y: FloatArray) -> None:
        """Gradient of the parameters.

        Example n of the batch has y_in = sum_j W_ij x_jn + b_i. W_ij affects only y_in, with the derivative x_jn, so
        the chain rule gives dL/dW_ij = sum_n dL/dy_in x_jn, a matrix product. The derivative of y_in by b_i is 1:
        dL/db_i = sum_n dL/dy_in.
        """
        np.matmul(grad_y, cache.T, out=gradients["weight"])
        if self.bias:
            np.sum(grad_y, axis=1, keepdims=True, out=gradients["bias"])

    def backward(self, values: Views, gradients: Views, cache: FloatArray, grad_y: FloatArray) -> FloatArray:
        """Gradient of the parameters (see `backward_parameters`), then that of the input.

        x_jn enters every output i of its example with the weight W_ij: dL/dx_jn = sum_i W_ij dL/dy_in. The weights that
        carry the signal forward also carry the error back, transposed.
        """
        self.backward_parameters(values, gradients, cache, grad_y)
        grad_x: FloatArray = values["weight"].T @ grad_y
        return grad_x


@dataclass(frozen=True)
class Pointwise(FramewiseLayer, Dense):
    """The same dense layer at every frame: y(t) = W x(t) + b, a convolution over time with a kernel of one frame.

    For the weights every frame is one more example, so this is `Dense` with time and batch merged into one axis.
    """

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return (units, time)."""
        if len(input_shape) != 2:
            raise ValueError(f"Pointwise takes an input of shape (channels, time), got {input_shape}")
        return self.units, input_shape[1]

    def parameters(self, input_shape: Shape) -> ParameterTree:
        """Return the weight (units, channels) and the bias (units, 1)."""
        return super().parameters(input_shape[:1])

    def multiply_adds(self, input_shape: Shape) -> int:
        """Return one per weight and frame."""
        return self.units * input_shape[0] * input_shape[1]

    def forward(self, values: Views, x: FloatArray, rng: np.random.Generator | None) -> tuple[FloatArray, FloatArray]:
        """Map (channels, time, batch) to (units, time, batch)."""
        y, examples = super().forward(values, x.reshape(len(x), -1), rng)
        return y.reshape(self.units, *x.shape[1:]), examples

    def backward_parameters(self, values: Views, gradients: Views, cache: FloatArray, grad_y: FloatArray) -> None:
        """Sum over all frames of all examples, as `Dense` sums over examples."""
        super().backward_parameters(values, gradients, cache, grad_y.reshape(self.units, -1))

    def backward(self, values: Views, gradients: Views, cache: FloatArray, grad_y: FloatArray) -> FloatArray:
        """Propagate the gradient within each frame, as `Dense` does within each example."""
        grad_x = super().backward(values, gradients, cache, grad_y.reshape(self.units, -1))
        return grad_x.reshape(len(grad_x), *grad_y.shape[1:])


@dataclass(frozen=True)
class Flatten(Layer):
    """Concatenate the frames of (channels, time) to one vector of (time x channels) features."""

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return (time x channels,)."""
        if len(input_shape) != 2:
            raise ValueError(f"Flatten takes an input of shape (channels, time), got {input_shape}")
        return (input_shape[0] * input_shape[1],)

    def forward(self, values: Views, x: FloatArray, rng: np.random.Generator | None) -> tuple[FloatArray, Shape]:
        """Map (channels, time, batch) to (time x channels, batch); input stored frame by frame is not copied."""
        channels, time, batch = x.shape
        return x.transpose(1, 0, 2).reshape(time * channels, batch), x.shape

    def backward(self, values: Views, gradients: Views, cache: Shape, grad_y: FloatArray) -> FloatArray:
        """Move each gradient back to where its value came from."""
        channels, time, batch = cache
        return grad_y.reshape(time, channels, batch).transpose(1, 0, 2)
