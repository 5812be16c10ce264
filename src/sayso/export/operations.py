"""A trained network as a short list of primitive operations: all that a format has to be able to write.

Every value is a block of numbers of shape (frames, channels, bands), stored in this order; what has no bands has one,
and a vector is one frame. In this order flattening, and making bands channels, only changes the shape.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sayso.errors import ExportError
from sayso.nn import (
    BatchNorm,
    Chain,
    Convolution,
    Convolution2d,
    Dense,
    DepthwiseConvolution,
    Dropout,
    Flatten,
    Layer,
    Merging,
    Network,
    ReLU,
    Residual,
    Spectrum,
    Stack,
    StatisticsPooling,
    Tanh,
)
from sayso.nn.convolution import TimeWindow
from sayso.nn.parameters import Views

FloatArray = NDArray[np.float32]
Block = tuple[int, int, int]
"""Shape of a value: frames, channels, bands."""


@dataclass(frozen=True, eq=False)
class Operation:
    """One step of the computation.

    Attributes
    ----------
    inputs : tuple of int
        The values that it takes: 0 is the input of the network, n the output of the n-th operation.
    taken : tuple of int
        Shape of each of these values.
    shape : tuple of int
        Shape of its output.
    """

    inputs: tuple[int, ...]
    taken: Block
    shape: Block


@dataclass(frozen=True, eq=False)
class Convolve(Operation):
    """Weighted sums over the channels and over a window of frames and bands; a dense layer is one of a single frame.

    Attributes
    ----------
    weight : ndarray of float32, shape (outputs, kernel, channels, band_kernel)
        The weights.
    bias : ndarray of float32, shape (outputs,)
        Is added to the sums.
    stride, dilation, padding : int
        Over frames, as in `nn.Convolution`.
    band_stride : int
        Over bands, which have neither dilation nor padding.
    """

    weight: FloatArray
    bias: FloatArray
    stride: int = 1
    dilation: int = 1
    padding: int = 0
    band_stride: int = 1


@dataclass(frozen=True, eq=False)
class ConvolveDepthwise(Operation):
    """Weighted sums over a window of frames within each channel.

    Attributes
    ----------
    weight : ndarray of float32, shape (kernel, channels)
        The weights.
    stride, dilation, padding : int
        As in `nn.DepthwiseConvolution`.
    """

    weight: FloatArray
    stride: int
    dilation: int
    padding: int


@dataclass(frozen=True, eq=False)
class Scale(Operation):
    """Multiply each channel by a gain and add a shift, both of shape (channels,)."""

    gain: FloatArray
    shift: FloatArray


@dataclass(frozen=True, eq=False)
class Rectify(Operation):
    """Replace negative numbers by zero."""


@dataclass(frozen=True, eq=False)
class TakeTanh(Operation):
    """Take the hyperbolic tangent of each number."""


@dataclass(frozen=True, eq=False)
class Add(Operation):
    """Add two values of the same shape."""


@dataclass(frozen=True, eq=False)
class Pool(Operation):
    """Mean of each channel over the frames, then the standard deviations, with `epsilon` added to the variance."""

    epsilon: float


@dataclass(frozen=True, eq=False)
class Merge(Operation):
    """Logits to logits: the last `parts` join the one at `into`, by the logarithm of their summed exponentials."""

    into: int
    parts: int


@dataclass(frozen=True, eq=False)
class Reshape(Operation):
    """The same numbers in the same order, with another shape."""


def lowered(network: Network) -> tuple[Operation, ...]:
    """Return the operations that compute a network's logits.

    Parameters
    ----------
    network : Network
        A network that was folded, without blocks. A `Spectrum` as its first layer is left to the front end,
        which computes it together with the cosine transform; the input then is the spectrum.

    Raises
    ------
    ExportError
        If there is a layer that cannot be exported.
    """
    layers, names = network.chain.layers, network.chain.names
    if len(network.input_shape) != 2:
        raise ExportError(f"the network takes inputs of shape {network.input_shape}; expected (frames, features)")
    frames, width = network.input_shape
    shape: Block = (frames, width, 1)
    if begins_with_spectrum(network):
        layers, names, shape = layers[1:], names[1:], (frames, 1, width)
    lowering = _Lowering(shape)
    value = 0
    for layer, name in zip(layers, names, strict=True):
        value = lowering.add(layer, network.parameters.values[name], value)
    return tuple(lowering.operations)


def begins_with_spectrum(network: Network) -> bool:
    """Return whether the first layer of a network is a `Spectrum`."""
    return isinstance(network.chain.layers[0], Spectrum)


class _Lowering:
    """Collects the operations, layer by layer."""

    def __init__(self, shape: Block) -> None:
        self.operations: list[Operation] = []
        self._shapes = [shape]

    def _append(self, operation: Operation) -> int:
        self.operations.append(operation)
        self._shapes.append(operation.shape)
        return len(self.operations)

    def _chain(self, chain: Chain, values: Views, value: int) -> int:
        for layer, name in zip(chain.layers, chain.names, strict=True):
            value = self.add(layer, values[name], value)
        return value

    def add(self, layer: Layer, values: Views, value: int) -> int:
        """Append the operations of a layer that takes `value`; return the number of its output."""
        shape = self._shapes[value]
        frames, channels, bands = shape
        match layer:
            case Dropout():
                return value
            case Residual():
                branches = [self._chain(chain, values[name], value) for name, chain in layer.branches.items()]
                result = self._shapes[branches[0]]
                return self._append(Add(tuple(branches), result, result))
            case Convolution2d():
                _, out_bands, out_frames = layer.output_shape((channels, bands, frames))
                weight = values["weight"].transpose(0, 3, 1, 2)
                return self._convolve(value, values, weight, (out_frames, layer.channels, out_bands), layer)
            case Convolution():
                result = (layer.output_length((channels, frames)), layer.channels, 1)
                return self._convolve(value, values, values["weight"].transpose(0, 2, 1)[..., None], result, layer)
            case Dense():
                return self._convolve(value, values, values["weight"][:, None, :, None], (frames, layer.units, 1))
            case DepthwiseConvolution():
                result = (layer.output_length((channels, frames)), channels, 1)
                window = (layer.stride, layer.dilation, layer.padding)
                return self._append(ConvolveDepthwise((value,), shape, result, values["weight"].T, *window))
            case BatchNorm():
                exact = {name: array.astype(np.float64).ravel() for name, array in values.items()}
                gain = exact["scale"] / np.sqrt(exact["variance"] + layer.epsilon)
                shift = exact["shift"] - gain * exact["mean"]
                both = gain.astype(np.float32), shift.astype(np.float32)
                return self._append(Scale((value,), shape, shape, *both))
            case ReLU():
                return self._append(Rectify((value,), shape, shape))
            case Tanh():
                return self._append(TakeTanh((value,), shape, shape))
            case StatisticsPooling():
                return self._append(Pool((value,), shape, (1, 2 * channels, 1), layer.epsilon))
            case Merging():
                return self._append(Merge((value,), shape, (1, channels - layer.parts, 1), layer.into, layer.parts))
            case Flatten():
                return self._append(Reshape((value,), shape, (1, frames * channels, 1)))
            case Stack():
                return self._append(Reshape((value,), shape, (frames, channels * bands, 1)))
        raise ExportError(
            f"a network with {type(layer).__name__} at this place cannot be exported; export one that was made by "
            "`sayso train` or `sayso teach`"
        )

    def _convolve(
        self, value: int, values: Views, weight: FloatArray, shape: Block, window: TimeWindow | None = None
    ) -> int:
        bias = values["bias"].ravel() if "bias" in values else np.zeros(len(weight), np.float32)
        operation = Convolve((value,), self._shapes[value], shape, weight, bias)
        if window is not None:
            band_stride = window.band_stride if isinstance(window, Convolution2d) else 1
            operation = replace(
                operation,
                stride=window.stride,
                dilation=window.dilation,
                padding=window.padding,
                band_stride=band_stride,
            )
        return self._append(operation)
