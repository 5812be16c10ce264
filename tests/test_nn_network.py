"""Networks: batch-first layout outside, clear errors, round trips through a description or a pickle, and training."""

import copy
import itertools
import json
import pickle

import numpy as np
import pytest

from cases import case
from nn_cases import SMALL_TDNN
from sayso.nn import (
    AdamW,
    BatchNorm,
    Constant,
    Convolution,
    Convolution2d,
    Dense,
    DenseArchitecture,
    DepthwiseConvolution,
    Dropout,
    Flatten,
    Network,
    Pointwise,
    ReLU,
    Residual,
    Spectrum,
    Stack,
    StatisticsPooling,
    Tanh,
    TdnnArchitecture,
    one_hot,
)
from sayso.nn.network import INFERENCE_BATCH
from sayso.nn.trainer import Trainer

LAYERS = [BatchNorm(), Flatten(), Dense(8), Tanh(), Dropout(0.5), Dense(3)]
SHAPE = (4, 2)


@pytest.fixture
def network() -> Network:
    network = Network(LAYERS, SHAPE).initialise(np.random.default_rng(0))
    network.parameters.values["0.BatchNorm"]["mean"][...] = [[1], [-1]]
    return network


def clips(batch: int) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(batch, *SHAPE)).astype(np.float32)


def test_logits_have_the_batch_as_their_first_axis(network: Network) -> None:
    values, x = network.parameters.values, clips(5)
    normal = (x - [1, -1]) / np.sqrt(1 + 1e-5)
    first, last = values["2.Dense"], values["5.Dense"]
    hidden = np.tanh(normal.reshape(5, 8) @ first["weight"].T + first["bias"].T)
    logits = network.logits(x)
    np.testing.assert_allclose(logits, hidden @ last["weight"].T + last["bias"].T, atol=1e-5)
    probabilities = network.probabilities(x)
    assert logits.shape == probabilities.shape == (5, 3)
    assert logits.dtype == probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-6)
    assert network.classes == 3
    assert network.parameter_count == 4 + 72 + 27
    assert network.multiply_adds == 64 + 24


def test_large_and_empty_batches_give_one_row_of_logits_per_example(network: Network) -> None:
    x = clips(2 * INFERENCE_BATCH + 3)
    logits = network.logits(x)
    assert logits.shape == (len(x), 3)
    some = slice(INFERENCE_BATCH - 3, INFERENCE_BATCH + 6)
    np.testing.assert_allclose(logits[some], network.logits(x[some]), atol=1e-5)
    assert network.logits(x[:0]).shape == network.probabilities(x[:0]).shape == (0, 3)
    assert network.logits(x[:0]).dtype == np.float32


def test_results_have_the_precision_of_the_network(network: Network) -> None:
    x, targets = clips(6).astype(np.float64), one_hot(np.array([0, 1, 2, 0, 1, 2]), 3)
    assert network.logits(x).dtype == np.float32
    assert network.loss_and_gradient(x, targets, np.random.default_rng(0))[1].dtype == np.float32
    assert Network(LAYERS, SHAPE, np.float64).logits(x.astype(np.float32)).dtype == np.float64


def test_the_gradient_can_be_stored_in_another_vector(network: Network) -> None:
    x, targets, parameters = clips(6), one_hot(np.array([0, 1, 2, 0, 1, 2]), 3), network.parameters
    expected_loss, expected_logits = network.loss_and_gradient(x, targets, np.random.default_rng(0))
    expected = parameters.gradient.copy()
    parameters.gradient[:] = 7
    other = np.full_like(expected, np.nan)
    loss, logits = network.loss_and_gradient(x, targets, np.random.default_rng(0), parameters.views(other))
    np.testing.assert_array_equal(other, expected)
    assert (parameters.gradient == 7).all()
    assert loss == expected_loss
    np.testing.assert_array_equal(logits, expected_logits)


