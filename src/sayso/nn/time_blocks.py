"""A dense layer over blocks of frames within each channel, with the same weights for every block."""

from dataclasses import dataclass

import numpy as np

from sayso.nn.convolution import check_sizes
from sayso.nn.layer import Layer
from sayso.nn.parameters import FloatArray, Parameter, ParameterTree, Shape, Views, he_normal


@dataclass(frozen=True, kw_only=True)
class TimeBlocks(Layer):
    """Each block of frames is a linear function of a window of frames: Y_c[b] = W_c^T X_c[b] for channel c, block b.

    `folded` replaces depthwise convolutions by this layer. The banded matrix of a depthwise convolution repeats the
    same small block, shifted in time; the block alone fits the processor's cache and is not rebuilt for each input.

    Attributes
    ----------
    frames : int
        Frames of the output.
    block : int
        Frames of the output per block; surplus frames of the last block are cut off.
    span : int
        Frames of the input per window.
    step : int
        Frames of the input from one window to the next.
    padding : int
        Zeros before the beginning; after the end there are as many as the last window needs.
    """

    frames: int
    block: int
    span: int
    step: int
    padding: int = 0

    def __post_init__(self) -> None:
        check_sizes(self, frames=1, block=1, span=1, step=1, padding=0)

    @property
    def blocks(self) -> int:
        """Number of blocks."""
        return -(-self.frames // self.block)

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return (channels, frames)."""
        if len(input_shape) != 2:
            raise ValueError(f"TimeBlocks takes an input of shape (channels, time), got {input_shape}")
        return input_shape[0], self.frames

    def parameters(self, input_shape: Shape) -> ParameterTree:
        """Return the weight (channels, span, block)."""
        return {"weight": Parameter((input_shape[0], self.span, self.block), he_normal(self.span))}

    def multiply_adds(self, input_shape: Shape) -> int:
        """Return one per weight and block."""
        return input_shape[0] * self.blocks * self.span * self.block

    def workspace(self, input_shape: Shape) -> int:
        """Include the padding of the input, the windows, and the output before it is cut."""
        channels, time = input_shape
        windows = self.blocks * (self.span + 2 * self.block)
        return channels * (2 * self._covered(time) + windows)

    def _covered(self, time: int) -> int:
        """Return the frames from the first window's beginning to the end of the last window or of the input."""
        return max((self.blocks - 1) * self.step + self.span, self.padding + time)

    def _windows(self, padded: FloatArray) -> FloatArray:
        """Return views of the windows of (channels, time, batch), shape (channels, blocks, span, batch)."""
        channels, _, batch = padded.shape
        channel, frame, example = padded.strides
        shape, strides = (channels, self.blocks, self.span, batch), (channel, self.step * frame, frame, example)
        return np.ndarray(shape, padded.dtype, padded, 0, strides)

    def forward(
        self, values: Views, x: FloatArray, rng: np.random.Generator | None
    ) -> tuple[FloatArray, tuple[FloatArray, Shape]]:
        """Multiply once per window; for a single example, whose windows are the rows of a matrix, once per channel."""
        channels, time, batch = x.shape
        padded = np.zeros((channels, self._covered(time), batch), x.dtype)
        padded[:, self.padding : self.padding + time] = x
        windows, weight = self._windows(padded), values["weight"]
        if batch == 1:
            y = np.ascontiguousarray(windows[..., 0]) @ weight
        else:
            y = weight.transpose(0, 2, 1)[:, None] @ windows
        outputs: FloatArray = y.reshape(channels, self.blocks * self.block, batch)[:, : self.frames]
        return outputs, (padded, x.shape)

    def _rows(self, grad_y: FloatArray) -> FloatArray:
        """Rearrange the gradient of the output to (channels, blocks x batch, block)."""
        channels, frames, batch = grad_y.shape
        whole = np.zeros((channels, self.blocks * self.block, batch), grad_y.dtype)
        whole[:, :frames] = grad_y
        blocks = whole.reshape(channels, self.blocks, self.block, batch)
        return blocks.transpose(0, 1, 3, 2).reshape(channels, self.blocks * batch, self.block)

    def backward_parameters(
        self, values: Views, gradients: Views, cache: tuple[FloatArray, Shape], grad_y: FloatArray
    ) -> None:
        """Gradient of the weights: dL/dW = X dL/dY^T as in a dense layer, summed over all windows of a channel."""
        columns = self._windows(cache[0]).transpose(0, 2, 1, 3).reshape(len(grad_y), self.span, -1)
        np.matmul(columns, self._rows(grad_y), out=gradients["weight"])

    def backward(
        self, values: Views, gradients: Views, cache: tuple[FloatArray, Shape], grad_y: FloatArray
    ) -> FloatArray:
        """Gradient of the weights (see `backward_parameters`), then that of the input.

        As in a dense layer dL/dX = W dL/dY for each window; a frame in several windows gets the sum.
        """
        self.backward_parameters(values, gradients, cache, grad_y)
        channels, time, batch = cache[1]
        rows = self._rows(grad_y) @ values["weight"].transpose(0, 2, 1)
        windows = rows.reshape(channels, self.blocks, batch, self.span)
        padded = np.zeros((channels, self._covered(time), batch), grad_y.dtype)
        for block in range(self.blocks):
            padded[:, block * self.step : block * self.step + self.span] += windows[:, block].transpose(0, 2, 1)
        return padded[:, self.padding : self.padding + time]
