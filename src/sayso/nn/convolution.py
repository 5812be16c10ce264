"""Convolutions over time: the same weights at every frame, so that a pattern is recognised wherever it occurs.

In a time-delay network (A. Waibel et al., "Phoneme recognition using time-delay neural networks", 1989) the output at
a frame is a weighted sum of the inputs around it. The full convolution sums over all channels; the depthwise one
stays within each channel, and a `Pointwise` layer then mixes them: together they need a fraction of the weights.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import as_strided, sliding_window_view

from sayso.nn.layer import Layer
from sayso.nn.parameters import FloatArray, Parameter, ParameterTree, Shape, Views, he_normal, zeros

# A larger kernel, stride, dilation or padding is a mistake.
MAX_FRAMES = 65_536


def check_sizes(layer: Layer, **minimum: int) -> None:
    """Raise ValueError unless each of these settings is between its minimum and `MAX_FRAMES`."""
    for name, least in minimum.items():
        value = getattr(layer, name)
        if not least <= value <= MAX_FRAMES:
            bound = f"at least {least}" if value < least else f"at most {MAX_FRAMES}"
            raise ValueError(f"{type(layer).__name__} has {name} {value}; expected {bound}")


@dataclass(frozen=True, kw_only=True)
class TimeWindow(Layer):
    """Base of the convolutions: the frames of the input (receptive field) that each frame of the output depends on.

    Output t depends on the inputs t stride + i dilation - padding for i = 0 ... kernel - 1, which are zero beyond the
    ends.

    Attributes
    ----------
    kernel : int
        Number of frames (taps) per output.
    stride : int
        Frames from one output to the next.
    dilation : int
        Frames from one tap to the next.
    padding : int
        Zeros before the beginning and after the end.
    """

    kernel: int
    stride: int = 1
    dilation: int = 1
    padding: int = 0

    def __post_init__(self) -> None:
        check_sizes(self, kernel=1, stride=1, dilation=1, padding=0)

    @property
    def span(self) -> int:
        """Frames from the first tap to the last, both included."""
        return (self.kernel - 1) * self.dilation + 1

    @property
    def context(self) -> int | None:
        """The padding, if it centres the taps on the frame of the output."""
        return self.padding if self.stride == 1 and self.span == 2 * self.padding + 1 else None

    def output_length(self, input_shape: Shape) -> int:
        """Count the frames of the output; raise ValueError if the input is not (channels, time) or too short."""
        if len(input_shape) != 2:
            raise ValueError(f"{type(self).__name__} takes an input of shape (channels, time), got {input_shape}")
        time = input_shape[1] + 2 * self.padding
        if time < self.span:
            raise ValueError(
                f"{type(self).__name__} spans {self.span} frames, its input has {time} with padding; "
                "make the kernel smaller or the input longer"
            )
        return (time - self.span) // self.stride + 1


@dataclass(frozen=True, kw_only=True)
class Convolution(TimeWindow):
    """Full convolution: y_o(t) = sum_c sum_i W_oci x_c(t stride + i dilation - padding) + b_o.

    Attributes
    ----------
    channels : int
        Channels of the output.
    bias : bool
        Whether to add b; before a batch normalisation, which has its own shift, b would have no effect.
    """

    channels: int
    bias: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.channels < 1:
            raise ValueError(f"Convolution has {self.channels} channels; expected at least 1")

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return (channels, time of the output)."""
        return self.channels, self.output_length(input_shape)

    def parameters(self, input_shape: Shape) -> ParameterTree:
        """Return the weight (channels, input channels, [band kernel,] kernel) and the bias (channels, 1)."""
        field = self._receptive_field(input_shape)
        weight = Parameter((self.channels, *field), he_normal(math.prod(field)))
        bias = {"bias": Parameter((self.channels, 1), zeros, "bias")} if self.bias else {}
        return {"weight": weight, **bias}

    def _receptive_field(self, input_shape: Shape) -> Shape:
        """Return the shape of the input region that one output depends on."""
        return input_shape[0], self.kernel

    def multiply_adds(self, input_shape: Shape) -> int:
        """Return one per weight and position of the output."""
        channels, *positions = self.output_shape(input_shape)
        return channels * math.prod(self._receptive_field(input_shape)) * math.prod(positions)

    def workspace(self, input_shape: Shape) -> int:
        """Include the columns and the padding of the input."""
        *channels, time = input_shape
        return (
            super().workspace((*channels, time + 2 * self.padding)) + self.multiply_adds(input_shape) // self.channels
        )

    def forward(
        self, values: Views, x: FloatArray, rng: np.random.Generator | None
    ) -> tuple[FloatArray, tuple[FloatArray, Shape]]:
        """Copy the receptive fields to columns, (weights per output, positions x batch), and multiply once (im2col)."""
        columns = self._columns(_padded(x, self.padding), self.output_shape(x.shape[:-1]))
        y = values["weight"].reshape(self.channels, -1) @ columns
        if self.bias:
            y += values["bias"]
        return y.reshape(*self.output_shape(x.shape[:-1]), x.shape[-1]), (columns, x.shape)

    def backward_parameters(
        self, values: Views, gradients: Views, cache: tuple[FloatArray, Shape], grad_y: FloatArray
    ) -> None:
        """Gradient of the parameters.

        With the receptive fields as columns s, the convolution is the dense layer y = W s + b with one example per
        output position, and so are its gradients: dL/dW = dL/dy s^T and dL/db = the sum of dL/dy. A shared weight is
        used at every position and collects the gradients of all of them.
        """
        columns, _ = cache
        rows = grad_y.reshape(self.channels, -1)
        np.matmul(rows, columns.T, out=gradients["weight"].reshape(self.channels, -1))
        if self.bias:
            np.sum(rows, axis=1, keepdims=True, out=gradients["bias"])

    def backward(
        self, values: Views, gradients: Views, cache: tuple[FloatArray, Shape], grad_y: FloatArray
    ) -> FloatArray:
        """Gradient of the parameters (see `backward_parameters`), then that of the input.

        As in a dense layer dL/ds = W^T dL/dy. An input is copied to several columns, one for each output that depends
        on it; its gradient is the sum over these copies.
        """
        self.backward_parameters(values, gradients, cache, grad_y)
        *channels, length, batch = cache[1]
        grad_columns = values["weight"].reshape(self.channels, -1).T @ grad_y.reshape(self.channels, -1)
        grad_padded = np.zeros((*channels, length + 2 * self.padding, batch), grad_y.dtype)
        self._add_up(grad_columns, grad_padded, grad_y.shape)
        return grad_padded[..., self.padding : self.padding + length, :]

    def _columns(self, padded: FloatArray, output_shape: Shape) -> FloatArray:
        """Copy the receptive field of each output to a column."""
        inputs, _, batch = padded.shape
        time = output_shape[-1]
        channel, frame, example = padded.strides
        strides = (channel, self.dilation * frame, self.stride * frame, example)
        taps = np.ndarray((inputs, self.kernel, time, batch), padded.dtype, padded, 0, strides)
        return taps.reshape(inputs * self.kernel, time * batch)

    def _add_up(self, grad_columns: FloatArray, grad_padded: FloatArray, output_shape: Shape) -> None:
        """Add the gradient of each column entry to that of the input that it was copied from (col2im)."""
        inputs, _, batch = grad_padded.shape
        time = output_shape[-2]
        taps = grad_columns.reshape(inputs, self.kernel, time, batch)
        for tap in range(self.kernel):
            grad_padded[:, self._frames_at(tap, time)] += taps[:, tap]

    def _frames_at(self, tap: int, time: int) -> slice:
        """Return the frames of the padded input that one tap multiplies, output by output."""
        start = tap * self.dilation
        return slice(start, start + (time - 1) * self.stride + 1, self.stride)


