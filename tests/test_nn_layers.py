"""The laws that every layer obeys, and the properties of single layers."""

import itertools
import tracemalloc

import numpy as np
import pytest

from cases import case
from nn_cases import examples, filled, for_every_layer
from sayso.nn import (
    BatchNorm,
    Convolution,
    Dense,
    DepthwiseConvolution,
    Dropout,
    Flatten,
    Merging,
    Pointwise,
    ReLU,
    Residual,
    StatisticsPooling,
    Tanh,
    softmax,
)
from sayso.nn.layer import Layer
from sayso.nn.parameters import Shape


@for_every_layer
def test_forward_modifies_neither_its_input_nor_the_parameters(layer: Layer, shape: Shape) -> None:
    parameters, x = filled(layer, shape), examples(shape)
    vector, given = parameters.vector.copy(), x.copy()
    for rng in (np.random.default_rng(0), None):
        layer.forward(parameters.values, x, rng)
        np.testing.assert_array_equal(x, given)
        np.testing.assert_array_equal(parameters.vector, vector)


@for_every_layer
def test_output_and_gradient_have_the_declared_shapes(layer: Layer, shape: Shape) -> None:
    parameters, x = filled(layer, shape), examples(shape, batch=7)
    y, cache = layer.forward(parameters.values, x, np.random.default_rng(0))
    assert y.shape == (*layer.output_shape(shape), 7)
    assert layer.forward(parameters.values, x, None)[0].shape == y.shape
    assert layer.backward(parameters.values, parameters.gradients, cache, np.ones_like(y)).shape == x.shape


@for_every_layer
def test_inference_allocates_no_more_than_the_workspace(layer: Layer, shape: Shape) -> None:
    # A hundred examples, so that Python's own allocations do not matter.
    parameters, x = filled(layer, shape), examples(shape, batch=100)
    layer.forward(parameters.values, x, None)
    tracemalloc.start()
    try:
        layer.forward(parameters.values, x, None)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak + x.nbytes <= layer.workspace(shape) * 100 * x.itemsize + 8_000


@for_every_layer
def test_single_precision_is_preserved(layer: Layer, shape: Shape) -> None:
    parameters, x = filled(layer, shape), examples(shape)
    assert layer.forward(parameters.values, x, None)[0].dtype == np.float32
    y, cache = layer.forward(parameters.values, x, np.random.default_rng(0))
    assert y.dtype == np.float32
    assert layer.backward(parameters.values, parameters.gradients, cache, np.ones_like(y)).dtype == np.float32
    for array in _arrays(cache):
        assert array.dtype in (np.float32, bool, np.uint8), "a cache in double precision is twice the memory"


def _arrays(cache: object) -> list[np.ndarray]:
    if isinstance(cache, np.ndarray):
        return [cache]
    return [array for part in cache for array in _arrays(part)] if isinstance(cache, list | tuple) else []


@for_every_layer
def test_inference_is_deterministic_and_examples_are_independent(layer: Layer, shape: Shape) -> None:
    parameters, x = filled(layer, shape), examples(shape, batch=6)
    together = layer.forward(parameters.values, x, None)[0]
    np.testing.assert_array_equal(together, layer.forward(parameters.values, x, None)[0])
    alone = [layer.forward(parameters.values, x[..., n : n + 1], None)[0] for n in range(6)]
    np.testing.assert_allclose(together, np.concatenate(alone, axis=-1), rtol=1e-5, atol=1e-5)


@for_every_layer
def test_an_empty_batch_gives_an_empty_output(layer: Layer, shape: Shape) -> None:
    parameters = filled(layer, shape)
    assert layer.forward(parameters.values, examples(shape, batch=0), None)[0].shape == (*layer.output_shape(shape), 0)


@for_every_layer
def test_backward_parameters_computes_the_same_gradients(layer: Layer, shape: Shape) -> None:
    parameters, x = filled(layer, shape), examples(shape)
    y, cache = layer.forward(parameters.values, x, np.random.default_rng(0))
    grad_y = examples(y.shape[:-1], seed=5)
    layer.backward(parameters.values, parameters.gradients, cache, grad_y.copy())
    expected = parameters.gradient.copy()
    parameters.gradient[:] = np.nan
    cache = layer.forward(parameters.values, x, np.random.default_rng(0))[1]
    layer.backward_parameters(parameters.values, parameters.gradients, cache, grad_y.copy())
    np.testing.assert_array_equal(parameters.gradient, expected)


