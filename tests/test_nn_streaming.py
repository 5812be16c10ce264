"""A stream processed piece by piece gives the same outputs as its windows one by one."""

import itertools

import numpy as np
import pytest

from cases import case
from nn_cases import CASES, SMALL_SPECTRAL_TDNN, SMALL_TDNN, name
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
    "time only": [
        Convolution(channels=4, kernel=3, padding=1),
        ReLU(),
        DepthwiseConvolution(kernel=3, padding=1),
        Convolution(channels=3, kernel=4),
        StatisticsPooling(),
        *DenseArchitecture(hidden=()).layers(3)[1:],
    ],
}


def network_of(kind: str) -> Network:
    return Network(LAYERS[kind], (FRAMES, WIDTH), np.float64).initialise(np.random.default_rng(0))


PIECES = {"whole": [40], "one by one": [1] * 40, "mixed": [3, 0, 16, 7, 14]}


@pytest.mark.parametrize("kind", LAYERS)
def test_the_windows_of_a_stream_give_the_same_logits_as_each_alone(kind: str) -> None:
    network = network_of(kind)
    for (cut, pieces), step in itertools.product(PIECES.items(), (1, STEP, 14, FRAMES)):
        with case(cut, f"step {step}"):
            stream = np.random.default_rng(1).normal(size=(sum(pieces), WIDTH))
            starts = range(0, len(stream) - FRAMES + 1, step)
            alone = network.logits(np.stack([stream[start : start + FRAMES] for start in starts]))
            streamed, rest = WindowStream(network, step), back(network, step)
            pushed = [streamed.push(piece, 40) for piece in np.split(stream, np.cumsum(pieces)[:-1])]
            assert all(windows.shape == (40, *rest.input_shape) for windows, _ in pushed)
            together = rest.logits(np.concatenate([windows[:count] for windows, count in pushed]))
            np.testing.assert_allclose(together, alone, rtol=1e-9, atol=1e-12)


def test_the_front_ends_where_a_layer_needs_the_whole_window_or_skips_frames() -> None:
    kinds = {kind: [type(layer) for layer in front(folded(network_of(kind)), STEP).layers] for kind in LAYERS}
    assert kinds["spectral"][0] is Spectrum
    assert Stack in kinds["spectral"]
    assert kinds["spectral"][-1] is ReLU
    assert Residual not in kinds["tdnn"]
    assert kinds["dense"] == []
    assert kinds["time only"] == [Convolution, ReLU]


def test_the_front_ends_where_windows_share_too_little() -> None:
    network = network_of("time only")
    # At each end of a window of 15 frames both convolutions together process step + 4 frames, the first alone step + 2.
    assert [len(front(network, step).layers) for step in (1, 3, 4, 5, 6, 15)] == [3, 3, 2, 2, 0, 0]


def test_a_frame_of_the_output_does_not_depend_on_frames_beyond_the_context() -> None:
    local = [pair for pairs in CASES.values() for pair in pairs if pair[0].context is not None and len(pair[1]) > 1]
    assert len(local) > 10
    for layer, shape in local:
        with case(name(layer), shape):
            check_context(layer, shape)


def check_context(layer: Layer, shape: Shape) -> None:
    """Compare the output for a long input with that for a piece of it, `context` frames from the piece's ends on."""
    *channels, time = shape
    context, start = layer.context or 0, 4
    size = time + 2 * context
    longer = (*channels, start + size + 3)
    parameters, rng = Parameters(layer.parameters(longer), np.float64), np.random.default_rng(2)
    parameters.initialise(rng)
    x = rng.normal(size=(*longer, 2))
    whole, _ = layer.forward(parameters.values, x, None)
    piece, _ = layer.forward(parameters.values, x[..., start : start + size, :], None)
    assert piece.shape[-2] == size
    expected = whole[..., start + context : start + context + time, :]
    np.testing.assert_allclose(piece[..., context : context + time, :], expected, rtol=1e-12, atol=1e-12)
