"""The last layer of a model that learns words from few examples: rows for new words, and changed rows for known ones.

A row is learned like a logistic regression: the loss is convex, so that there is one best solution, and it is held
close to what the row was before. All other rows stay as they are: what the model makes of other words changes only
where a new word takes their place.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sayso.config import SILENCE, UNKNOWN
from sayso.model.pack import Space
from sayso.nn import Dense, Merging, Network, Residual
from sayso.nn.loss import softmax, softmax_cross_entropy
from sayso.nn.parameters import Views

FloatArray = NDArray[np.float32]

# Weight of the squared coefficients, in the coordinates of a `Space`, against the mean loss.
PENALTY = 0.01
# Steps of the descent at most, the length of the gradient at which it ends, and its shortest step.
ITERATIONS, TOLERANCE, SMALLEST_STEP = 200, 1e-4, 1e-6


class Examples(NamedTuple):
    """What a last layer learns from.

    Attributes
    ----------
    inputs : ndarray of float32, shape (n, width)
        Inputs of the last layer.
    targets : ndarray of float32, shape (labels, n)
        The probability that each label should have.
    weights : ndarray of float32, shape (n,)
        By how much each example counts.
    """

    inputs: FloatArray
    targets: FloatArray
    weights: FloatArray

    @classmethod
    def joined(cls, parts: Sequence["Examples"]) -> "Examples":
        """Return the examples of several groups."""
        return cls(
            np.concatenate([part.inputs for part in parts]),
            np.concatenate([part.targets for part in parts], axis=1),
            np.concatenate([part.weights for part in parts]),
        )


def labels_with(known: Sequence[str], words: Sequence[str]) -> tuple[str, ...]:
    """Return the labels of the new model: known words, new words, and finally unknown and silence, as always."""
    special = [label for label in known if label in (UNKNOWN, SILENCE)]
    return (*dict.fromkeys([*(label for label in known if label not in special), *words]), *special)


def extended(last: Network, known: Sequence[str], labels: Sequence[str]) -> Network:
    """Return a last layer with more labels: the logits of known labels stay, those of new ones are 0."""
    layer, *behind = last.chain.layers
    parts = sum(layer.parts for layer in behind if isinstance(layer, Merging))
    outputs = len(labels) + parts
    places = [*map(labels.index, known), *range(len(labels), outputs)]
    if isinstance(layer, Residual):
        wider: Dense | Residual = Residual((*layer.layers[:-1], Dense(outputs)), (Dense(outputs),))
    else:
        wider = Dense(outputs)
    merging = [Merging(labels.index(UNKNOWN), parts)] if parts else []
    network = Network([wider, *merging], last.input_shape)
    network.parameters.vector[:] = 0
    _copy(last.parameters.named(), network.parameters.named(), places)
    return network


def _copy(source: Mapping[str, FloatArray], target: Mapping[str, FloatArray], places: Sequence[int]) -> None:
    """Copy parameters; where there are more rows in the target, to these."""
    for (name, values), view in zip(source.items(), target.values(), strict=True):
        if len(values) == len(view):
            view[...] = values
        elif len(values) == len(places):
            view[places] = values
        else:
            raise ValueError(f"{name} has {len(values)} rows")


def replaced(network: Network, last: Network) -> Network:
    """Return a network with another last layer."""
    joined = Network([*network.chain.layers[: network.last], *last.chain.layers], network.input_shape)
    values = {name: network.parameters.values[name] for name in network.chain.names[: network.last]}
    values[joined.chain.names[network.last]] = last.parameters.values[last.chain.names[0]]
    joined.parameters.assign(values)
    return joined


def probabilities(last: Network, inputs: FloatArray, known: Sequence[str], labels: Sequence[str]) -> FloatArray:
    """Return the probabilities that a last layer gives to its labels, at their places among more labels.

    Returns
    -------
    probabilities : ndarray, shape (labels, n)
        With 0 for labels that it does not know.
    """
    targets = np.zeros((len(labels), len(inputs)), np.float32)
    targets[[labels.index(label) for label in known]] = softmax(last.logits(inputs).T)
    return targets


def fitted(last: Network, space: Space, examples: Examples, rows: Sequence[int]) -> Network:
    """Return a last layer of which some rows have learned from examples.

    Parameters
    ----------
    last : Network
        The last layer before.
    space : Space
        Coordinates in which the change of a row is penalised.
    examples : Examples
        What to learn from.
    rows : sequence of int
        The labels whose rows learn.
    """
    coordinates = space.coordinates(examples.inputs)
    count, dimensions = coordinates.shape
    raw, merge = _raw_logits(last, examples.inputs)
    weights = examples.weights * np.float32(count / examples.weights.sum())
    chosen = list(rows)

    def loss(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        change = flat.reshape(len(chosen), dimensions + 1).astype(np.float32)
        logits = raw.copy()
        logits[chosen] += change[:, :-1] @ coordinates.T + change[:, -1:]
        merged, cache = merge.forward({}, logits, None) if merge else (logits, None)
        mean, gradient = softmax_cross_entropy(merged, examples.targets, weights)
        if merge and cache is not None:
            gradient = merge.backward({}, {}, cache, gradient)
        down = gradient[chosen]
        # The constants are free; the coefficients are held close to zero.
        total = mean + 0.5 * PENALTY * float(np.square(change[:, :-1]).sum())
        slope = np.concatenate([down @ coordinates + PENALTY * change[:, :-1], down.sum(axis=1, keepdims=True)], axis=1)
        return total, slope.ravel().astype(np.float64)

    start = np.zeros(len(chosen) * (dimensions + 1))
    found = minimised(loss, start)
    change = found.reshape(len(chosen), dimensions + 1).astype(np.float32)
    weight = change[:, :-1] @ space.projection.T
    learned = Network(last.chain.layers, last.input_shape)
    learned.parameters.vector[:] = last.parameters.vector
    direct = _direct(learned)
    direct["weight"][chosen] += weight
    direct["bias"][chosen] += (change[:, -1] - weight @ space.centre).reshape(direct["bias"][chosen].shape)
    return learned


def minimised(
    loss: Callable[[NDArray[np.float64]], tuple[float, NDArray[np.float64]]], start: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Descend to the minimum of a smooth convex function by gradient descent with momentum.

    A. Beck and M. Teboulle, "A fast iterative shrinkage-thresholding algorithm", 2009, with a step that shrinks until
    it decreases the function enough; the momentum starts anew where it leads uphill (B. O'Donoghue and E. Candès,
    "Adaptive restart for accelerated gradient schemes", 2015).

    Parameters
    ----------
    loss : callable
        Returns the function and its gradient.
    start : ndarray, shape (n,)
        Where to begin.
    """
    here, ahead, momentum, step = start, start, 1.0, 1.0
    for _ in range(ITERATIONS):
        value, gradient = loss(ahead)
        square = float(gradient @ gradient)
        if square < TOLERANCE**2:
            break
        while loss(ahead - step * gradient)[0] > value - 0.5 * step * square and step > SMALLEST_STEP:
            step *= 0.5
        following = ahead - step * gradient
        if gradient @ (following - here) > 0:
            momentum = 1.0
        faster = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        ahead = following + (momentum - 1) / faster * (following - here)
        here, momentum, step = following, faster, 1.3 * step
    return here