def test_the_gradient_of_the_whole_network_is_the_derivative_of_the_loss() -> None:
    network = Network(LAYERS, SHAPE, np.float64).initialise(np.random.default_rng(0))
    x, targets = clips(6).astype(np.float64), one_hot(np.array([0, 1, 2, 0, 1, 2]), 3)
    vector, learned = network.parameters.vector, network.parameter_count

    def loss() -> float:
        return network.loss_and_gradient(x, targets, np.random.default_rng(0))[0]

    loss()
    gradient, numerical = network.parameters.gradient[:learned].copy(), np.empty(learned)
    for position in range(learned):
        start = vector[position]
        vector[position] = start + 1e-5
        above = loss()
        vector[position] = start - 1e-5
        numerical[position] = (above - loss()) / 2e-5
        vector[position] = start
    assert np.linalg.norm(gradient - numerical) / np.linalg.norm(gradient) < 1e-6


def test_layers_that_do_not_fit_are_refused() -> None:
    for layers, shape, message in (
        ([Dense(3)], (4, 2), "Dense takes"),
        ([Flatten(), Dense(3)], (8,), "Flatten takes"),
        ([Flatten(), Dense(3), Flatten()], (4, 2), "Flatten takes"),
        ([BatchNorm()], (4, 2), "network ends in an output of shape"),
        ([Flatten(), Dense(10**12)], (4, 2), "expected at most"),
        ([Convolution(channels=10**9, kernel=3), StatisticsPooling(), Dense(3)], (4, 2), "expected at most"),
        ([Pointwise(3)], (4, 2), r"network ends in an output of shape \(3, 4\)"),
        ([Pointwise(3), Dense(3)], (4, 2), "Dense takes"),
        ([StatisticsPooling(), Pointwise(3)], (4, 2), "Pointwise takes"),
        ([StatisticsPooling(), StatisticsPooling()], (4, 2), "StatisticsPooling takes"),
        ([Flatten(), Convolution(channels=3, kernel=1)], (4, 2), "Convolution takes"),
        ([DepthwiseConvolution(kernel=5), Flatten(), Dense(3)], (4, 2), "spans 5 frames, its input has 4"),
        ([Residual((Pointwise(3),)), Flatten(), Dense(3)], (4, 2), "let a shortcut layer give"),
        ([Residual((Dense(3),)), Flatten(), Dense(3)], (4, 2), "Dense takes"),
    ):
        with case(layers, shape), pytest.raises(ValueError, match=message):
            Network(layers, shape)


def test_examples_of_another_shape_are_refused(network: Network) -> None:
    message, rng = r"takes examples of shape \(batch, 4, 2\), got", np.random.default_rng(0)
    for shape in ((5, 2, 4), (5, 8), (4, 2), (5, 4, 3), (8,)):
        x = np.zeros(shape, np.float32)
        with case(shape):
            with pytest.raises(ValueError, match=message):
                network.logits(x)
            with pytest.raises(ValueError, match=message):
                network.loss_and_gradient(x, np.zeros((3, 5), np.float32), rng)


def test_networks_survive_a_round_trip_through_json() -> None:
    for what, layers in (("dense", LAYERS), ("tdnn", SMALL_TDNN.layers(3))):
        with case(what):
            network = Network(layers, SHAPE)
            chain, shape = Network.describe(json.loads(json.dumps(network.to_dict())))
            assert (chain, shape) == (network.chain, SHAPE)


def test_bad_descriptions_are_refused() -> None:
    for description in (
        {},
        {"layers": [], "input_shape": None},
        {"layers": None, "input_shape": [4]},
        {"layers": [{"kind": "ReLU"}], "input_shape": [4.5]},
        {"layers": [{"kind": "ReLU"}], "input_shape": ["4"]},
        {"layers": [{"kind": "ReLU"}], "input_shape": [-4, -2]},
        {"layers": [{"kind": "ReLU"}], "input_shape": [0]},
        {"layers": "ReLU", "input_shape": [4]},
        {"layers": [{"kind": "Residual", "layers": "ReLU"}], "input_shape": [4]},
        {"layers": [{"kind": "Residual", "layers": [[]]}], "input_shape": [4]},
        {"layers": [[{"kind": "ReLU"}]], "input_shape": [4]},
    ):
        with case(description), pytest.raises(ValueError, match=r"network|layer|Residual"):
            Network.describe(description)


