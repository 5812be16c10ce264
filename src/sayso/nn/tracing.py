"""One example's way through a network and back, keeping for a look all that the layers pass on to each other.

The layers' own forward and backward functions do the work, as in training; but the network is in inference, as it is
when it is used: no dropout, and batch normalisation by its running statistics.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sayso.nn.chain import Chain
from sayso.nn.layer import Layer
from sayso.nn.loss import softmax, softmax_cross_entropy
from sayso.nn.network import Network
from sayso.nn.parameters import FloatArray, Views
from sayso.nn.residual import Residual


@dataclass(frozen=True, eq=False)
class Passage:
    """What went through one layer, forward and back.

    Attributes
    ----------
    name : str
        Where the layer stands, as in "3.Residual.layers.1.Pointwise".
    layer : Layer
        The layer.
    x, y : ndarray, shape (channels, time) or (features,)
        Input and output.
    grad_x, grad_y : ndarray, of the same shapes
        Derivative of the loss by each number of the two.
    values, gradients : mapping of ndarray
        The layer's parameters, and the derivative of the loss by each; nothing for layers made of layers.
    branches : dict of list of Passage
        What went on inside a residual layer, by the branch's name.
    """

    name: str
    layer: Layer
    x: FloatArray
    y: FloatArray
    grad_x: FloatArray
    grad_y: FloatArray
    values: Views
    gradients: Views
    branches: dict[str, list["Passage"]]


@dataclass(frozen=True, eq=False)
class Trace:
    """One example's way through a network and back.

    Attributes
    ----------
    passages : list of Passage
        Layer by layer, the input side first.
    logits, probabilities, targets, error : ndarray, shape (classes,)
        What the network says, as logits and as probabilities; what it should have said; and the derivative of the loss
        by each logit, which is where the way back begins.
    loss : float
        Cross-entropy in nats.
    gradient : ndarray, shape (parameters,)
        Derivative of the loss by every number of `Parameters.vector`; nought for statistics.
    """

    passages: list[Passage]
    logits: FloatArray
    probabilities: FloatArray
    targets: FloatArray
    error: FloatArray
    loss: float
    gradient: FloatArray


Way = Callable[[FloatArray], tuple[FloatArray, list[Passage]]]
"""The way back: from the gradient of the output to that of the input, and what passed on the way."""


def trace(network: Network, x: FloatArray, targets: FloatArray) -> Trace:
    """Send one example through a network, and the error at the output back.

    Parameters
    ----------
    network : Network
        The network; only `parameters.gradient` is written to.
    x : ndarray, shape input_shape
        The example.
    targets : ndarray, shape (classes,)
        Target probabilities.

    Returns
    -------
    trace : Trace
        Everything on the way, in the network's precision.

    Raises
    ------
    ValueError
        If the example does not have the shape that the network takes.
    """
    parameters = network.parameters
    logits, back = _through(network.chain, "", parameters.values, parameters.gradients, network.inside(x[None]))
    loss, error = softmax_cross_entropy(logits, targets[:, None].astype(logits.dtype))
    _, passages = back(error)
    return Trace(
        passages, logits[:, 0], softmax(logits)[:, 0], targets, error[:, 0], loss, parameters.gradient.copy()
    )  # fmt: skip


def _through(layer: Layer, name: str, values: Views, gradients: Views, x: FloatArray) -> tuple[FloatArray, Way]:
    """Go through a layer and return its output and the way back; layers that are made of layers are opened."""
    if isinstance(layer, Chain):
        return _through_chain(layer, name, values, gradients, x)
    if isinstance(layer, Residual):
        return _through_residual(layer, name, values, gradients, x)
    y, cache = layer.forward(values, x, None)

    def back(grad_y: FloatArray) -> tuple[FloatArray, list[Passage]]:
        # A layer may overwrite the gradient that it is given.
        grad_x = layer.backward(values, gradients, cache, grad_y.copy())
        kept = {key: view.copy() for key, view in gradients.items()}
        return grad_x, [_passage(name, layer, (x, y, grad_x, grad_y), values, kept, {})]

    return y, back


def _through_chain(chain: Chain, name: str, values: Views, gradients: Views, x: FloatArray) -> tuple[FloatArray, Way]:
    ways = []
    for part, layer in zip(chain.names, chain.layers, strict=True):
        x, way = _through(layer, f"{name}.{part}" if name else part, values[part], gradients[part], x)
        ways.append(way)

    def back(grad: FloatArray) -> tuple[FloatArray, list[Passage]]:
        passages: list[Passage] = []
        for way in reversed(ways):
            grad, passed = way(grad)
            passages = passed + passages
        return grad, passages

    return x, back


def _through_residual(
    layer: Residual, name: str, values: Views, gradients: Views, x: FloatArray
) -> tuple[FloatArray, Way]:
    ways, outputs = {}, []
    for branch, chain in layer.branches.items():
        output, ways[branch] = _through(chain, f"{name}.{branch}", values[branch], gradients[branch], x)
        outputs.append(output)
    y = outputs[0] + outputs[1]

    def back(grad_y: FloatArray) -> tuple[FloatArray, list[Passage]]:
        arrived = {branch: way(grad_y) for branch, way in ways.items()}
        grad_x = np.sum([grad for grad, _ in arrived.values()], axis=0)
        branches = {branch: passages for branch, (_, passages) in arrived.items()}
        return grad_x, [_passage(name, layer, (x, y, grad_x, grad_y), {}, {}, branches)]

    return y, back


def _passage(
    name: str,
    layer: Layer,
    arrays: tuple[FloatArray, FloatArray, FloatArray, FloatArray],
    values: Views,
    gradients: Views,
    branches: dict[str, list[Passage]],
) -> Passage:
    """Leave out the axis of a batch that holds one example."""
    x, y, grad_x, grad_y = (array[..., 0] for array in arrays)
    return Passage(name, layer, x, y, grad_x, grad_y, values, gradients, branches)
