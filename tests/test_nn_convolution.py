"""Convolutions against plain loops over their definition."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cases import case
from nn_cases import examples, filled
from sayso.nn import Convolution, Convolution2d, DepthwiseConvolution, TimeBlocks
from sayso.nn.convolution import TimeWindow
from sayso.nn.layer import Layer
from sayso.nn.parameters import Shape

WINDOWS = {
    "kernel": st.integers(1, 6),
    "stride": st.integers(1, 4),
    "dilation": st.integers(1, 3),
    "padding": st.integers(0, 7),
}
TIME, INPUTS, BATCH = st.integers(1, 9), st.integers(1, 3), st.integers(1, 3)


def taps(layer: TimeWindow, time: int) -> tuple[int, list[tuple[int, int, int]]]:
    """Return the number of outputs, and each (output, tap, frame of the input) that is not in the padding."""
    last_tap = (layer.kernel - 1) * layer.dilation - layer.padding
    outputs = 0
    while outputs * layer.stride + last_tap < time + layer.padding:
        outputs += 1
    frames = [
        (output, tap, output * layer.stride + tap * layer.dilation - layer.padding)
        for output in range(outputs)
        for tap in range(layer.kernel)
    ]
    return outputs, [position for position in frames if 0 <= position[2] < time]


def check(layer: Layer, shape: Shape, batch: int, expected: np.ndarray, gradients) -> None:
    """Compare the output and the gradients of a layer with those that the loops computed."""
    parameters, x = filled(layer, shape, np.float64), examples(shape, batch, np.float64)
    assert layer.output_shape(shape) == expected.shape[:-1]
    y, cache = layer.forward(parameters.values, x, np.random.default_rng(0))
    np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-12)
    grad_y = examples(y.shape[:-1], batch, np.float64, seed=2)
    grad_x, grad_weight = gradients(grad_y)
    found = layer.backward(parameters.values, parameters.gradients, cache, grad_y.copy())
    np.testing.assert_allclose(found, grad_x, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(parameters.gradients["weight"], grad_weight, rtol=1e-12, atol=1e-12)


@settings(max_examples=150)
@given(channels=st.integers(1, 3), bias=st.booleans(), time=TIME, inputs=INPUTS, batch=BATCH, **WINDOWS)
def test_convolution_matches_its_definition(
    channels: int, bias: bool, time: int, inputs: int, batch: int, **window: int
) -> None:
    layer = Convolution(channels=channels, bias=bias, **window)
    outputs, positions = taps(layer, time)
    if outputs == 0:
        with pytest.raises(ValueError, match=f"Convolution spans {layer.span} frames, its input has"):
            layer.output_shape((inputs, time))
        return
    values, x = filled(layer, (inputs, time), np.float64).values, examples((inputs, time), batch, np.float64)
    y = np.zeros((channels, outputs, batch))
    for o in range(channels):
        if bias:
            y[o] += values["bias"][o]
        for c in range(inputs):
            for t, i, u in positions:
                y[o, t] += values["weight"][o, c, i] * x[c, u]

    def gradients(grad_y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        grad_x, grad_weight = np.zeros_like(x), np.zeros_like(values["weight"])
        for o in range(channels):
            for c in range(inputs):
                for t, i, u in positions:
                    grad_x[c, u] += values["weight"][o, c, i] * grad_y[o, t]
                    grad_weight[o, c, i] += np.sum(grad_y[o, t] * x[c, u])
        return grad_x, grad_weight

    check(layer, (inputs, time), batch, y, gradients)
    assert layer.multiply_adds((inputs, time)) == channels * inputs * layer.kernel * outputs


@settings(max_examples=150)
@given(
    channels=st.integers(1, 3),
    bias=st.booleans(),
    band_kernel=st.integers(1, 4),
    band_stride=st.integers(1, 3),
    bands=st.integers(1, 6),
    time=TIME,
    inputs=INPUTS,
    **WINDOWS,
)
def test_convolution_over_frequency_and_time_matches_its_definition(
    channels: int, bias: bool, band_kernel: int, band_stride: int, bands: int, time: int, inputs: int, **window: int
) -> None:
    layer = Convolution2d(channels=channels, bias=bias, band_kernel=band_kernel, band_stride=band_stride, **window)
    (outputs, frames), shape, batch = taps(layer, time), (inputs, bands, time), 2
    if outputs == 0 or bands < band_kernel:
        with pytest.raises(ValueError, match=r"Convolution2d spans \d+ (frames|bands), its input has"):
            layer.output_shape(shape)
        return
    lowest = range(0, bands - band_kernel + 1, band_stride)
    positions = [(f, j, low + j, *rest) for f, low in enumerate(lowest) for j in range(band_kernel) for rest in frames]
    values, x = filled(layer, shape, np.float64).values, examples(shape, batch, np.float64)
    weight = values["weight"]
    y = np.zeros((channels, len(lowest), outputs, batch))
    for o in range(channels):
        if bias:
            y[o] += values["bias"][o]
        for c in range(inputs):
            for f, j, g, t, i, u in positions:
                y[o, f, t] += weight[o, c, j, i] * x[c, g, u]

    def gradients(grad_y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        grad_x, grad_weight = np.zeros_like(x), np.zeros_like(weight)
        for o in range(channels):
            for c in range(inputs):
                for f, j, g, t, i, u in positions:
                    grad_x[c, g, u] += weight[o, c, j, i] * grad_y[o, f, t]
                    grad_weight[o, c, j, i] += np.sum(grad_y[o, f, t] * x[c, g, u])
        return grad_x, grad_weight

    check(layer, shape, batch, y, gradients)
    assert layer.multiply_adds(shape) == weight.size * len(lowest) * outputs


@settings(max_examples=150)
@given(time=TIME, channels=INPUTS, batch=BATCH, **WINDOWS)
def test_depthwise_convolution_matches_its_definition(time: int, channels: int, batch: int, **window: int) -> None:
    layer = DepthwiseConvolution(**window)
    outputs, positions = taps(layer, time)
    if outputs == 0:
        with pytest.raises(ValueError, match=f"DepthwiseConvolution spans {layer.span} frames, its input has"):
            layer.output_shape((channels, time))
        return
    weight = filled(layer, (channels, time), np.float64).values["weight"]
    x = examples((channels, time), batch, np.float64)
    y = np.zeros((channels, outputs, batch))
    for c in range(channels):
        for t, i, u in positions:
            y[c, t] += weight[c, i] * x[c, u]

    def gradients(grad_y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        grad_x, grad_weight = np.zeros_like(x), np.zeros_like(weight)
        for c in range(channels):
            for t, i, u in positions:
                grad_x[c, u] += weight[c, i] * grad_y[c, t]
                grad_weight[c, i] += np.sum(grad_y[c, t] * x[c, u])
        return grad_x, grad_weight

    check(layer, (channels, time), batch, y, gradients)
    assert layer.multiply_adds((channels, time)) == channels * layer.kernel * outputs


def test_the_response_to_a_pattern_does_not_depend_on_its_position() -> None:
    layer = Convolution(channels=2, kernel=3, padding=1)
    values = filled(layer, (3, 12)).values
    x = np.zeros((3, 12, 2), np.float32)
    x[:, 2:5, 0] = x[:, 6:9, 1] = examples((3, 3), 1)[..., 0]
    y, _ = layer.forward(values, x, None)
    np.testing.assert_allclose(y[:, 1:6, 0], y[:, 5:10, 1], rtol=1e-6)


def test_impossible_windows_are_refused() -> None:
    window = ("kernel", "stride", "dilation", "padding")
    for layer, names in (
        (Convolution(channels=2, kernel=3), window),
        (Convolution2d(channels=2, kernel=3, band_kernel=3), (*window, "band_kernel", "band_stride")),
        (DepthwiseConvolution(kernel=3), window),
        (TimeBlocks(frames=6, block=2, span=4, step=2), ("frames", "block", "span", "step", "padding")),
    ):
        for name in names:
            least = 0 if name == "padding" else 1
            for value, bound in (
                (least - 1, f"at least {least}"),
                (-3, f"at least {least}"),
                (65_537, "at most 65536"),
            ):
                message = f"^{type(layer).__name__} has {name} {value}; expected {bound}$"
                with case(message), pytest.raises(ValueError, match=message):
                    replace(layer, **{name: value})


def test_inputs_that_do_not_fit_are_refused() -> None:
    for layer in (Convolution(channels=2, kernel=3, dilation=3), DepthwiseConvolution(kernel=3, dilation=3)):
        kind = type(layer).__name__
        with case(kind):
            with pytest.raises(ValueError, match=rf"{kind} takes an input of shape \(channels, time\), got \(12,\)"):
                layer.output_shape((12,))
            with pytest.raises(ValueError, match=f"{kind} spans 7 frames, its input has 6 .* make the kernel smaller"):
                layer.output_shape((2, 6))
            assert layer.output_shape((2, 7)) == (2, 1)
    with pytest.raises(ValueError, match="Convolution has 0 channels; expected at least 1"):
        Convolution(channels=0, kernel=3)
