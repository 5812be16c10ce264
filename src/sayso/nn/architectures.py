"""Ready-made networks: each is a dataclass of sizes that builds the layers for a given number of classes."""

from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

from sayso.nn.activations import ReLU, Tanh
from sayso.nn.batch_norm import BatchNorm
from sayso.nn.convolution import Convolution, Convolution2d, DepthwiseConvolution
from sayso.nn.dense import Dense, Flatten, Pointwise
from sayso.nn.dropout import Dropout
from sayso.nn.layer import Layer
from sayso.nn.pooling import StatisticsPooling
from sayso.nn.residual import Residual
from sayso.nn.spectrum import Spectrum, Stack

# Frames covered by a layer over frequency and time; longer contexts are left to the blocks.
SPECTRAL_KERNEL = 3


class Architecture(Protocol):
    """Sizes of a network, from which its layers follow."""

    name: ClassVar[str]

    def layers(self, classes: int) -> list[Layer]:
        """Return the layers of a classifier with `classes` outputs for inputs of shape (time, channels)."""
        ...


@dataclass(frozen=True)
class DenseArchitecture:
    """The classic multi-layer perceptron: all frames as one long vector, then dense layers.

    Attributes
    ----------
    hidden : tuple of int
        Units of the hidden layers.
    activation : {"relu", "tanh"}
        Activation after each hidden layer.
    batch_norm : bool
        Whether batch normalisation precedes each activation.
    dropout : float
        Fraction of each hidden layer's outputs that is set to zero during training.
    """

    name: ClassVar[str] = "dense"

    hidden: tuple[int, ...] = (512, 512, 512)
    activation: Literal["relu", "tanh"] = "relu"
    batch_norm: bool = True
    dropout: float = 0.2

    def layers(self, classes: int) -> list[Layer]:
        """Return the layers, from the flattened features to the logits."""
        return [Flatten(), *hidden_layers(self.hidden, self.activation, self.batch_norm, self.dropout), Dense(classes)]


def hidden_layers(sizes: tuple[int, ...], activation: str, batch_norm: bool, dropout: float) -> list[Layer]:
    """Return dense hidden layers, each followed by its normalisation, activation and dropout."""
    layers: list[Layer] = []
    for units in sizes:
        layers.append(Dense(units, bias=not batch_norm))
        if batch_norm:
            layers.append(BatchNorm())
        layers.append({"relu": ReLU, "tanh": Tanh}[activation]())
        if dropout:
            layers.append(Dropout(dropout))
    return layers


