"""A trace holds the values of inference, and their gradients are those of the network in inference."""

import itertools

import numpy as np
import pytest

from nn_cases import SMALL_TDNN, for_every_layer
from sayso.nn import Dense, Flatten, Network, Stack, one_hot, softmax_cross_entropy
from sayso.nn.layer import Layer
from sayso.nn.parameters import Shape
from sayso.nn.tracing import Passage, trace

STEP = 1e-6


def traced_network(layer: Layer, shape: Shape) -> tuple[Network, np.ndarray, np.ndarray]:
    """Append an output of three classes to a layer, in double precision; return an example and its targets as well."""
    flat = {1: [], 2: [Flatten()], 3: [Stack(), Flatten()]}[len(layer.output_shape(shape))]
    network = Network([layer, *flat, Dense(3)], shape[::-1], np.float64)
    rng = np.random.default_rng(0)
    network.parameters.vector[:] = rng.uniform(0.5, 1.5, len(network.parameters.vector))
    weight = network.parameters.values[network.chain.names[-1]]["weight"]
    weight[...] = rng.normal(size=weight.shape)
    return network, rng.normal(size=shape[::-1]), one_hot(np.array([1]), 3)[:, 0]


def loss_of(network: Network, x: np.ndarray, targets: np.ndarray) -> float:
    return softmax_cross_entropy(network.logits(x[None]).T, targets[:, None])[0]


@for_every_layer
def test_the_gradient_is_that_of_the_network_in_inference(layer: Layer, shape: Shape) -> None:
    network, x, targets = traced_network(layer, shape)
    result = trace(network, x, targets)
    np.testing.assert_allclose(result.logits, network.logits(x[None])[0], rtol=1e-12)
    assert result.loss == pytest.approx(loss_of(network, x, targets), rel=1e-12)
    learned = network.parameters.count("weight", "bias")
    assert not result.gradient[learned:].any()
    rng = np.random.default_rng(1)
    vector = network.parameters.vector
    for _ in range(3):
        direction = rng.normal(size=x.shape)
        slope = (loss_of(network, x + STEP * direction, targets) - loss_of(network, x - STEP * direction, targets)) / 2
        scale = np.linalg.norm(result.passages[0].grad_x) + 1e-3
        assert slope / STEP == pytest.approx(np.sum(result.passages[0].grad_x.T * direction), abs=1e-5 * scale)
        direction = rng.normal(size=learned)
        start, losses = vector.copy(), []
        for sign in (1, -1):
            vector[:learned] = start[:learned] + sign * STEP * direction
            losses.append(loss_of(network, x, targets))
        vector[:] = start
        scale = np.linalg.norm(result.gradient) + 1e-3
        assert (losses[0] - losses[1]) / (2 * STEP) == pytest.approx(
            float(result.gradient[:learned] @ direction), abs=1e-5 * scale
        )


def test_the_output_of_a_layer_is_the_input_of_the_next() -> None:
    network, x, targets = traced_network(SMALL_TDNN.layers(3)[3], (4, 9))
    passages = trace(network, x, targets).passages

    def follow(chain: list[Passage], first: np.ndarray, last: np.ndarray) -> None:
        for before, after in itertools.pairwise(chain):
            np.testing.assert_array_equal(before.y, after.x)
            np.testing.assert_array_equal(before.grad_y, after.grad_x)
        np.testing.assert_array_equal(chain[0].x, first)
        np.testing.assert_array_equal(chain[-1].grad_y, last)

    follow(passages, x.T, passages[-1].grad_y)
    block = passages[0]
    assert set(block.branches) == {"layers", "shortcut"}
    for branch in filter(None, block.branches.values()):
        follow(branch, block.x, block.grad_y)
    ends = [branch[-1].y if branch else block.x for branch in block.branches.values()]
    np.testing.assert_array_equal(block.y, ends[0] + ends[1])


def test_the_error_at_the_output_is_predicted_minus_target_probabilities() -> None:
    network, x, targets = traced_network(Dense(4), (5,))
    result = trace(network, x, targets)
    np.testing.assert_allclose(result.error, result.probabilities - targets, rtol=1e-12)
    np.testing.assert_array_equal(result.passages[-1].grad_y, result.error)


def test_an_example_of_another_shape_is_refused() -> None:
    network, x, targets = traced_network(Dense(4), (5,))
    with pytest.raises(ValueError, match=r"takes examples of shape \(batch, 5\), got \(1, 4\)"):
        trace(network, x[:4], targets)
