"""Cases of every registered kind of layer, and helpers, for the tests of sayso.nn."""

from collections.abc import Callable

import numpy as np

from cases import case
from sayso.nn import (
    BatchNorm,
    Chain,
    Convolution,
    Convolution2d,
    Dense,
    DepthwiseConvolution,
    Dropout,
    Flatten,
    Merging,
    Pointwise,
    ReLU,
    Residual,
    Spectrum,
    Stack,
    StatisticsPooling,
    Tanh,
    TdnnArchitecture,
    TimeBlocks,
)
from sayso.nn.layer import Layer
from sayso.nn.parameters import Parameters, Shape

Case = tuple[Layer, Shape]

SMALL_TDNN = TdnnArchitecture(
    stem=4,
    stem_kernel=3,
    stem_stride=2,
    channels=(4, 5),
    kernels=(3, 5),
    strides=(1, 2),
    layers_per_block=1,
    dropout=0.2,
)

SMALL_SPECTRAL_TDNN = TdnnArchitecture(
    spectral_channels=(2, 3),
    spectral_kernels=(3, 2),
    spectral_strides=(2, 1),
    stem=4,
    stem_kernel=1,
    channels=(4,),
    kernels=(3,),
    strides=(1,),
    layers_per_block=1,
)

CASES: dict[str, list[Case]] = {
    "Dense": [(Dense(4), (3,)), (Dense(1), (7,)), (Dense(6, bias=False), (1,)), (Dense(40), (90,))],
    "Pointwise": [(Pointwise(4), (3, 5)), (Pointwise(1), (7, 1)), (Pointwise(6, bias=False), (1, 4))],
    "Convolution": [
        (Convolution(channels=4, kernel=3), (3, 7)),
        (Convolution(channels=2, kernel=5, stride=2, padding=2), (3, 8)),
        (Convolution(channels=3, kernel=3, dilation=2, padding=1, bias=False), (2, 9)),
        (Convolution(channels=1, kernel=1, stride=3), (4, 7)),  # uses a third of the frames
        (
            Convolution(channels=2, kernel=2, stride=3, dilation=3, padding=5),
            (1, 6),
        ),  # some outputs see padding only
        (Convolution(channels=3, kernel=7, padding=3), (2, 2)),  # longer than its input
        (Convolution(channels=2, kernel=6), (3, 6)),  # one output
        (Convolution(channels=4, kernel=3, stride=2, padding=1), (2, 1)),
    ],
    "Convolution2d": [
        (Convolution2d(channels=3, band_kernel=3, kernel=3), (2, 5, 7)),
        (Convolution2d(channels=2, band_kernel=4, band_stride=2, kernel=3, stride=2, padding=1), (3, 8, 6)),
        (Convolution2d(channels=3, band_kernel=2, band_stride=3, kernel=2, dilation=2, bias=False), (1, 7, 5)),
        (Convolution2d(channels=1, band_kernel=1, kernel=1), (2, 3, 4)),
        (Convolution2d(channels=2, band_kernel=5, kernel=5, padding=2), (2, 5, 2)),  # one band, longer than its input
    ],
    "DepthwiseConvolution": [
        (DepthwiseConvolution(kernel=3), (3, 7)),
        (DepthwiseConvolution(kernel=5, stride=2, padding=2), (3, 8)),
        (DepthwiseConvolution(kernel=3, dilation=2, padding=1), (2, 9)),
        (DepthwiseConvolution(kernel=1, stride=3), (4, 7)),
        (DepthwiseConvolution(kernel=2, stride=3, dilation=3, padding=5), (1, 6)),
        (DepthwiseConvolution(kernel=7, padding=3), (2, 2)),
        (DepthwiseConvolution(kernel=6), (3, 6)),
        (DepthwiseConvolution(kernel=3, stride=2, padding=1), (2, 1)),
    ],
    "TimeBlocks": [
        (TimeBlocks(frames=6, block=2, span=4, step=2, padding=1), (3, 6)),
        (TimeBlocks(frames=5, block=3, span=5, step=3, padding=2), (2, 6)),  # the last block is cut off
        (TimeBlocks(frames=4, block=2, span=2, step=3), (2, 9)),  # some frames of the input are unused
        (TimeBlocks(frames=1, block=1, span=1, step=1), (4, 1)),
    ],
    "Spectrum": [(Spectrum(), (4, 5)), (Spectrum(), (1, 3))],
    "Stack": [(Stack(), (2, 3, 4)), (Stack(), (1, 5, 2))],
    "StatisticsPooling": [
        (StatisticsPooling(), (3, 4)),
        (StatisticsPooling(epsilon=0.1), (1, 6)),
        (StatisticsPooling(), (2, 1)),
    ],
    "Residual": [
        (Residual(()), (3,)),
        (Residual((Tanh(),), (Tanh(),)), (2, 5)),  # each branch overwrites its gradient
        (Residual((Dense(4, bias=False), BatchNorm(), Tanh())), (4,)),
        (Residual((Convolution(channels=3, kernel=3, padding=1), BatchNorm(), ReLU(), Dropout(0.3))), (3, 6)),
        (
            Residual(
                (DepthwiseConvolution(kernel=5, stride=2, padding=2), Pointwise(4, bias=False), BatchNorm()),
                (Convolution(channels=4, kernel=1, stride=2, bias=False), BatchNorm()),
            ),
            (3, 7),
        ),
        (Residual((Residual((Dense(3),)), Tanh()), (Dropout(0.5), Residual((Dense(3),), (Dense(3),)))), (3,)),
    ],
    "Flatten": [(Flatten(), (3, 4)), (Flatten(), (1, 5))],
    "Merging": [(Merging(into=1, parts=3), (6,)), (Merging(into=0, parts=1), (2,)), (Merging(into=2, parts=2), (5,))],
    "ReLU": [(ReLU(), (5,)), (ReLU(), (3, 4)), (ReLU(), (40, 50))],
    "Tanh": [(Tanh(), (5,)), (Tanh(), (3, 4))],
    "Dropout": [(Dropout(0.3), (5,)), (Dropout(0.7), (3, 4)), (Dropout(0.0), (4,))],
    "BatchNorm": [(BatchNorm(), (5,)), (BatchNorm(), (3, 4)), (BatchNorm(epsilon=0.1), (2, 6))],
}

