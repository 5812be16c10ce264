"""Folding: a smaller network that computes the same."""

import numpy as np
import pytest

from cases import case
from sayso.nn import (
    BatchNorm,
    Chain,
    Convolution,
    Convolution2d,
    Dense,
    DenseArchitecture,
    DepthwiseConvolution,
    Dropout,
    Flatten,
    Layer,
    Network,
    Pointwise,
    ReLU,
    Residual,
    Spectrum,
    Stack,
    StatisticsPooling,
    Tanh,
    TdnnArchitecture,
    TimeBlocks,
    folding,
)
from sayso.nn.folding import folded

SHAPE = (11, 3)
SMALL = TdnnArchitecture(
    spectral_channels=(2,),
    spectral_kernels=(3,),
    spectral_strides=(2,),
    stem=4,
    stem_kernel=3,
    stem_stride=2,
    channels=(4, 5),
    kernels=(3, 5),
    strides=(1, 2),
    dropout=0.2,
)


def learned(layers: list[Layer], dtype: type = np.float64) -> Network:
    """Return a network whose parameters and statistics all differ from each other and from their initial values."""
    network, rng = Network(layers, SHAPE, dtype), np.random.default_rng(0)
    for name, view in network.parameters.named().items():
        if name.endswith("variance"):
            view[...] = rng.uniform(0.3, 3, view.shape)
        else:
            # Scales, too, have either sign.
            view[...] = rng.normal(0, 1 / np.sqrt(view[0].size), view.shape)
    return network


def clips(dtype: type = np.float64) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(20, *SHAPE)).astype(dtype)


NETWORKS: dict[str, list[Layer]] = {
    "dense": DenseArchitecture((8, 6), "relu", True, 0.3).layers(4),
    "dense, tanh": DenseArchitecture((8, 6), "tanh", True, 0.0).layers(4),
    "dense without normalisation": DenseArchitecture((8,), "relu", False, 0.3).layers(4),
    "tdnn": SMALL.layers(4),
    "default tdnn": TdnnArchitecture().layers(4),
    "biases": [
        *(Convolution(channels=4, kernel=3, stride=2), BatchNorm(), ReLU()),
        *(Pointwise(5, bias=True), BatchNorm(epsilon=0.1), Tanh()),
        *(Flatten(), Dense(4, bias=True), BatchNorm()),
    ],
    "normalisations in a row": [
        *(BatchNorm(), Pointwise(4), BatchNorm(), BatchNorm(), Dropout(0.3), BatchNorm(), StatisticsPooling()),
        *(BatchNorm(), Dense(4)),
    ],
    "residual in residual": [
        Residual(
            (Residual((Pointwise(3), BatchNorm())), BatchNorm(), Tanh()), (Pointwise(3), Dropout(0.1), BatchNorm())
        ),
        *(BatchNorm(), Flatten(), Dense(4)),
    ],
    "chain in chain": [Flatten(), Chain((Dense(6), BatchNorm(), Dropout(0.3))), BatchNorm(), Dense(4)],
}


PRECISIONS = pytest.mark.parametrize(
    ("dtype", "tolerance"), [(np.float64, 1e-10), (np.float32, 1e-4)], ids=["double", "single"]
)


@PRECISIONS
def test_a_folded_network_computes_the_same(dtype: type, tolerance: float) -> None:
    for what, layers in NETWORKS.items():
        with case(what):
            network, x = learned(layers, dtype), clips(dtype)
            logits = network.logits(x)
            smaller = folded(network)
            assert smaller.input_shape == network.input_shape
            assert smaller.logits(x).dtype == dtype
            np.testing.assert_allclose(smaller.logits(x), logits, rtol=tolerance, atol=tolerance * np.abs(logits).max())
            again = folded(smaller)
            assert again.chain == smaller.chain
            np.testing.assert_array_equal(again.logits(x), smaller.logits(x))


def test_the_folded_network_is_not_modified() -> None:
    for what, layers in NETWORKS.items():
        with case(what):
            network = learned(layers)
            chain, vector = network.chain, network.parameters.vector.copy()
            smaller = folded(network)
            smaller.parameters.vector[:] = 0
            assert network.chain is chain
            np.testing.assert_array_equal(network.parameters.vector, vector)


def layers_of(layers: list[Layer]) -> list[Layer]:
    return list(folded(learned(layers)).chain.layers)


def test_dense_layers_absorb_normalisation_and_dropout() -> None:
    assert layers_of(DenseArchitecture((8, 6), "relu", True, 0.3).layers(4)) == [
        *(Flatten(), Dense(8), ReLU(), Dense(6), ReLU()),
        Dense(4),
    ]


def test_both_branches_of_a_residual_are_folded() -> None:
    separable = [TimeBlocks(frames=6, block=6, span=8, step=6, padding=1), Pointwise(4), ReLU()]
    first = TimeBlocks(frames=3, block=3, span=9, step=6, padding=2)
    second = TimeBlocks(frames=3, block=3, span=7, step=3, padding=2)
    wider = [*(first, Pointwise(5), ReLU()), *(second, Pointwise(5))]
    shortcut = Convolution(channels=5, kernel=1, stride=2)
    assert layers_of(SMALL.layers(4)) == [
        *(Spectrum(), Convolution2d(channels=2, band_kernel=3, band_stride=2, kernel=3, padding=1), ReLU(), Stack()),
        *(Convolution(channels=4, kernel=3, stride=2, padding=1), ReLU()),
        *(Residual((*separable, *separable[:2])), ReLU(), Residual(tuple(wider), (shortcut,)), ReLU()),
        *(StatisticsPooling(), Dense(4)),
    ]


def test_depthwise_convolutions_become_blocks_of_their_matrices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folding, "BLOCK", 2)
    layer = DepthwiseConvolution(kernel=2, stride=3, padding=1)
    network = learned([layer, StatisticsPooling(), Dense(4)])
    smaller = folded(network)
    assert smaller.chain.layers[0] == TimeBlocks(frames=4, block=2, span=5, step=6, padding=1)
    first, second = network.parameters.values["0.DepthwiseConvolution"]["weight"][2]
    # The second output of a block begins three frames after the first.
    expected = np.array([[first, 0], [second, 0], [0, 0], [0, first], [0, second]])
    np.testing.assert_array_equal(smaller.parameters.values["0.TimeBlocks"]["weight"][2], expected)


def test_a_folded_network_has_no_statistics() -> None:
    assert folded(learned(SMALL.layers(4))).parameters.count("statistic") == 0


def test_a_normalisation_that_follows_nothing_linear_stays() -> None:
    befores: list[list[Layer]] = [
        [],
        [Tanh()],
        [Pointwise(4), ReLU()],
        [TimeBlocks(frames=5, block=2, span=2, step=2)],
        [Pointwise(3), Residual((Tanh(),))],
        [Residual((Pointwise(3),))],
    ]
    for before in befores:
        with case(before):
            layers = [*before, BatchNorm(), StatisticsPooling(), Dense(4)]
            assert layers_of(layers) == layers


def test_a_normalisation_at_the_beginning_of_a_branch_stays() -> None:
    block = Residual((BatchNorm(), Tanh()), (BatchNorm(),))
    layers = [Pointwise(4), block, StatisticsPooling(), Dense(4)]
    assert layers_of(layers) == layers
