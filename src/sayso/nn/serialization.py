"""Layers as plain values for a file, and back: only the kinds listed here can come out of a file, and no code runs."""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from itertools import count
from typing import Any

from sayso.nn.activations import ReLU, Tanh
from sayso.nn.batch_norm import BatchNorm
from sayso.nn.convolution import Convolution, Convolution2d, DepthwiseConvolution
from sayso.nn.dense import Dense, Flatten, Pointwise
from sayso.nn.dropout import Dropout
from sayso.nn.layer import Layer
from sayso.nn.merging import Merging
from sayso.nn.pooling import StatisticsPooling
from sayso.nn.residual import Residual
from sayso.nn.spectrum import Spectrum, Stack
from sayso.nn.time_blocks import TimeBlocks

LAYERS: dict[str, type[Layer]] = {
    kind.__name__: kind
    for kind in (
        Dense,
        Pointwise,
        Convolution,
        Convolution2d,
        DepthwiseConvolution,
        ReLU,
        Tanh,
        BatchNorm,
        Dropout,
        Residual,
        StatisticsPooling,
        Flatten,
        TimeBlocks,
        Spectrum,
        Stack,
        Merging,
    )
}

# Layers inside layers inside layers: no network of this library goes nearly as deep.
DEEPEST = 16
# Layers in all, those inside of others included.
MOST_LAYERS = 1_000


def layer_to_dict(layer: Layer) -> dict[str, Any]:
    """Describe a layer by its kind and its settings; a layer that is made of layers holds a list of them."""
    settings = {part.name: getattr(layer, part.name) for part in fields(layer)}  # type: ignore[arg-type]
    for name, value in settings.items():
        if isinstance(value, tuple):
            settings[name] = [layer_to_dict(inner) for inner in value]
    return {"kind": type(layer).__name__, **settings}


def layer_from_dict(description: Mapping[str, Any], numbers: Iterator[int] | None = None, depth: int = 0) -> Layer:
    """Build the layer that `layer_to_dict` described.

    Parameters
    ----------
    description : mapping
        The layer's kind and settings.
    numbers : iterator of int, optional
        Numbers the layers of the network that it belongs to, from 1.
    depth : int
        How many layers it stands in.

    Raises
    ------
    ValueError
        If the kind or a setting is unknown, a setting has the wrong type or is missing, or there are too many layers.
    """
    numbers = numbers or count(1)
    if next(numbers) > MOST_LAYERS:
        raise ValueError(f"there are more than {MOST_LAYERS} layers")
    if not isinstance(description, Mapping):
        raise ValueError(f"a layer is described by {description!r}; expected a mapping of its kind and settings")
    if depth > DEEPEST:
        raise ValueError(f"layers stand more than {DEEPEST} deep inside each other")
    kind = LAYERS.get(str(description.get("kind")))
    if kind is None:
        raise ValueError(f"unknown layer {description.get('kind')!r}; known are {', '.join(LAYERS)}")
    settings = {name: value for name, value in description.items() if name != "kind"}
    known = {part.name: part.type for part in fields(kind)}  # type: ignore[arg-type]
    for name, value in settings.items():
        if known.get(name) == tuple[Layer, ...] and isinstance(value, list | tuple):
            settings[name] = tuple(layer_from_dict(inner, numbers, depth + 1) for inner in value)
            continue
        # A file may hold a float without its fraction, such as 0 for 0.0.
        if known.get(name) is not type(value) and (known.get(name), type(value)) != (float, int):
            raise ValueError(f"{kind.__name__} does not take {name} = {value!r}")
    try:
        return kind(**settings)
    except TypeError as error:
        raise ValueError(f"{kind.__name__} lacks a setting: {error}") from error
