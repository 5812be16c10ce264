"""Every backward pass is the derivative of its forward pass, and the check that says so notices when one is not."""

from dataclasses import dataclass

import numpy as np
import pytest

from nn_cases import ALL, CASES, name
from sayso.nn import BatchNorm, Chain, Dense, ReLU, Tanh
from sayso.nn.gradient_check import gradient_errors
from sayso.nn.layer import Layer
from sayso.nn.serialization import LAYERS

TOLERANCE = 1e-6


def test_every_registered_layer_has_cases() -> None:
    assert set(CASES) == set(LAYERS)
    for kind, cases in CASES.items():
        assert cases
        assert all(type(layer) is LAYERS[kind] for layer, _ in cases)


@pytest.mark.parametrize(("layer", "shape"), ALL, ids=name)
@pytest.mark.parametrize(("batch", "seed"), [(5, 0), (3, 1), (12, 2)])
def test_backward_is_the_derivative_of_forward(layer: Layer, shape: tuple[int, ...], batch: int, seed: int) -> None:
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


@pytest.mark.parametrize("around", [lambda layer: layer, lambda layer: Chain((Dense(6), layer, Tanh()))])
@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        (WrongInput(), "x"),
        (WrongWeight(4), "weight"),
        (WrongEntry(4), "weight"),
        (Accumulating(4), "weight"),
        (NotANumber(), "x"),
    ],
    ids=name,
)
def test_an_error_of_a_thousandth_is_noticed(wrong: Layer, where: str, around) -> None:
    errors = gradient_errors(around(wrong), (6,))
    found = {place for place, error in errors.items() if not error < TOLERANCE}
    assert any(place == where or place.endswith(f".{where}") for place in found), errors
    if around(wrong) is wrong:
        assert found == {where}


@dataclass(frozen=True)
class OverwritesItsInput(ReLU):
    def forward(self, values, x, rng):
        np.maximum(x, 0, out=x)
        return x, x


@dataclass(frozen=True)
class OverwritesItsCache(Tanh):
    """Squares what it was given, and in the backward pass takes the input of the layer below for scratch."""

    def forward(self, values, x, rng):
        return x**2, x

    def backward(self, values, gradients, cache, grad_y):
        cache *= 2 * grad_y
        return cache


@dataclass(frozen=True)
class SharesOneGradient(Layer):
    """A detour around Tanh that hands the same gradient to both ways, though Tanh may write to it."""

    def forward(self, values, x, rng):
        y, cache = Tanh().forward({}, x, rng)
        return x + y, cache

    def backward(self, values, gradients, cache, grad_y):
        return grad_y + Tanh().backward({}, {}, cache, grad_y)


@pytest.mark.parametrize("layer", [OverwritesItsInput(), OverwritesItsCache()], ids=name)
def test_a_layer_that_writes_to_its_input_is_refused(layer: Layer) -> None:
    with pytest.raises(ValueError, match="read-only"):
        gradient_errors(layer, (5,))


@pytest.mark.parametrize(
    "layer",
    [Chain((Tanh(), OverwritesItsCache())), SharesOneGradient(), Chain((Dense(4), SharesOneGradient()))],
    ids=name,
)
def test_arrays_that_two_layers_share_by_mistake_are_noticed(layer: Layer) -> None:
    assert gradient_errors(layer, (5,))["x"] > 1e-3
