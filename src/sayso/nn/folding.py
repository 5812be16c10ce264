"""Folding: convert a trained network to a smaller, equivalent one for inference.

In inference a batch normalisation only scales and shifts each channel by constants, which can be folded into the
weights of the linear layer before it. The matrix of a depthwise convolution is constant as well.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from sayso.nn.batch_norm import BatchNorm
from sayso.nn.chain import Chain
from sayso.nn.convolution import Convolution, DepthwiseConvolution
from sayso.nn.dense import Dense
from sayso.nn.dropout import Dropout
from sayso.nn.layer import Layer
from sayso.nn.network import Network
from sayso.nn.parameters import FloatArray, Shape, Views
from sayso.nn.residual import Residual
from sayso.nn.time_blocks import TimeBlocks

# Output frames per matrix product: fewer frames need more products, more frames put more zeros into each.
BLOCK = 7

Folded = list[tuple[Layer, dict[str, Any]]]
"""Layers, each with its parameters."""


def folded(network: Network, blocks: bool = True) -> Network:
    """Return a network without dropout and with batch normalisations folded into the linear layers before them.

    Parameters
    ----------
    network : Network
        A trained network; it is not modified.
    blocks : bool
        Whether depthwise convolutions become `TimeBlocks`, which are faster in NumPy.

    Returns
    -------
    network : Network
        Computes the same logits except for rounding. It accepts inputs of the same shape only and is meant for
        inference, not for further training.
    """
    layers = _fold(network.chain, network.parameters.values, network.input_shape[::-1], blocks)
    smaller = Network([layer for layer, _ in layers], network.input_shape, network.parameters.vector.dtype)
    smaller.parameters.assign(_named(layers))
    return smaller


def _fold(chain: Chain, values: Views, shape: Shape, blocks: bool) -> Folded:
    done: Folded = []
    for layer, name, input_shape in zip(chain.layers, chain.names, chain.shapes(shape), strict=False):
        before, learned = done[-1] if done else (None, {})
        if isinstance(layer, Dropout):
            continue
        if isinstance(layer, BatchNorm) and isinstance(before, Dense | Convolution):
            done[-1] = _absorb(before, learned, layer, values[name])
        elif blocks and isinstance(layer, DepthwiseConvolution):
            done.append(_in_blocks(layer, values[name]["weight"], input_shape))
        elif isinstance(layer, Chain):
            done += _fold(layer, values[name], input_shape, blocks)
        elif isinstance(layer, Residual):
            parts = {key: _fold(inner, values[name][key], input_shape, blocks) for key, inner in layer.branches.items()}
            inside = Residual(*(tuple(inner for inner, _ in part) for part in parts.values()))
            done.append((inside, {key: _named(part) for key, part in parts.items()}))
        else:
            done.append((layer, dict(values[name])))
    return done


def _in_blocks(layer: DepthwiseConvolution, weight: FloatArray, shape: Shape) -> tuple[Layer, dict[str, FloatArray]]:
    """Keep one block of the banded matrix of a depthwise convolution; all blocks are equal."""
    frames = layer.output_length(shape)
    block = -(-frames // max(round(frames / BLOCK), 1))
    span = (block - 1) * layer.stride + layer.span
    matrix = replace(layer, padding=0).matrix(weight, span)
    blocks = TimeBlocks(frames=frames, block=block, span=span, step=block * layer.stride, padding=layer.padding)
    return blocks, {"weight": matrix.transpose(0, 2, 1)}


def _absorb(
    layer: Dense | Convolution, learned: dict[str, FloatArray], norm: BatchNorm, values: Views
) -> tuple[Layer, dict[str, FloatArray]]:
    """Fold a normalisation into the linear layer before it.

    With y = W x + b and a gain g = scale / sqrt(variance + epsilon) per channel, the normalised output is
    g (y - mean) + shift = (g W) x + (g (b - mean) + shift): a linear layer again.
    """
    exact = {name: array.astype(np.float64) for name, array in values.items()}
    gain = exact["scale"] / np.sqrt(exact["variance"] + norm.epsilon)
    bias = gain * (learned.get("bias", 0.0) - exact["mean"]) + exact["shift"]
    weight = learned["weight"]
    return replace(layer, bias=True), {"weight": weight * gain.reshape(-1, *(1,) * (weight.ndim - 1)), "bias": bias}


def _named(layers: Folded) -> dict[str, Any]:
    """Return the parameters of the layers under the layers' names in a chain."""
    names = Chain(tuple(layer for layer, _ in layers)).names
    return {name: learned for name, (_, learned) in zip(names, layers, strict=True)}
