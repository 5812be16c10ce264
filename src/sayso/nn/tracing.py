"""Trace one example forward and backward through a network, keeping every layer's inputs, outputs and gradients.

The layers' own forward and backward functions are used, as in training, but in inference mode: without dropout, and
with the running statistics of batch normalisation.
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
    """The forward and the backward pass through one layer.

    Attributes
    ----------
    name : str
        Path of the layer, as in "3.Residual.layers.1.Pointwise".
    layer : Layer
        The layer.
    x, y : ndarray, shape (channels, time) or (features,)
        Input and output.
    grad_x, grad_y : ndarray, of the same shapes
        Derivatives of the loss with respect to these.
    values, gradients : mapping of ndarray
        The layer's parameters and the derivatives of the loss with respect to them; empty for a residual layer.
    branches : dict of list of Passage
        The passes through the layers inside a residual layer, by the branch's name.
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
    """The forward and the backward pass of one example through a network.

    Attributes
    ----------
    passages : list of Passage
        Layer by layer, input side first.
    logits, probabilities, targets, error : ndarray, shape (classes,)
        Output of the network as logits and as probabilities, the target probabilities, and the derivative of the loss
        with respect to the logits, where the backward pass begins.
    loss : float
        Cross-entropy in nats.
    gradient : ndarray, shape (parameters,)
        Derivative of the loss with respect to `Parameters.vector`; zero for statistics.
    """

    passages: list[Passage]
    logits: FloatArray
    probabilities: FloatArray
    targets: FloatArray
    error: FloatArray
    loss: float
    gradient: FloatArray


Backward = Callable[[FloatArray], tuple[FloatArray, list[Passage]]]
"""A backward pass: from the gradient of the output to that of the input and the passages on the way."""


def trace(network: Network, x: FloatArray, targets: FloatArray) -> Trace:
    """Run one example forward through a network and the error at the output backward.

    Parameters
    ----------
    network : Network
        The network; only `parameters.gradient` is modified.
    x : ndarray, shape input_shape
        The example.
    targets : ndarray, shape (classes,)
        Target probabilities.

    Returns
    -------
    trace : Trace
        All intermediate results, in the network's precision.

    Raises
    ------
    ValueError
        If the example does not have the shape that the network takes.
    """
    parameters = network.parameters
    logits, back = _through(network.chain, "", parameters.values, parameters.gradients, network.to_internal(x[None]))
    loss, error = softmax_cross_entropy(logits, targets[:, None].astype(logits.dtype))
    _, passages = back(error)
    return Trace(
        passages, logits[:, 0], softmax(logits)[:, 0], targets, error[:, 0], loss, parameters.gradient.copy()
    )  # fmt: skip


def _through(layer: Layer, name: str, values: Views, gradients: Views, x: FloatArray) -> tuple[FloatArray, Backward]:
    """Run a layer forward and return its output and its backward pass; composite layers are opened."""
    if isinstance(layer, Chain):
        return _through_chain(layer, name, values, gradients, x)
    if isinstance(layer, Residual):
        return _through_residual(layer, name, values, gradients, x)
    y, cache = layer.forward(values, x, None)

    def back(grad_y: FloatArray) -> tuple[FloatArray, list[Passage]]:
        # A layer may overwrite the gradient passed to it.
        grad_x = layer.backward(values, gradients, cache, grad_y.copy())
        kept = {key: view.copy() for key, view in gradients.items()}
        return grad_x, [_passage(name, layer, (x, y, grad_x, grad_y), values, kept, {})]

    return y, back


def _through_chain(
    chain: Chain, name: str, values: Views, gradients: Views, x: FloatArray
) -> tuple[FloatArray, Backward]:
    backwards = []
    for part, layer in zip(chain.names, chain.layers, strict=True):
        x, backward = _through(layer, f"{name}.{part}" if name else part, values[part], gradients[part], x)
        backwards.append(backward)

    def back(grad: FloatArray) -> tuple[FloatArray, list[Passage]]:
        passages: list[Passage] = []
        for backward in reversed(backwards):
            grad, inner = backward(grad)
            passages = inner + passages
        return grad, passages

    return x, back


def _through_residual(
    layer: Residual, name: str, values: Views, gradients: Views, x: FloatArray
) -> tuple[FloatArray, Backward]:
    backwards, outputs = {}, []
    for branch, chain in layer.branches.items():
        output, backwards[branch] = _through(chain, f"{name}.{branch}", values[branch], gradients[branch], x)
        outputs.append(output)
    y = outputs[0] + outputs[1]

    def back(grad_y: FloatArray) -> tuple[FloatArray, list[Passage]]:
        results = {branch: backward(grad_y) for branch, backward in backwards.items()}
        grad_x = np.sum([grad for grad, _ in results.values()], axis=0)
        branches = {branch: passages for branch, (_, passages) in results.items()}
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
    """Build a passage from arrays without their batch axis, which holds one example."""
    x, y, grad_x, grad_y = (array[..., 0] for array in arrays)
    return Passage(name, layer, x, y, grad_x, grad_y, values, gradients, branches)
