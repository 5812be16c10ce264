"""Softmax and cross-entropy: values, gradient, and no overflow."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cases import case
from sayso.nn import one_hot, softmax, softmax_cross_entropy


def test_the_gradient_of_every_logit_is_the_derivative() -> None:
    for (classes, batch, seed), smoothing in itertools.product([(2, 1, 0), (3, 5, 1), (12, 30, 2)], (0.0, 0.1, 0.25)):
        with case(classes, batch, seed, smoothing):
            rng = np.random.default_rng(seed)
            logits = rng.normal(scale=3, size=(classes, batch))
            targets = one_hot(rng.integers(classes, size=batch), classes, smoothing).astype(np.float64)
            targets /= targets.sum(axis=0)  # the derivation needs a sum of 1, closer than single precision gives it
            gradient = softmax_cross_entropy(logits, targets)[1]
            numerical = np.empty_like(logits)
            for position in np.ndindex(logits.shape):
                losses = []
                for step in (1e-5, -1e-5):
                    moved = logits.copy()
                    moved[position] += step
                    losses.append(softmax_cross_entropy(moved, targets)[0])
                numerical[position] = (losses[0] - losses[1]) / 2e-5
            assert np.linalg.norm(gradient - numerical) / np.linalg.norm(gradient) < 1e-6


def test_loss_and_gradient_have_known_values() -> None:
    logits = np.log(np.array([[1.0, 4.0], [3.0, 1.0]]))
    loss, gradient = softmax_cross_entropy(logits, one_hot(np.array([0, 0]), 2))
    assert loss == pytest.approx((np.log(4) + np.log(5 / 4)) / 2)
    np.testing.assert_allclose(gradient, np.array([[-0.75, -0.2], [0.75, 0.2]]) / 2)


def test_the_inputs_are_not_modified_and_single_precision_is_preserved() -> None:
    logits, targets = np.array([[1.0, 2], [3, 4]], np.float32), one_hot(np.array([0, 1]), 2, 0.1)
    before = logits.copy(), targets.copy()
    assert softmax_cross_entropy(logits, targets)[1].dtype == np.float32
    assert softmax(logits).dtype == targets.dtype == np.float32
    np.testing.assert_array_equal(logits, before[0])
    np.testing.assert_array_equal(targets, before[1])


def test_targets_sum_to_one_and_favour_the_label() -> None:
    targets = one_hot(np.array([2, 0]), 4, 0.2)
    np.testing.assert_allclose(targets, [[0.05, 0.85], [0.05, 0.05], [0.85, 0.05], [0.05, 0.05]], rtol=1e-6)


@given(arrays(np.float32, (3, 4), elements=st.floats(-(2.0**99), 2.0**99, width=32)))
def test_large_logits_do_not_overflow(logits: np.ndarray) -> None:
    probabilities = softmax(logits)
    np.testing.assert_allclose(probabilities.sum(axis=0), 1, rtol=1e-5)
    loss, gradient = softmax_cross_entropy(logits, one_hot(np.array([0, 1, 2, 0]), 3))
    assert np.isfinite(loss)
    assert np.isfinite(gradient).all()
    np.testing.assert_allclose(gradient.sum(axis=0), 0, atol=1e-6)
