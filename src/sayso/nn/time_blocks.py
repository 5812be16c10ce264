"""A dense layer over stretches of time within each channel, with the same weights for every stretch."""

from dataclasses import dataclass

import numpy as np

from sayso.nn.convolution import MOST_MOMENTS
from sayso.nn.layer import Layer
from sayso.nn.parameters import FloatArray, Parameter, ParameterTree, Shape, Views, he_normal


@dataclass(frozen=True, kw_only=True)
class TimeBlocks(Layer):
    """Each block of moments is a weighted sum of the moments of a window: Y_c[b] = W_c^T X_c[b] for channel c, block b.

    It is what `folded` makes of a depthwise convolution. The whole banded matrix of one is the same small block over
    and over, moved on in time; the block alone stays in the processor's cache, and need not be written again for each
    input.

    Attributes
    ----------
    moments : int
        Moments of the output.
    block : int
        Moments of the output in one block; what the last block has too many is cut off.
    span : int
        Moments of the input that a block sees.
    step : int
        Moments of the input from one block's window to the next.
    padding : int
        Zeros before the beginning; after the end there are as many as the last window needs.
    """

    moments: int
    block: int
    span: int
    step: int
    padding: int = 0

    def __post_init__(self) -> None:
        for name, least in (("moments", 1), ("block", 1), ("span", 1), ("step", 1), ("padding", 0)):
            value = getattr(self, name)
            if not least <= value <= MOST_MOMENTS:
                bound = f"at least {least}" if value < least else f"at most {MOST_MOMENTS}"
                raise ValueError(f"TimeBlocks has {name} {value}; expected {bound}")

    @property
    def blocks(self) -> int:
        """Number of blocks."""
        return -(-self.moments // self.block)

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return (channels, moments)."""
        if len(input_shape) != 2:
            raise ValueError(f"TimeBlocks takes an input of shape (channels, time), got {input_shape}")
        return input_shape[0], self.moments

    def parameters(self, input_shape: Shape) -> ParameterTree:
        """Return the weight (channels, span, block)."""
        return {"weight": Parameter((input_shape[0], self.span, self.block), he_normal(self.span))}

    def multiply_adds(self, input_shape: Shape) -> int:
        """Count one for each weight and block."""
        return input_shape[0] * self.blocks * self.span * self.block

    def workspace(self, input_shape: Shape) -> int:
        """Count the windows beside the input, with its padding, and the output before it is cut."""
        channels, time = input_shape
        windows = self.blocks * (self.span + 2 * self.block)
        return channels * (2 * self._covered(time) + windows)

    def _covered(self, time: int) -> int:
        """Moments from the first window's beginning to the last one's end, or to that of the input."""
        return max((self.blocks - 1) * self.step + self.span, self.padding + time)

    def _windows(self, padded: FloatArray) -> FloatArray:
        """Return views of the windows of (channels, time, batch), shape (channels, blocks, span, batch)."""
        channels, _, batch = padded.shape
        channel, moment, example = padded.strides
        shape, strides = (channels, self.blocks, self.span, batch), (channel, self.step * moment, moment, example)
        return np.ndarray(shape, padded.dtype, padded, 0, strides)

    def forward(
        self, values: Views, x: FloatArray, rng: np.random.Generator | None
    ) -> tuple[FloatArray, tuple[FloatArray, Shape]]:
        """Multiply once for each window, or for a single example, whose windows are columns, once for each channel."""
        channels, time, batch = x.shape
        padded = np.zeros((channels, self._covered(time), batch), x.dtype)
        padded[:, self.padding : self.padding + time] = x
        windows, weight = self._windows(padded), values["weight"]
        if batch == 1:
            y = np.ascontiguousarray(windows[..., 0]) @ weight
        else:
            y = weight.transpose(0, 2, 1)[:, None] @ windows
        outputs: FloatArray = y.reshape(channels, self.blocks * self.block, batch)[:, : self.moments]
        return outputs, (padded, x.shape)

    def _rows(self, grad_y: FloatArray) -> FloatArray:
        """Lay the gradient of the output as the product gave it, shape (channels, blocks x batch, block)."""
        channels, moments, batch = grad_y.shape
        whole = np.zeros((channels, self.blocks * self.block, batch), grad_y.dtype)
        whole[:, :moments] = grad_y
        blocks = whole.reshape(channels, self.blocks, self.block, batch)
        return blocks.transpose(0, 1, 3, 2).reshape(channels, self.blocks * batch, self.block)

    def backward_parameters(
        self, values: Views, gradients: Views, cache: tuple[FloatArray, Shape], grad_y: FloatArray
    ) -> None:
        """Gradient of the weights: as in a dense layer dL/dW = X dL/dY^T, summed over all windows of a channel."""
        columns = self._windows(cache[0]).transpose(0, 2, 1, 3).reshape(len(grad_y), self.span, -1)
        np.matmul(columns, self._rows(grad_y), out=gradients["weight"])

    def backward(
        self, values: Views, gradients: Views, cache: tuple[FloatArray, Shape], grad_y: FloatArray
    ) -> FloatArray:
        """Gradient of the weights (see there), then that of the input.

        As in a dense layer dL/dX = W dL/dY for each window; a moment that several windows hold gets the sum.
        """
        self.backward_parameters(values, gradients, cache, grad_y)
        channels, time, batch = cache[1]
        rows = self._rows(grad_y) @ values["weight"].transpose(0, 2, 1)
        windows = rows.reshape(channels, self.blocks, batch, self.span)
        padded = np.zeros((channels, self._covered(time), batch), grad_y.dtype)
        for block in range(self.blocks):
            padded[:, block * self.step : block * self.step + self.span] += windows[:, block].transpose(0, 2, 1)
        return padded[:, self.padding : self.padding + time]