@dataclass(frozen=True)
class TdnnArchitecture:
    """A time-delay network: residual blocks of depthwise-separable convolutions over time.

    Optional convolutions over frequency and time come first: the cepstral coefficients are transformed back to a
    spectrum, and the convolutions combine its neighbouring bands. A full convolution over time (the stem) follows, then
    residual blocks, each of a few separable convolutions (depthwise, pointwise, batch normalisation, ReLU) with a
    shortcut around them. Pooling by mean and standard deviation over time and one dense layer come last. The ReLU after
    the last normalisation of a block is applied after the shortcut has been added.

    Attributes
    ----------
    spectral_channels : tuple of int
        Channels of each layer over frequency and time. These layers expect MFCC; without any, the stem takes the
        features as they are.
    spectral_kernels : tuple of int
        Kernel of each such layer, in bands.
    spectral_strides : tuple of int
        Stride of each such layer, in bands.
    stem : int
        Channels of the stem.
    stem_kernel : int
        Kernel of the stem, an odd number of frames.
    stem_stride : int
        Stride of the stem, in frames.
    channels : tuple of int
        Channels of each block.
    kernels : tuple of int
        Kernel of each block, an odd number of frames.
    strides : tuple of int
        Stride of each block, in frames; a stride of 2 halves the number of frames, and with it the cost, of all later
        blocks.
    layers_per_block : int
        Separable convolutions in each block.
    dropout : float
        Fraction of each block's outputs that is set to zero during training.
    """

    name: ClassVar[str] = "tdnn"

    spectral_channels: tuple[int, ...] = ()
    spectral_kernels: tuple[int, ...] = ()
    spectral_strides: tuple[int, ...] = ()
    stem: int = 64
    stem_kernel: int = 5
    stem_stride: int = 1
    channels: tuple[int, ...] = (112, 112, 112)
    kernels: tuple[int, ...] = (13, 11, 9)
    strides: tuple[int, ...] = (2, 1, 1)
    layers_per_block: int = 2
    dropout: float = 0.1

    def layers(self, classes: int) -> list[Layer]:
        """Return the layers, from the features to the logits."""
        if not len(self.channels) == len(self.kernels) == len(self.strides):
            raise ValueError(
                f"tdnn has {len(self.channels)} channels, {len(self.kernels)} kernels and {len(self.strides)} strides; "
                "give one of each for every block"
            )
        spectral = (self.spectral_channels, self.spectral_kernels, self.spectral_strides)
        if len({len(sizes) for sizes in spectral}) > 1:
            raise ValueError(
                f"tdnn has {len(spectral[0])} spectral_channels, {len(spectral[1])} spectral_kernels and "
                f"{len(spectral[2])} spectral_strides; give one of each for every layer over frequency and time"
            )
        if self.layers_per_block < 1:
            raise ValueError(f"tdnn has {self.layers_per_block} layers_per_block; expected at least 1")
        if even := [kernel for kernel in (self.stem_kernel, *self.kernels) if kernel % 2 == 0]:
            raise ValueError(f"tdnn has a kernel of {even[0]}; expected odd numbers, which have a centre")
        layers = [*self._spectral(), self._stem(), BatchNorm(), ReLU()]
        width = self.stem
        for channels, kernel, stride in zip(self.channels, self.kernels, self.strides, strict=True):
            layers += [self._block(width, channels, kernel, stride), ReLU()]
            if self.dropout:
                layers.append(Dropout(self.dropout))
            width = channels
        return [*layers, StatisticsPooling(), Dense(classes)]

    def _stem(self) -> Layer:
        """Return the stem; with a kernel of one frame it needs no convolution."""
        kernel, stride = self.stem_kernel, self.stem_stride
        if kernel == stride == 1:
            return Pointwise(self.stem, bias=False)
        return Convolution(channels=self.stem, kernel=kernel, stride=stride, padding=kernel // 2, bias=False)

    def _spectral(self) -> list[Layer]:
        """Return the layers before the stem."""
        layers: list[Layer] = []
        for channels, bands, stride in zip(
            self.spectral_channels, self.spectral_kernels, self.spectral_strides, strict=True
        ):
            window = Convolution2d(
                channels=channels,
                band_kernel=bands,
                band_stride=stride,
                kernel=SPECTRAL_KERNEL,
                padding=SPECTRAL_KERNEL // 2,
                bias=False,
            )
            layers += [window, BatchNorm(), ReLU()]
        return [Spectrum(), *layers, Stack()] if layers else []

    def _block(self, width: int, channels: int, kernel: int, stride: int) -> Residual:
        """Return one block with `width` input channels; its first layer has the stride."""
        inside: list[Layer] = []
        for number in range(self.layers_per_block):
            inside += [
                DepthwiseConvolution(kernel=kernel, stride=stride if number == 0 else 1, padding=kernel // 2),
                Pointwise(channels, bias=False),
                BatchNorm(),
                ReLU(),
            ]
        shortcut: list[Layer] = []
        if stride > 1 or channels != width:
            shortcut = [Convolution(channels=channels, kernel=1, stride=stride, bias=False), BatchNorm()]
        return Residual(tuple(inside[:-1]), tuple(shortcut))


ARCHITECTURES: dict[str, type[Architecture]] = {kind.name: kind for kind in (DenseArchitecture, TdnnArchitecture)}