def rows(last: Network, labels: Sequence[int]) -> tuple[FloatArray, FloatArray]:
    """Return the weights and constants with which the logits of some labels are computed, without a hidden layer."""
    direct = _direct(last)
    return direct["weight"][labels].copy(), direct["bias"].reshape(-1)[labels].copy()


def with_rows(last: Network, labels: Sequence[int], weight: FloatArray, bias: FloatArray) -> Network:
    """Return a last layer in which the logits of some labels are computed with other weights and constants."""
    changed = Network(last.chain.layers, last.input_shape)
    changed.parameters.vector[:] = last.parameters.vector
    direct = _direct(changed)
    direct["weight"][labels], direct["bias"].reshape(-1)[labels] = weight, bias
    return changed


def _raw_logits(last: Network, inputs: FloatArray) -> tuple[FloatArray, Merging | None]:
    """Return the logits before classes are merged, with all parts of unknown speech as one, and how to merge them."""
    layer, *behind = last.chain.layers
    alone = Network([layer], last.input_shape)
    alone.parameters.vector[:] = last.parameters.vector
    logits = np.ascontiguousarray(alone.logits(inputs).T)
    if not behind:
        return logits, None
    (merging,) = behind
    assert isinstance(merging, Merging)
    labels = len(logits) - merging.parts
    parts = np.logaddexp.reduce(logits[labels:], axis=0, keepdims=True)
    return np.concatenate([logits[:labels], parts]), Merging(merging.into, 1)


def _direct(last: Network) -> Views:
    """Return the parameters that map the inputs to logits without a hidden layer."""
    values = last.parameters.values[last.chain.names[0]]
    direct: Views = values["shortcut"]["0.Dense"] if isinstance(last.chain.layers[0], Residual) else values
    return direct