def test_dense_counts_its_multiplications_and_refuses_a_time_axis() -> None:
    assert Dense(4).multiply_adds((3,)) == 12
    with pytest.raises(ValueError, match="Dense takes"):
        Dense(4).output_shape((3, 5))
    with pytest.raises(ValueError, match="Dense has 0 units"):
        Dense(0)


def test_pointwise_is_the_same_dense_layer_at_every_frame() -> None:
    layer = Pointwise(4)
    parameters, x = filled(layer, (3, 5)), examples((3, 5))
    y, _ = layer.forward(parameters.values, x, None)
    for frame in range(5):
        alone, _ = Dense(4).forward(parameters.values, x[:, frame], None)
        np.testing.assert_allclose(y[:, frame], alone, rtol=1e-5, atol=1e-5)
    assert layer.multiply_adds((3, 5)) == 60
    with pytest.raises(ValueError, match=r"Pointwise takes an input of shape \(channels, time\), got \(3,\)"):
        layer.output_shape((3,))
    with pytest.raises(ValueError, match="Pointwise has 0 units"):
        Pointwise(0)


def test_statistics_pooling_gives_means_then_deviations() -> None:
    x = examples((3, 8), dtype=np.float64)
    y, _ = StatisticsPooling(epsilon=1e-3).forward({}, x, None)
    np.testing.assert_allclose(y[:3], x.mean(axis=1), atol=1e-12)
    np.testing.assert_allclose(y[3:], np.sqrt(x.var(axis=1) + 1e-3), rtol=1e-12)
    with pytest.raises(ValueError, match=r"StatisticsPooling takes an input of shape \(channels, time\), got \(12,\)"):
        StatisticsPooling().output_shape((12,))


def test_merging_adds_probabilities() -> None:
    x = examples((6,), dtype=np.float64)
    x[:, 0] += 1_000  # whose exponential overflows
    y, _ = Merging(into=1, parts=3).forward({}, x, None)
    before, after = softmax(x), softmax(y)
    assert Merging(into=1, parts=3).output_shape((6,)) == (3,) == y.shape[:1]
    np.testing.assert_allclose(after[1], before[1] + before[3:].sum(axis=0), rtol=1e-12)
    np.testing.assert_allclose(after[[0, 2]], before[[0, 2]], rtol=1e-12)
    for shape in ((4,), (3,), (6, 2)):
        with pytest.raises(ValueError, match="Merging takes more than 4 logits, its 3 parts behind them"):
            Merging(into=1, parts=3).output_shape(shape)


def test_ineffective_epsilons_are_refused() -> None:
    for kind, epsilon in itertools.product((StatisticsPooling, BatchNorm), (0.0, -1e-5, 2.0, float("nan"))):
        with (
            case(kind.__name__, epsilon),
            pytest.raises(ValueError, match=f"{kind.__name__} has epsilon .* above 0 and at most 1"),
        ):
            kind(epsilon)


def test_statistics_pooling_of_a_constant_channel_is_that_constant_and_the_floor_of_the_deviation() -> None:
    # Up to rounding: six sixths of a number add up to the number itself only in some orders of summation, and the BLAS
    # kernel of the processor chooses the order. The rest must stay far below the root of epsilon.
    layer, time = StatisticsPooling(), 6
    for level in (0.0, 7.0, -100.0):
        with case(level):
            y, cache = layer.forward({}, np.full((2, time, 3), level, np.float32), np.random.default_rng(0))
            np.testing.assert_allclose(y[:2], level, rtol=1e-6)
            np.testing.assert_allclose(y[2:], np.sqrt(layer.epsilon), rtol=1e-3)
            # No frame differs from the mean, so the deviation has no gradient and that of the mean is shared equally.
            grad_x = layer.backward({}, {}, cache, np.ones_like(y))
            np.testing.assert_allclose(grad_x, 1 / time, rtol=0.05)


def test_residual_adds_its_branches() -> None:
    x = examples((3, 6), dtype=np.float64)
    np.testing.assert_array_equal(Residual((Tanh(),)).forward(_values(Residual((Tanh(),))), x, None)[0], np.tanh(x) + x)
    both = Residual((Tanh(),), (ReLU(),))
    np.testing.assert_array_equal(both.forward(_values(both), x, None)[0], np.tanh(x) + np.maximum(x, 0))
    work = Residual((Pointwise(4), Pointwise(2)), (Convolution(channels=2, kernel=1),))
    assert work.multiply_adds((3, 6)) == 6 * (12 + 8 + 6)


