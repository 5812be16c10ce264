"""Optimisers against their textbook formulas in double precision."""

import itertools

import numpy as np
import pytest

from cases import case
from sayso.nn import SGD, AdamW, BatchNorm, Chain, Dense, Optimizer, Parameters
from sayso.nn.optimizers import BLOCK

RATE = 0.01

each_optimizer = pytest.mark.parametrize("optimizer", [SGD(0.9), AdamW(weight_decay=0.1)], ids=["sgd", "adamw"])


def learn(
    optimizer: Optimizer, steps: int, dtype: type = np.float64, units: int = 7
) -> tuple[Parameters, np.ndarray, dict]:
    """Make steps with given gradients; return the parameters, their initial values, and the optimiser's state."""
    parameters = Parameters(Chain((Dense(units), BatchNorm())).parameters((3,)), dtype)
    parameters.vector[:] = np.random.default_rng(0).normal(size=len(parameters.vector))
    start, state = parameters.vector.copy(), optimizer.start(parameters)
    for gradient in gradients(steps, len(start)):
        parameters.gradient[:] = gradient
        optimizer.step(parameters, state, RATE)
    return parameters, start, state


def gradients(steps: int, size: int) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(steps, size))


def test_sgd_follows_its_formula() -> None:
    for momentum, steps in itertools.product((0.0, 0.9), (1, 10)):
        with case(momentum, steps):
            parameters, expected, _ = learn(SGD(momentum), steps)
            learned = parameters.count("weight", "bias")
            velocity = np.zeros(learned)
            for gradient in gradients(steps, len(expected)):
                velocity = momentum * velocity + gradient[:learned]
                expected[:learned] -= RATE * velocity
            np.testing.assert_allclose(parameters.vector, expected, rtol=1e-12)


def test_adamw_follows_its_formula() -> None:
    for decay, epsilon, steps in itertools.product((0.0, 0.1), (1e-8, 0.1), (1, 10)):
        with case(decay, epsilon, steps):
            parameters, expected, _ = learn(AdamW(weight_decay=decay, epsilon=epsilon), steps)
            weights, learned = parameters.count("weight"), parameters.count("weight", "bias")
            mean, square = np.zeros(learned), np.zeros(learned)
            for step, gradient in enumerate(gradients(steps, len(expected)), start=1):
                mean = 0.9 * mean + 0.1 * gradient[:learned]
                square = 0.999 * square + 0.001 * gradient[:learned] ** 2
                expected[:weights] -= RATE * decay * expected[:weights]
                expected[:learned] -= RATE * (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.999**step)) + epsilon)
            np.testing.assert_allclose(parameters.vector, expected, rtol=1e-10)


@each_optimizer
def test_all_blocks_of_a_long_vector_are_updated_equally(optimizer: Optimizer) -> None:
    # With the same start and gradient everywhere, every weight must end at the same value, in whichever block it lies.
    parameters = Parameters(Dense(2 * BLOCK // 3).parameters((3,)))
    parameters.vector[:] = 2
    parameters.gradient[:] = 1
    state = optimizer.start(parameters)
    for _ in range(3):
        optimizer.step(parameters, state, RATE)
    weights = parameters.count("weight")
    assert weights > BLOCK
    assert np.unique(parameters.vector[:weights]).size == 1
    assert np.unique(parameters.vector[weights:]).size == 1
    decays = isinstance(optimizer, AdamW)
    assert (parameters.vector[0] < parameters.vector[-1]) == decays, "only weights decay"


@each_optimizer
def test_statistics_and_gradients_are_not_modified_and_single_precision_is_preserved(optimizer: Optimizer) -> None:
    parameters, start, state = learn(optimizer, 3, np.float32)
    learned = parameters.count("weight", "bias")
    np.testing.assert_array_equal(parameters.vector[learned:], start[learned:])
    np.testing.assert_array_equal(parameters.gradient, gradients(3, len(start))[-1].astype(np.float32))
    assert all(vector.dtype == np.float32 for name, vector in state.items() if name != "steps")
    # The views still alias the vector: no name was rebound.
    assert np.shares_memory(parameters.vector, parameters.values["0.Dense"]["weight"])
    double, _, _ = learn(optimizer, 3, np.float64)
    np.testing.assert_allclose(parameters.vector, double.vector, rtol=1e-5, atol=1e-6)
