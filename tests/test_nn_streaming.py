"""A stream through the first layers of a network piece by piece: the same as its windows one by one."""

import numpy as np
import pytest

from nn_cases import CASES, SMALL_SPECTRAL_TDNN, SMALL_TDNN
from sayso.nn import (
    Convolution,
    DenseArchitecture,
    DepthwiseConvolution,
    Layer,
    Network,
    ReLU,
    Residual,
    Spectrum,
    Stack,
    StatisticsPooling,
)
from sayso.nn.folding import folded
from sayso.nn.parameters import Parameters, Shape
from sayso.nn.streaming import WindowStream, back, front

FRAMES, WIDTH, STEP = 15, 9, 2
LAYERS = {
    "spectral": SMALL_SPECTRAL_TDNN.layers(3),
    "tdnn": SMALL_TDNN.layers(3),
    "dense": DenseArchitecture(hidden=(5,)).layers(3),
    "time alone": [
        Convolution(channels=4, kernel=3, padding=1),
        ReLU(),
        DepthwiseConvolution(kernel=3, padding=1),
        Convolution(channels=3, kernel=4),
        StatisticsPooling(),
        *DenseArchitecture(hidden=()).layers(3)[1:],
    ],
}
REACHING = [
    pytest.param(layer, shape, id=f"{kind}-{number}")
    for kind, cases in CASES.items()
    for number, (layer, shape) in enumerate(cases)
    if layer.context is not None and len(shape) > 1
]


def network_of(name: str) -> Network:
    return Network(LAYERS[name], (FRAMES, WIDTH), np.float64).initialise(np.random.default_rng(0))


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("pieces", [[40], [1] * 40, [3, 0, 16, 7, 14]], ids=["whole", "one by one", "mixed"])
@pytest.mark.parametrize("step", [1, STEP, 14, FRAMES])
def test_windows_of_a_stream_are_told_as_each_alone(name: str, pieces: list[int], step: int) -> None:
    network = network_of(name)
    stream = np.random.default_rng(1).normal(size=(sum(pieces), WIDTH))
    starts = range(0, len(stream) - FRAMES + 1, step)
    alone = network.logits(np.stack([stream[start : start + FRAMES] for start in starts]))
    streamed, rest = WindowStream(network, step), back(network, step)
    pushed = [streamed.push(piece, 40) for piece in np.split(stream, np.cumsum(pieces)[:-1])]
    assert all(windows.shape == (40, *rest.input_shape) for windows, _ in pushed)
    together = rest.logits(np.concatenate([windows[:count] for windows, count in pushed]))
    np.testing.assert_allclose(together, alone, rtol=1e-9, atol=1e-12)


def test_the_front_ends_where_a_layer_needs_the_whole_window_or_leaves_out_moments() -> None:
    kinds = {name: [type(layer) for layer in front(folded(network_of(name)), STEP).layers] for name in LAYERS}
    assert kinds["spectral"][0] is Spectrum
    assert Stack in kinds["spectral"]
    assert kinds["spectral"][-1] is ReLU
    assert Residual not in kinds["tdnn"]
    assert kinds["dense"] == []
    assert kinds["time alone"] == [Convolution, ReLU]


def test_the_front_ends_where_windows_share_too_little() -> None:
    network = network_of("time alone")
    # At both ends of a window of 15 moments the convolutions have step + 4 to do together, the first step + 2 alone.
    assert [len(front(network, step).layers) for step in (1, 3, 4, 5, 6, 15)] == [3, 3, 2, 2, 0, 0]


@pytest.mark.parametrize(("layer", "shape"), REACHING)
def test_a_layer_says_of_a_moment_the_same_wherever_the_ends_are_beyond_its_reach(layer: Layer, shape: Shape) -> None:
    *given, time = shape
    reach, start = layer.context or 0, 4
    size = time + 2 * reach
    longer = (*given, start + size + 3)
    parameters, rng = Parameters(layer.parameters(longer), np.float64), np.random.default_rng(2)
    parameters.initialise(rng)
    x = rng.normal(size=(*longer, 2))
    whole, _ = layer.forward(parameters.values, x, None)
    piece, _ = layer.forward(parameters.values, x[..., start : start + size, :], None)
    assert piece.shape[-2] == size
    expected = whole[..., start + reach : start + reach + time, :]
    np.testing.assert_allclose(piece[..., reach : reach + time, :], expected, rtol=1e-12, atol=1e-12)
