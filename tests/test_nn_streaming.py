"""A stream through the front of a network piece by piece: the same as its windows one by one."""

import numpy as np
import pytest

from heed.nn import Convolution, DenseArchitecture, Layer, Network, ReLU, Spectrum, Stack, StatisticsPooling
from heed.nn.folding import folded
from heed.nn.parameters import Parameters, Shape
from heed.nn.streaming import FrontStream, back, front
from nn_cases import CASES, SMALL_SPECTRAL_TDNN, SMALL_TDNN

FRAMES, WIDTH, STEP = 15, 9, 2
LAYERS = {
    "spectral": SMALL_SPECTRAL_TDNN.layers(3),
    "tdnn": SMALL_TDNN.layers(3),
    "dense": DenseArchitecture(hidden=(5,)).layers(3),
    "wide": [
        Convolution(channels=4, kernel=3, dilation=2),
        ReLU(),
        Convolution(channels=3, kernel=4),
        StatisticsPooling(),
        *DenseArchitecture(hidden=()).layers(3)[1:],
    ],
}
MOMENT_CASES = [
    pytest.param(layer, shape, id=f"{kind}-{number}")
    for kind, cases in CASES.items()
    for number, (layer, shape) in enumerate(cases)
    if layer.reach is not None and len(shape) > 1
]


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("pieces", [[40], [1] * 40, [3, 0, 16, 7, 14]], ids=["whole", "one by one", "mixed"])
def test_windows_of_a_stream_are_told_as_each_alone(name: str, pieces: list[int]) -> None:
    network = folded(Network(LAYERS[name], (FRAMES, WIDTH), np.float64).initialise(np.random.default_rng(0)))
    stream = np.random.default_rng(1).normal(size=(sum(pieces), WIDTH))
    starts = range(0, len(stream) - FRAMES + 1, STEP)
    alone = network.logits(np.stack([stream[start : start + FRAMES] for start in starts]))
    streamed, rest = FrontStream(network), back(network)
    cuts = np.cumsum(pieces)[:-1]
    moments = np.concatenate([streamed.push(piece) for piece in np.split(stream, cuts)])
    (length, *_) = rest.input_shape
    together = rest.logits(np.stack([moments[start : start + length] for start in starts]))
    np.testing.assert_allclose(together, alone, rtol=1e-9, atol=1e-12)


def test_the_front_ends_where_a_layer_sees_edges_or_leaves_out_moments() -> None:
    kinds = {
        name: [type(layer) for layer in front(Network(layers, (FRAMES, WIDTH))).layers]
        for name, layers in LAYERS.items()
    }
    assert kinds["spectral"][0] is Spectrum
    assert Stack in kinds["spectral"]
    assert kinds["spectral"][-1] is ReLU
    assert kinds["tdnn"] == kinds["dense"] == []
    assert kinds["wide"] == [Convolution, ReLU, Convolution]


@pytest.mark.parametrize(("layer", "shape"), MOMENT_CASES)
def test_a_layer_with_a_reach_says_of_a_piece_what_it_says_of_the_whole(layer: Layer, shape: Shape) -> None:
    *given, time = shape
    reach, longer, start = layer.reach, (*given, time + 9), 4
    parameters, rng = Parameters(layer.parameters(longer), np.float64), np.random.default_rng(2)
    parameters.initialise(rng)
    x = rng.normal(size=(*longer, 2))
    whole, _ = layer.forward(parameters.values, x, None)
    piece, _ = layer.forward(parameters.values, x[..., start : start + time, :], None)
    assert piece.shape[-2] == time - reach + 1
    np.testing.assert_allclose(piece, whole[..., start : start + time - reach + 1, :], rtol=1e-12, atol=1e-12)