# Chains are layers too; they show whether layers leave each other's arrays alone.
CHAINS: list[Case] = [
    (Chain((Flatten(), Dense(8, bias=False), BatchNorm(), ReLU(), Dropout(0.4), Dense(3))), (3, 4)),
    (Chain((BatchNorm(), Tanh(), Flatten(), Tanh(), Dense(5), Tanh(), ReLU(), Dropout(0.2), ReLU())), (2, 5)),
    (Chain((ReLU(), Chain((Dense(6), Tanh(), Chain((Dropout(0.5), Dense(4))))))), (4,)),
    (Chain((Dense(4), BatchNorm())), (3,)),
    (Chain((ReLU(), Residual((Tanh(), ReLU(), Pointwise(2)), (Dropout(0.3),)), Tanh(), StatisticsPooling())), (2, 4)),
    (Chain(tuple(SMALL_TDNN.layers(3))), (3, 9)),
    (Chain(tuple(SMALL_SPECTRAL_TDNN.layers(3))), (8, 6)),
    (Chain((Spectrum(), Convolution2d(channels=2, band_kernel=2, kernel=1), Tanh(), Stack(), Tanh())), (4, 3)),
]

ALL: list[Case] = [pair for pairs in CASES.values() for pair in pairs] + CHAINS


def for_every_layer(law: Callable[[Layer, Shape], None]) -> Callable[[], None]:
    """Turn a law about one layer into one test that loops over all cases and names the failing one."""

    def test() -> None:
        for layer, shape in ALL:
            with case(name(layer), shape):
                law(layer, shape)

    test.__doc__ = law.__doc__
    return test


def name(value: object) -> str:
    """Return a short name of a layer for messages."""
    if isinstance(value, Chain):
        return "+".join(type(layer).__name__ for layer in value.layers)
    if isinstance(value, Residual):
        return f"Residual({name(Chain(value.layers))}|{name(Chain(value.shortcut))})"
    return repr(value).replace(" ", "")


def filled(layer: Layer, shape: Shape, dtype: type = np.float32, seed: int = 0) -> Parameters:
    """Return parameters that are all different and positive, as a variance must be."""
    parameters = Parameters(layer.parameters(shape), dtype)
    parameters.vector[:] = np.random.default_rng(seed).uniform(0.5, 1.5, len(parameters.vector))
    return parameters


def examples(shape: Shape, batch: int = 6, dtype: type = np.float32, seed: int = 1) -> np.ndarray:
    """Return an input in the internal layout, batch last."""
    return np.random.default_rng(seed).normal(size=(*shape, batch)).astype(dtype)
