"""All parameters are in one vector: views alias it, in the order weights, biases, statistics."""

import re

import numpy as np
import pytest

from cases import case
from sayso.nn import BatchNorm, Chain, Dense, Parameters, Residual
from sayso.nn.parameters import MAX_SIZE, flatten

CHAIN = Chain((Dense(4), BatchNorm(), Dense(2)))


@pytest.fixture
def parameters() -> Parameters:
    return Parameters(CHAIN.parameters((3,)))


def test_views_and_vector_are_the_same_memory(parameters: Parameters) -> None:
    for vector, views in ((parameters.vector, parameters.values), (parameters.gradient, parameters.gradients)):
        vector[:] = np.arange(len(vector))
        seen = np.concatenate([array.ravel() for layer in views.values() for array in layer.values()])
        np.testing.assert_array_equal(np.sort(seen), vector)
        views["0.Dense"]["weight"][...] = -1
        assert np.sum(vector == -1) == 12
    assert not np.shares_memory(parameters.vector, parameters.gradient)


def test_views_of_another_vector_are_nested_like_the_tree() -> None:
    parameters = Parameters(
        Chain((Dense(4), Residual((BatchNorm(), Dense(4)), (Dense(4, bias=False),)))).parameters((3,))
    )
    other = np.arange(len(parameters.vector), dtype=np.float32)
    views = parameters.views(other)
    assert views["1.Residual"]["shortcut"]["0.Dense"].keys() == {"weight"}
    for name, array in parameters.named(other).items():
        view = views
        for part in re.findall(r"\d+\.\w+|\w+", name):
            view = view[part]
        np.testing.assert_array_equal(view, array)
    views["1.Residual"]["layers"]["1.Dense"]["bias"][...] = -1
    assert np.sum(other == -1) == 4
    assert not parameters.vector.any(), "the values are another vector"


def test_the_norm_of_a_layer_is_that_of_its_learned_parameters(parameters: Parameters) -> None:
    vector = np.arange(len(parameters.vector), dtype=np.float32)
    named = {name: array.ravel() for name, array in parameters.named(vector).items()}
    norms = parameters.norms(vector)
    assert list(norms) == ["0.Dense", "1.BatchNorm", "2.Dense"]
    for layer, parts in (("0.Dense", ("weight", "bias")), ("1.BatchNorm", ("scale", "shift"))):
        whole = np.concatenate([named[f"{layer}.{part}"] for part in parts])
        assert norms[layer] == pytest.approx(float(np.linalg.norm(whole)))


def test_order_is_weights_then_biases_then_statistics(parameters: Parameters) -> None:
    positions = parameters.named(np.arange(len(parameters.vector)))
    roles = {name: spec.role for name, spec in flatten(CHAIN.parameters((3,)))}
    order = sorted(positions, key=lambda name: positions[name].flat[0])
    assert order == [
        *("0.Dense.weight", "2.Dense.weight"),
        *("0.Dense.bias", "1.BatchNorm.scale", "1.BatchNorm.shift", "2.Dense.bias"),
        *("1.BatchNorm.mean", "1.BatchNorm.variance"),
    ]
    assert parameters.count("weight") == 20 == sum(positions[name].size for name in order if roles[name] == "weight")
    assert parameters.count("bias") == 14
    assert parameters.count("statistic") == 8
    assert len(parameters.vector) == 42


def test_initial_values_are_he_normal_zeros_and_ones() -> None:
    parameters = Parameters(Chain((Dense(500), BatchNorm())).parameters((300,)))
    parameters.initialise(np.random.default_rng(0))
    dense, norm = parameters.values["0.Dense"], parameters.values["1.BatchNorm"]
    assert dense["weight"].std() == pytest.approx(np.sqrt(2 / 300), rel=0.01)
    assert abs(dense["weight"].mean()) < 1e-3
    assert not dense["bias"].any()
    assert (norm["scale"] == 1).all()
    assert (norm["variance"] == 1).all()
    assert not norm["mean"].any()
    assert parameters.vector.dtype == parameters.gradient.dtype == np.float32


def test_updating_statistics_changes_nothing_else(parameters: Parameters) -> None:
    parameters.vector[:] = 3
    parameters.gradient[:] = 1
    parameters.update_statistics(0.25)
    assert (parameters.vector[:34] == 3).all()
    assert (parameters.vector[34:] == 2.75).all()


def test_absurd_sizes_are_refused_before_memory_is_allocated() -> None:
    for units in (MAX_SIZE, 10**13, 10**40):
        with case(units), pytest.raises(ValueError, match="expected at most"):
            Parameters(Dense(units).parameters((10,)))