def test_a_copy_computes_the_same_and_is_independent(network: Network) -> None:
    x = clips(4)
    for how, twin in (("copy", copy.deepcopy(network)), ("pickle", pickle.loads(pickle.dumps(network)))):
        with case(how):
            np.testing.assert_array_equal(twin.logits(x), network.logits(x))
            twin.parameters.vector[:] = 0
            assert not twin.logits(x).any(), "the copy's views alias the copy's vector"
            assert network.logits(x).any()


def test_a_network_learns_classes_that_are_not_linearly_separable() -> None:
    for activation, batch_norm in itertools.product(("relu", "tanh"), (False, True)):
        rng = np.random.default_rng(0)
        x = rng.uniform(-1, 1, (400, 2, 1)).astype(np.float32)
        labels = (x[:, 0, 0] * x[:, 1, 0] > 0).astype(int)
        layers = DenseArchitecture((32, 32), activation, batch_norm, dropout=0.0).layers(2)
        network = Network(layers, (2, 1)).initialise(rng)
        trainer = Trainer(network, AdamW(), Constant(0.01))
        for _ in range(100):
            for batch in np.array_split(rng.permutation(300), 5):
                trainer.step(x[batch], labels[batch], 0.0, rng)
        with case(activation, batch_norm):
            assert np.mean(network.logits(x[300:]).argmax(axis=1) == labels[300:]) > 0.94


def test_a_dense_architecture_has_the_layers_of_its_settings() -> None:
    assert DenseArchitecture((5, 4), "tanh", False, 0.0).layers(3) == [
        *(Flatten(), Dense(5), Tanh(), Dense(4), Tanh()),
        Dense(3),
    ]
    assert DenseArchitecture((5,), "relu", True, 0.2).layers(3) == [
        *(Flatten(), Dense(5, bias=False), BatchNorm(), ReLU(), Dropout(0.2)),
        Dense(3),
    ]


