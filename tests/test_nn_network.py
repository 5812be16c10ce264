"""Networks: the natural layout outside, clear errors, the way through a description or a pickle, and learning."""

import copy
import pickle

import numpy as np
import pytest

from heed.nn import AdamW, BatchNorm, Constant, Dense, DenseArchitecture, Dropout, Flatten, Network, ReLU, Tanh, one_hot
from heed.nn.network import INFERENCE_BATCH
from heed.nn.trainer import Trainer

LAYERS = [BatchNorm(), Flatten(), Dense(8), Tanh(), Dropout(0.5), Dense(3)]
SHAPE = (4, 2)


@pytest.fixture
def network() -> Network:
    network = Network(LAYERS, SHAPE).initialise(np.random.default_rng(0))
    network.parameters.values["0.BatchNorm"]["mean"][...] = [[1], [-1]]
    return network


def clips(batch: int) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(batch, *SHAPE)).astype(np.float32)


def test_logits_are_in_natural_layout(network: Network) -> None:
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


def test_large_and_empty_batches(network: Network) -> None:
    x = clips(2 * INFERENCE_BATCH + 3)
    logits = network.logits(x)
    assert logits.shape == (len(x), 3)
    some = slice(INFERENCE_BATCH - 3, INFERENCE_BATCH + 6)
    np.testing.assert_allclose(logits[some], network.logits(x[some]), atol=1e-5)
    assert network.logits(x[:0]).shape == network.probabilities(x[:0]).shape == (0, 3)
    assert network.logits(x[:0]).dtype == np.float32


def test_the_networks_precision_decides(network: Network) -> None:
    x, targets = clips(6).astype(np.float64), one_hot(np.array([0, 1, 2, 0, 1, 2]), 3)
    assert network.logits(x).dtype == np.float32
    assert network.loss_and_gradient(x, targets, np.random.default_rng(0))[1].dtype == np.float32
    assert Network(LAYERS, SHAPE, np.float64).logits(x.astype(np.float32)).dtype == np.float64


def test_the_gradient_of_the_whole_network_is_the_derivative_of_the_loss() -> None:
    network = Network(LAYERS, SHAPE, np.float64).initialise(np.random.default_rng(0))
    x, targets = clips(6).astype(np.float64), one_hot(np.array([0, 1, 2, 0, 1, 2]), 3)
    vector, learned = network.parameters.vector, network.parameter_count

    def loss() -> float:
        return network.loss_and_gradient(x, targets, np.random.default_rng(0))[0]

    loss()
    gradient, numerical = network.parameters.gradient[:learned].copy(), np.empty(learned)
    for place in range(learned):
        start = vector[place]
        vector[place] = start + 1e-5
        above = loss()
        vector[place] = start - 1e-5
        numerical[place] = (above - loss()) / 2e-5
        vector[place] = start
    assert np.linalg.norm(gradient - numerical) / np.linalg.norm(gradient) < 1e-6


@pytest.mark.parametrize(
    ("layers", "shape", "message"),
    [
        ([Dense(3)], (4, 2), "Dense takes"),
        ([Flatten(), Dense(3)], (8,), "Flatten takes"),
        ([Flatten(), Dense(3), Flatten()], (4, 2), "Flatten takes"),
        ([BatchNorm()], (4, 2), "network ends in an output of shape"),
        ([Flatten(), Dense(10**12)], (4, 2), "expected at most"),
    ],
)
def test_layers_that_do_not_fit_are_refused(layers: list, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Network(layers, shape)


@pytest.mark.parametrize("wrong", [(5, 2, 4), (5, 8), (4, 2), (5, 4, 3), (8,)])
def test_examples_of_another_shape_are_refused(network: Network, wrong: tuple[int, ...]) -> None:
    message = r"takes examples of shape \(batch, 4, 2\), got"
    with pytest.raises(ValueError, match=message):
        network.logits(np.zeros(wrong, np.float32))
    with pytest.raises(ValueError, match=message):
        network.loss_and_gradient(np.zeros(wrong, np.float32), np.zeros((3, 5), np.float32), np.random.default_rng(0))


def test_descriptions_come_back(network: Network) -> None:
    chain, shape = Network.describe(network.to_dict())
    assert (chain, shape) == (network.chain, SHAPE)


@pytest.mark.parametrize(
    "description",
    [
        {},
        {"layers": [], "input_shape": None},
        {"layers": None, "input_shape": [4]},
        {"layers": [{"kind": "ReLU"}], "input_shape": [4.5]},
        {"layers": [{"kind": "ReLU"}], "input_shape": ["4"]},
        {"layers": [{"kind": "ReLU"}], "input_shape": [-4, -2]},
        {"layers": [{"kind": "ReLU"}], "input_shape": [0]},
        {"layers": "ReLU", "input_shape": [4]},
    ],
    ids=repr,
)
def test_bad_descriptions_are_refused(description: dict) -> None:
    with pytest.raises(ValueError, match=r"network|layer"):
        Network.describe(description)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda network: pickle.loads(pickle.dumps(network))])
def test_a_copy_answers_alike_and_learns_on_its_own(network: Network, duplicate) -> None:
    twin, x = duplicate(network), clips(4)
    np.testing.assert_array_equal(twin.logits(x), network.logits(x))
    twin.parameters.vector[:] = 0
    assert not twin.logits(x).any(), "the copy's views show the copy's vector"
    assert network.logits(x).any()


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("batch_norm", [False, True])
def test_a_network_learns_what_no_straight_line_can_tell(activation: str, batch_norm: bool) -> None:
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (400, 2, 1)).astype(np.float32)
    labels = (x[:, 0, 0] * x[:, 1, 0] > 0).astype(int)
    layers = DenseArchitecture(hidden=(32, 32), activation=activation, batch_norm=batch_norm, dropout=0.0).layers(2)
    network = Network(layers, (2, 1)).initialise(rng)
    trainer = Trainer(network, AdamW(), Constant(0.01))
    for _ in range(100):
        for batch in np.array_split(rng.permutation(300), 5):
            trainer.step(x[batch], labels[batch], 0.0, rng)
    assert np.mean(network.logits(x[300:]).argmax(axis=1) == labels[300:]) > 0.94


def test_architectures_lay_out_what_they_are_asked_for() -> None:
    assert DenseArchitecture((5, 4), "tanh", False, 0.0).layers(3) == [
        *(Flatten(), Dense(5), Tanh(), Dense(4), Tanh()),
        Dense(3),
    ]
    assert DenseArchitecture((5,), "relu", True, 0.2).layers(3) == [
        *(Flatten(), Dense(5, bias=False), BatchNorm(), ReLU(), Dropout(0.2)),
        Dense(3),
    ]
