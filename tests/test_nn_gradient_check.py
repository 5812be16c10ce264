"""Every backward pass is the derivative of its forward pass, and the check detects errors of a thousandth."""

import itertools
from dataclasses import dataclass

import numpy as np
import pytest

from cases import case
from nn_cases import CASES, CHAINS, Case, name
from sayso.nn import BatchNorm, Chain, Dense, ReLU, Tanh
from sayso.nn.gradient_check import gradient_errors
from sayso.nn.layer import Layer
from sayso.nn.serialization import LAYERS

TOLERANCE = 1e-6


def test_every_registered_layer_has_cases() -> None:
    assert set(CASES) == set(LAYERS)
    for kind, pairs in CASES.items():
        with case(kind):
            assert pairs
            assert all(type(layer) is LAYERS[kind] for layer, _ in pairs)


@pytest.mark.parametrize("kind", CASES)
def test_backward_is_the_derivative_of_forward(kind: str) -> None:
    check(CASES[kind])


def test_backward_of_a_chain_is_the_derivative_of_forward() -> None:
    check(CHAINS)


def check(cases: list[Case]) -> None:
    for (layer, shape), (batch, seed) in itertools.product(cases, [(5, 0), (3, 1), (12, 2)]):
        with case(name(layer), shape, f"batch {batch}", f"seed {seed}"):
            errors = gradient_errors(layer, shape, batch, seed)
            assert max(errors.values()) < TOLERANCE, errors


def test_learned_parameters_are_checked_and_statistics_are_not() -> None:
    assert gradient_errors(Dense(2), (3,)).keys() == {"x", "weight", "bias"}
    assert gradient_errors(BatchNorm(), (3, 4)).keys() == {"x", "scale", "shift"}


@dataclass(frozen=True)
class WrongInput(Tanh):
    def backward(self, values, gradients, cache, grad_y):
        return super().backward(values, gradients, cache, grad_y) * 1.001


@dataclass(frozen=True)
class WrongWeight(Dense):
    def backward_parameters(self, values, gradients, cache, grad_y):
        super().backward_parameters(values, gradients, cache, grad_y)
        gradients["weight"][...] *= 0.999


@dataclass(frozen=True)
class WrongEntry(Dense):
    def backward_parameters(self, values, gradients, cache, grad_y):
        super().backward_parameters(values, gradients, cache, grad_y)
        gradients["weight"][0, 0] *= 1.001


@dataclass(frozen=True)
class Accumulating(Dense):
    def backward_parameters(self, values, gradients, cache, grad_y):
        gradients["weight"][...] += grad_y @ cache.T
        np.sum(grad_y, axis=1, keepdims=True, out=gradients["bias"])


@dataclass(frozen=True)
class NotANumber(Tanh):
    def backward(self, values, gradients, cache, grad_y):
        return np.full_like(grad_y, np.nan)


WRONG: list[tuple[Layer, str]] = [
    (WrongInput(), "x"),
    (WrongWeight(4), "weight"),
    (WrongEntry(4), "weight"),
    (Accumulating(4), "weight"),
    (NotANumber(), "x"),
]


def test_an_error_of_a_thousandth_is_detected() -> None:
    for wrong, where in WRONG:
        with case(name(wrong)):
            errors = gradient_errors(wrong, (6,))
            assert {part for part, error in errors.items() if not error < TOLERANCE} == {where}, errors


def test_an_error_of_a_thousandth_is_detected_within_a_chain() -> None:
    for wrong, where in WRONG:
        with case(name(wrong)):
            errors = gradient_errors(Chain((Dense(6), wrong, Tanh())), (6,))
            found = {part for part, error in errors.items() if not error < TOLERANCE}
            assert any(part == where or part.endswith(f".{where}") for part in found), errors


@dataclass(frozen=True)
class OverwritesItsInput(ReLU):
    def forward(self, values, x, rng):
        np.maximum(x, 0, out=x)
        return x, x


@dataclass(frozen=True)
class OverwritesItsCache(Tanh):
    """Squares its input, and in the backward pass overwrites it, which belongs to the layer below."""

    def forward(self, values, x, rng):
        return x**2, x

    def backward(self, values, gradients, cache, grad_y):
        cache *= 2 * grad_y
        return cache


@dataclass(frozen=True)
class SharesOneGradient(Layer):
    """A shortcut around Tanh that passes the same gradient array to both branches, though Tanh may overwrite it."""

    def forward(self, values, x, rng):
        y, cache = Tanh().forward({}, x, rng)
        return x + y, cache

    def backward(self, values, gradients, cache, grad_y):
        return grad_y + Tanh().backward({}, {}, cache, grad_y)


def test_a_layer_that_modifies_its_input_is_refused() -> None:
    for layer in (OverwritesItsInput(), OverwritesItsCache()):
        with case(name(layer)), pytest.raises(ValueError, match="read-only"):
            gradient_errors(layer, (5,))


def test_arrays_shared_by_mistake_between_layers_are_detected() -> None:
    shared = (Chain((Tanh(), OverwritesItsCache())), SharesOneGradient(), Chain((Dense(4), SharesOneGradient())))
    for layer in shared:
        with case(name(layer)):
            assert gradient_errors(layer, (5,))["x"] > 1e-3