def test_a_tdnn_consists_of_stem_blocks_and_pooling() -> None:
    architecture = TdnnArchitecture(
        stem=8, stem_stride=2, channels=(8, 8, 6), kernels=(3, 5, 7), strides=(1, 2, 1), layers_per_block=2, dropout=0.2
    )

    def separable(kernel: int, channels: int, stride: int = 1) -> tuple:
        depthwise = DepthwiseConvolution(kernel=kernel, stride=stride, padding=kernel // 2)
        return depthwise, Pointwise(channels, bias=False), BatchNorm()

    def shortcut(channels: int, stride: int) -> tuple:
        return Convolution(channels=channels, kernel=1, stride=stride, bias=False), BatchNorm()

    assert architecture.layers(4) == [
        *(Convolution(channels=8, kernel=5, stride=2, padding=2, bias=False), BatchNorm(), ReLU()),
        *(Residual((*separable(3, 8), ReLU(), *separable(3, 8))), ReLU(), Dropout(0.2)),
        *(Residual((*separable(5, 8, 2), ReLU(), *separable(5, 8)), shortcut(8, 2)), ReLU(), Dropout(0.2)),
        *(Residual((*separable(7, 6), ReLU(), *separable(7, 6)), shortcut(6, 1)), ReLU(), Dropout(0.2)),
        *(StatisticsPooling(), Dense(4)),
    ]
    plain = TdnnArchitecture(stem=8, channels=(8,), kernels=(3,), strides=(1,), layers_per_block=1, dropout=0.0)
    assert plain.layers(4)[3:] == [Residual(separable(3, 8)), ReLU(), StatisticsPooling(), Dense(4)]


def test_layers_over_frequency_and_time_come_before_the_stem() -> None:
    sizes = {"spectral_channels": (4, 6), "spectral_kernels": (5, 3), "spectral_strides": (2, 1)}
    layers = TdnnArchitecture(stem=8, stem_kernel=1, **sizes).layers(4)
    window = {"kernel": 3, "padding": 1, "bias": False}
    assert layers[:10] == [
        *(Spectrum(), Convolution2d(channels=4, band_kernel=5, band_stride=2, **window), BatchNorm(), ReLU()),
        *(Convolution2d(channels=6, band_kernel=3, band_stride=1, **window), BatchNorm(), ReLU()),
        *(Stack(), Pointwise(8, bias=False), BatchNorm()),
    ]
    network = Network(layers, (9, 13))
    # 13 coefficients give 13 bands, of which 5 at every second leave 5, and 3 of those again 3.
    assert network.chain.shapes((13, 9))[1:9:3] == [(1, 13, 9), (4, 5, 9), (6, 3, 9)]
    with pytest.raises(ValueError, match="Convolution2d spans 5 bands, its input has 4; make band_kernel smaller"):
        Network(layers, (9, 4))


def test_a_tdnn_takes_inputs_of_any_length() -> None:
    for time in (1, 2, 7, 98):
        with case(time):
            network = Network(TdnnArchitecture().layers(4), (time, 13))
            assert network.logits(np.zeros((2, time, 13), np.float32)).shape == (2, 4)


def test_a_tdnn_of_impossible_sizes_is_refused() -> None:
    for settings, message in (
        (
            {"channels": (8,) * 3, "kernels": (3,) * 2},
            "tdnn has 3 channels, 2 kernels and 3 strides; give one of each for every block",
        ),
        ({"strides": (1,)}, "kernels and 1 strides"),
        ({"strides": (1, 0, 1)}, "stride 0; expected at least 1"),
        ({"stem_kernel": -1}, "Convolution has kernel -1"),
        ({"stem_kernel": 4}, "tdnn has a kernel of 4; expected odd numbers"),
        ({"kernels": (3, 3, 6)}, "tdnn has a kernel of 6; expected odd numbers"),
        ({"stem": 0}, "Convolution has 0 channels"),
        (
            {"spectral_channels": (4, 8), "spectral_kernels": (3,)},
            "2 spectral_channels, 1 spectral_kernels and 0 spectral",
        ),
        (
            {"spectral_channels": (4,), "spectral_kernels": (0,), "spectral_strides": (1,)},
            "has band_kernel 0; expected",
        ),
        ({"layers_per_block": 0}, "0 layers_per_block; expected at least 1"),
        ({"dropout": 1.0}, "Dropout has rate"),
    ):
        with case(settings), pytest.raises(ValueError, match=message):
            TdnnArchitecture(**settings).layers(3)


def test_a_tdnn_learns_an_order_of_events_wherever_it_occurs() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(0, 0.3, (400, 16, 2)).astype(np.float32)
    labels, clip = rng.integers(2, size=400), np.arange(400)
    # Channel `label` has a peak, the other one two frames later: early in the training data, late in the test data.
    start = np.where(clip < 300, rng.integers(1, 6, size=400), rng.integers(8, 13, size=400))
    x[clip, start, labels] += 2
    x[clip, start + 2, 1 - labels] += 2
    layers = TdnnArchitecture(stem=8, stem_kernel=3, channels=(8,), kernels=(3,), strides=(1,), dropout=0.0).layers(2)
    network = Network(layers, (16, 2)).initialise(rng)
    trainer = Trainer(network, AdamW(), Constant(0.01), shard_size=30)
    for _ in range(20):
        for batch in np.array_split(rng.permutation(300), 5):
            trainer.step(x[batch], labels[batch], 0.0, rng)
    assert np.mean(network.logits(x[300:]).argmax(axis=1) == labels[300:]) > 0.94