@dataclass(frozen=True, kw_only=True)
class Convolution2d(Convolution):
    """Convolution over frequency and time: y_o(f, t) = sum_cji W_ocji x_c(f s + j, t stride + i - padding) + b_o.

    Its input is a spectrogram, (channels, bands, time). The weights are shared over frequency as well, so that a
    pattern is recognised in any band: the same vowel lies in different bands in a high and in a low voice. Y. LeCun et
    al., "Gradient-based learning applied to document recognition", 1998.

    Attributes
    ----------
    band_kernel, band_stride : int
        Kernel and stride (s) over frequency, in bands, without padding. `kernel`, `stride`, `dilation` and `padding`
        apply to time.
    """

    band_kernel: int
    band_stride: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        check_sizes(self, band_kernel=1, band_stride=1)

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return (channels, bands, time) of the output."""
        if len(input_shape) != 3:
            raise ValueError(f"Convolution2d takes an input of shape (channels, bands, time), got {input_shape}")
        inputs, bands, time = input_shape
        if bands < self.band_kernel:
            raise ValueError(
                f"Convolution2d spans {self.band_kernel} bands, its input has {bands}; make band_kernel smaller"
            )
        return self.channels, (bands - self.band_kernel) // self.band_stride + 1, self.output_length((inputs, time))

    def _receptive_field(self, input_shape: Shape) -> Shape:
        return input_shape[0], self.band_kernel, self.kernel

    def _columns(self, padded: FloatArray, output_shape: Shape) -> FloatArray:
        inputs, _, _, batch = padded.shape
        _, bands, time = output_shape
        channel, band, frame, example = padded.strides
        strides = (channel, band, self.dilation * frame, self.band_stride * band, self.stride * frame, example)
        shape = (inputs, self.band_kernel, self.kernel, bands, time, batch)
        taps = np.ndarray(shape, padded.dtype, padded, 0, strides)
        return taps.reshape(math.prod(shape[:3]), math.prod(shape[3:]))

    def _add_up(self, grad_columns: FloatArray, grad_padded: FloatArray, output_shape: Shape) -> None:
        inputs, _, _, batch = grad_padded.shape
        _, bands, time, _ = output_shape
        taps = grad_columns.reshape(inputs, self.band_kernel, self.kernel, bands, time, batch)
        for band_tap in range(self.band_kernel):
            bands_at = slice(band_tap, band_tap + (bands - 1) * self.band_stride + 1, self.band_stride)
            for tap in range(self.kernel):
                grad_padded[:, bands_at, self._frames_at(tap, time)] += taps[:, band_tap, tap]


@dataclass(frozen=True, kw_only=True)
class DepthwiseConvolution(TimeWindow):
    """Convolution within each channel: y_c(t) = sum_i w_ci x_c(t stride + i dilation - padding).

    For one channel this is linear in x: y = M x with the banded matrix M[t, t stride + i dilation - padding] = w_i,
    zero elsewhere. Each row is the kernel, shifted by the stride from the row above. Most of the products are by zero,
    but one matrix product per channel is still faster than gathering the taps, as it reads x once and from the cache.
    """

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return (channels, time of the output)."""
        return input_shape[0], self.output_length(input_shape)

    def parameters(self, input_shape: Shape) -> ParameterTree:
        """Return the weight (channels, kernel)."""
        return {"weight": Parameter((input_shape[0], self.kernel), he_normal(self.kernel))}

    def multiply_adds(self, input_shape: Shape) -> int:
        """Return one per weight and frame of the output; the zeros of the matrix do not count."""
        return input_shape[0] * self.kernel * self.output_length(input_shape)

    def workspace(self, input_shape: Shape) -> int:
        """Include the matrix, with the columns of the padding."""
        channels, time = input_shape
        matrix = channels * self.output_length(input_shape) * (time + 2 * self.padding)
        return super().workspace(input_shape) + matrix

    def forward(
        self, values: Views, x: FloatArray, rng: np.random.Generator | None
    ) -> tuple[FloatArray, tuple[FloatArray, FloatArray]]:
        """Compute y = M x, channel by channel, for x of shape (channels, time, batch)."""
        matrix = self.matrix(values["weight"], x.shape[1])
        return matrix @ x, (matrix, x)

    def backward_parameters(
        self, values: Views, gradients: Views, cache: tuple[FloatArray, FloatArray], grad_y: FloatArray
    ) -> None:
        """Gradient of the weights.

        As for every matrix product, dL/dM[t, u] = sum_n dL/dy_n(t) x_n(u) over the examples n. Weight w_i occurs in M
        once in every row t, in the column u = t stride + i dilation - padding, so its gradient is the sum of dL/dM
        along that diagonal.
        """
        _, x = cache
        channels, time, _ = x.shape
        outputs = grad_y.shape[1]
        # With extra columns for the padding, every row holds all taps.
        grad_matrix = np.zeros((channels, outputs, time + 2 * self.padding), x.dtype)
        np.matmul(grad_y, x.transpose(0, 2, 1), out=grad_matrix[:, :, self.padding : self.padding + time])
        channel, row, column = grad_matrix.strides
        diagonals = as_strided(
            grad_matrix,
            (channels, outputs, self.kernel),
            (channel, row + self.stride * column, self.dilation * column),
            writeable=False,
        )
        np.sum(diagonals, axis=1, out=gradients["weight"])

    def backward(
        self, values: Views, gradients: Views, cache: tuple[FloatArray, FloatArray], grad_y: FloatArray
    ) -> FloatArray:
        """Gradient of the weights (see `backward_parameters`), then of the input: dL/dx = M^T dL/dy in each channel."""
        self.backward_parameters(values, gradients, cache, grad_y)
        matrix, _ = cache
        grad_x: FloatArray = matrix.transpose(0, 2, 1) @ grad_y
        return grad_x

    def matrix(self, weight: FloatArray, time: int) -> FloatArray:
        """Return the kernels as banded matrices, shape (channels, time of the output, time).

        Every row is a window of length `time` on one line that holds the kernel between zeros; from row to row the
        window starts `stride` earlier, so the kernel appears `stride` later in it.
        """
        outputs = self.output_length((len(weight), time))
        furthest = (outputs - 1) * self.stride
        line = np.zeros((len(weight), furthest + max(self.span, time + self.padding)), weight.dtype)
        line[:, furthest : furthest + self.span : self.dilation] = weight
        windows = sliding_window_view(line[:, self.padding :], time, axis=1)
        return np.ascontiguousarray(windows[:, furthest :: -self.stride][:, :outputs])


def _padded(x: FloatArray, padding: int) -> FloatArray:
    """Add zeros before the beginning and after the end of (..., time, batch)."""
    if padding == 0:
        return np.ascontiguousarray(x)
    *channels, time, batch = x.shape
    padded = np.zeros((*channels, time + 2 * padding, batch), x.dtype)
    padded[..., padding : padding + time, :] = x
    return padded