def _values(layer: Layer) -> dict:
    return filled(layer, (3, 6), np.float64).values


def test_residual_refuses_branches_of_different_shapes() -> None:
    message = r"layers of a Residual give \(4, 6\), its shortcut \(3, 6\); let a shortcut layer give \(4, 6\)"
    with pytest.raises(ValueError, match=message):
        Residual((Pointwise(4),)).output_shape((3, 6))
    with pytest.raises(ValueError, match=r"Residual give \(3, 3\), its shortcut \(3, 2\)"):
        Residual(
            (DepthwiseConvolution(kernel=3, stride=2, padding=1),), (DepthwiseConvolution(kernel=3, stride=3),)
        ).output_shape((3, 6))


def test_flatten_concatenates_the_frames() -> None:
    frames = np.arange(12.0).reshape(1, 4, 3)  # one example of 4 frames with 3 channels, as callers see it
    y, _ = Flatten().forward({}, frames.T, None)
    np.testing.assert_array_equal(y[:, 0], np.arange(12.0))
    with pytest.raises(ValueError, match="Flatten takes"):
        Flatten().output_shape((12,))


def test_dropout_has_its_rate_and_keeps_the_expectation() -> None:
    x = np.ones((200, 1000), np.float32)
    for rate in (0.1, 0.5, 0.9):
        with case(rate):
            y, _ = Dropout(rate).forward({}, x, np.random.default_rng(0))
            # Rates are rounded to 1/256; beyond that, 200,000 draws leave a standard deviation of at most 0.0012.
            assert np.mean(y == 0) == pytest.approx(rate, abs=1 / 512 + 0.005)
            assert np.unique(y).size == 2
            assert y.mean() == pytest.approx(1, abs=0.03)


def test_dropout_draws_from_the_generator_and_does_nothing_in_inference() -> None:
    layer, x = Dropout(0.5), examples((50,))
    first, second = (layer.forward({}, x, np.random.default_rng(3))[0] for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, layer.forward({}, x, np.random.default_rng(4))[0])
    np.testing.assert_array_equal(layer.forward({}, x, None)[0], x)


def test_dropout_refuses_impossible_rates() -> None:
    for rate in (-0.1, 1.0, float("nan")):
        with case(rate), pytest.raises(ValueError, match="Dropout has rate"):
            Dropout(rate)


def test_batch_norm_standardises_channels_to_mean_0_and_variance_1() -> None:
    layer, shape = BatchNorm(), (3, 4)
    parameters, x = filled(layer, shape), 5 + 10 * examples(shape, batch=50)
    y, _ = layer.forward(parameters.values, x, np.random.default_rng(0))
    normalised = (y.reshape(3, -1) - parameters.values["shift"]) / parameters.values["scale"]
    np.testing.assert_allclose(normalised.mean(axis=1), 0, atol=1e-5)
    np.testing.assert_allclose(normalised.std(axis=1), 1, atol=1e-4)


def test_batch_norm_statistics_converge_to_those_of_the_training_data() -> None:
    layer, shape = BatchNorm(), (3, 4)
    parameters, x = filled(layer, shape, np.float64), 5 + 10 * examples(shape, 50, np.float64)
    for _ in range(300):
        y, cache = layer.forward(parameters.values, x, np.random.default_rng(0))
        layer.backward(parameters.values, parameters.gradients, cache, np.ones_like(y))
        parameters.update_statistics()
    rows = x.reshape(3, -1)
    np.testing.assert_allclose(parameters.values["mean"][:, 0], rows.mean(axis=1))
    np.testing.assert_allclose(parameters.values["variance"][:, 0], rows.var(axis=1, ddof=1))


def test_batch_norm_survives_constant_channels_and_single_examples() -> None:
    layer = BatchNorm()
    parameters = filled(layer, (3,))
    for what, x in (("constant", np.full((3, 4), 7, np.float32)), ("single", examples((3,), batch=1))):
        with case(what):
            y, cache = layer.forward(parameters.values, x, np.random.default_rng(0))
            grad_x = layer.backward(parameters.values, parameters.gradients, cache, np.ones_like(y))
            assert np.isfinite(y).all()
            assert np.isfinite(grad_x).all()
            assert np.isfinite(parameters.gradient).all()
