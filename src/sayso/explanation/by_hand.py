"""Single weights worked by hand: the chain rule step by step, with the numbers of the network's own passes.

The gradient of a weight of the last layer has two factors: the error at its output and the value of its input. A weight
of a hidden layer acts on the loss only through the layers above, so its chain is longer.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sayso.nn import (
    BatchNorm,
    Dense,
    Dropout,
    Layer,
    Merging,
    Network,
    Pointwise,
    ReLU,
    Residual,
    StatisticsPooling,
    Tanh,
)
from sayso.nn.parameters import Views
from sayso.nn.tracing import Passage, Trace

FloatArray = NDArray[np.floating[Any]]

# By how much one weight is changed to measure the slope of the loss.
NUDGE = 1e-4

# Computes the loss of the clip with a changed network.
LossOf = Callable[[Network], float]


@dataclass(frozen=True)
class Weight:
    """One weight, with its gradient by the chain rule and by a finite difference.

    Attributes
    ----------
    output, input : int
        Indices of the output and the input that it connects.
    value : float
        The weight.
    error, signal : float
        Gradient of the loss with respect to the output, and the value of the input: the factors of the chain rule. If
        the layer has frames, those at the frame that contributes most.
    gradient : float
        Gradient of the loss with respect to the weight, by backpropagation.
    above, below : float
        The loss with the weight `NUDGE` larger and smaller.
    """

    output: int
    input: int
    value: float
    error: float
    signal: float
    gradient: float
    above: float
    below: float

    @property
    def slope(self) -> float:
        """Slope of the loss by the central difference."""
        return (self.above - self.below) / (2 * NUDGE)


@dataclass(frozen=True)
class Term:
    """What one output contributes to the gradient of an input of the last layer: its error times a weight.

    Attributes
    ----------
    output : int
        Index of the output.
    error, weight : float
        The error at the output, and the weight from the input to it.
    """

    output: int
    error: float
    weight: float

    @property
    def product(self) -> float:
        """The contribution."""
        return self.error * self.weight


@dataclass(frozen=True)
class Sum:
    """The gradient of the loss with respect to one input of the last layer.

    Attributes
    ----------
    input : int
        Index of the input.
    terms : tuple of Term
        The contributions of all outputs, the largest first.
    total : float
        Their sum, by backpropagation.
    """

    input: int
    terms: tuple[Term, ...]
    total: float


@dataclass(frozen=True)
class Pooled:
    """The way of the gradient through a pooling over time, in one channel at one frame.

    Attributes
    ----------
    value, mean, deviation : float
        The value at the frame, and the mean and deviation of the channel.
    frames : int
        Number of frames.
    gradient : float
        Gradient of the loss with respect to the value, by backpropagation.
    """

    value: float
    mean: float
    deviation: float
    frames: int
    gradient: float


@dataclass(frozen=True)
class Step:
    """The way of the gradient through a layer that treats every value on its own.

    Attributes
    ----------
    number : str
        Number of the layer, as on the page.
    layer : Layer
        The layer.
    slope : float
        Derivative of its output by its input.
    gradient : float
        Gradient of the loss with respect to its input, by backpropagation.
    """

    number: str
    layer: Layer
    slope: float
    gradient: float


@dataclass(frozen=True)
class HiddenChain:
    """The chain rule from the loss down to one weight of the last hidden layer.

    Attributes
    ----------
    number : str
        Number of the hidden layer, as on the page.
    sums : tuple of Sum
        Gradients of the inputs of the last layer that depend on the unit: one, or its mean and its deviation over time.
    pooled : Pooled or None
        The step through a pooling over time, if there is one.
    steps : tuple of Step
        The steps through the layers between, the highest first.
    weight : Weight
        The weight.
    frame, frames : int
        The frame that contributes most to the gradient of the weight, from 0, and the number of frames that share it.
    """

    number: str
    sums: tuple[Sum, ...]
    pooled: Pooled | None
    steps: tuple[Step, ...]
    weight: Weight
    frame: int
    frames: int


def last_weight(network: Network, traced: Trace, loss_of: LossOf) -> Weight | None:
    """Choose the weight of the last layer with the largest gradient; None if that layer is not dense.

    Parameters
    ----------
    network : Network
        The network; it is not changed.
    traced : Trace
        Its passes on the clip.
    loss_of : callable
        Computes the loss of the clip with a changed network.
    """
    last, *behind = traced.passages[network.last :]
    if type(last.layer) is not Dense:
        return None
    candidates = np.abs(last.gradients["weight"][: network.classes])
    for passage in behind:
        if isinstance(passage.layer, Merging):
            # One of several outputs that are merged into one label is not instructive.
            candidates[passage.layer.into] = 0
    return _weight(network, last, *_largest(candidates), last.grad_y[:, None], last.x[:, None], loss_of)[0]


def hidden_chain(network: Network, traced: Trace, loss_of: LossOf) -> HiddenChain | None:
    """Follow the chain rule to the weight of the last hidden layer with the largest gradient.

    None if there is no hidden layer, or if other layers are between than those of the ready-made networks.

    Parameters
    ----------
    network, traced, loss_of
        As for `last_weight`.
    """
    last = traced.passages[network.last]
    found = _hidden_layer(traced.passages[: network.last])
    if type(last.layer) is not Dense or found is None:
        return None
    (number, hidden), between = found
    pooling = between.pop()[1] if between and isinstance(between[-1][1].layer, StatisticsPooling) else None
    slopes = [_slope(passage) for _, passage in between]
    if any(slope is None for slope in slopes) or (hidden.y.ndim == 2) != (pooling is not None):
        return None
    unit, entry = _largest(np.abs(hidden.gradients["weight"]))
    errors, signals = (values.reshape(len(values), -1) for values in (hidden.grad_y, hidden.x))
    weight, frame = _weight(network, hidden, unit, entry, errors, signals, loss_of)
    steps = []
    for (place, passage), slope in zip(reversed(between), reversed(slopes), strict=True):
        after = passage.grad_y if isinstance(passage.layer, Residual) else passage.grad_x
        steps.append(Step(place, passage.layer, _at(slope, unit, frame), _at(after, unit, frame)))
    pooled, inputs = None, [unit]
    if pooling:
        channels, frames = pooling.x.shape
        inputs = [unit, channels + unit]
        pooled = Pooled(
            value=_at(pooling.x, unit, frame),
            mean=float(pooling.y[unit]),
            deviation=float(pooling.y[channels + unit]),
            frames=frames,
            gradient=_at(pooling.grad_x, unit, frame),
        )
    sums = tuple(_sum(last, place) for place in inputs)
    return HiddenChain(number, sums, pooled, tuple(steps), weight, frame, errors.shape[1])


Numbered = tuple[str, Passage]


def _hidden_layer(passages: Sequence[Passage]) -> tuple[Numbered, list[Numbered]] | None:
    """Return the last layer with a weight matrix, and the layers above it, each with its number on the page."""
    numbered = [(str(place), passage) for place, passage in enumerate(passages, 1)]
    for place in reversed(range(len(numbered))):
        number, passage = numbered[place]
        above = numbered[place + 1 :]
        if type(passage.layer) in (Dense, Pointwise):
            return numbered[place], above
        if isinstance(passage.layer, Residual):
            found = _hidden_layer(passage.branches["layers"])
            if found is None:
                return None
            (first, hidden), between = found
            inside = [(f"{number}.{inner}", inner_passage) for inner, inner_passage in between]
            return (f"{number}.{first}", hidden), [*inside, numbered[place], *above]
        if passage.gradients and not isinstance(passage.layer, BatchNorm):
            return None
    return None


def _slope(passage: Passage) -> FloatArray | None:
    """Return dy/dx of each value of a layer that treats every value on its own; a shortcut is added with slope 1."""
    layer, values = passage.layer, passage.values
    if isinstance(layer, ReLU):
        return (passage.x > 0).astype(passage.x.dtype)
    if isinstance(layer, Tanh):
        return 1 - np.square(passage.y)
    if isinstance(layer, Dropout | Residual):
        return np.ones_like(passage.y)
    if isinstance(layer, BatchNorm):
        return _gain(layer, values).reshape(-1, *[1] * (passage.y.ndim - 1)) * np.ones_like(passage.y)
    return None


def _gain(layer: BatchNorm, values: Views) -> FloatArray:
    gain: FloatArray = values["scale"][:, 0] / np.sqrt(values["variance"][:, 0] + layer.epsilon)
    return gain


def _at(values: FloatArray | None, unit: int, frame: int) -> float:
    """Return the value of a unit, at a frame if there are frames."""
    assert values is not None
    return float(values[unit] if values.ndim == 1 else values[unit, frame])


def _sum(last: Passage, place: int) -> Sum:
    terms = [
        Term(output, float(error), float(weight))
        for output, (error, weight) in enumerate(zip(last.grad_y, last.values["weight"][:, place], strict=True))
    ]
    terms.sort(key=lambda term: -abs(term.product))
    return Sum(place, tuple(terms), float(last.grad_x[place]))


def _largest(candidates: FloatArray) -> tuple[int, int]:
    output, entry = np.unravel_index(candidates.argmax(), candidates.shape)
    return int(output), int(entry)


def _weight(
    network: Network,
    passage: Passage,
    output: int,
    entry: int,
    errors: FloatArray,
    signals: FloatArray,
    loss_of: LossOf,
) -> tuple[Weight, int]:
    """Measure the slope of the loss along one weight of a copy of the network.

    The errors at the outputs and the signals at the inputs have the shape (units, frames); also returns the frame whose
    product of both is largest.
    """
    changed = copy.deepcopy(network)
    view = changed.parameters.named()[f"{passage.name}.weight"]
    value, losses = float(view[output, entry]), []
    for sign in (1, -1):
        view[output, entry] = value + sign * NUDGE
        losses.append(loss_of(changed))
    frame = int(np.abs(errors[output] * signals[entry]).argmax())
    weight = Weight(
        output=output,
        input=entry,
        value=value,
        error=float(errors[output, frame]),
        signal=float(signals[entry, frame]),
        gradient=float(passage.gradients["weight"][output, entry]),
        above=losses[0],
        below=losses[1],
    )
    return weight, frame
