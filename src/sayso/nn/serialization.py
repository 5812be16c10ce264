"""Layers to plain values for a file, and back: only the kinds listed here are loaded, and no code is executed."""

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

# Nesting of layers inside layers; no network of this library is nearly as deep.
MAX_DEPTH = 16
# Total number of layers, including nested ones.
MAX_LAYERS = 1_000


def layer_to_dict(layer: Layer) -> dict[str, Any]:
    """Describe a layer by its kind and its settings; nested layers become a list of descriptions."""
    settings = {part.name: getattr(layer, part.name) for part in fields(layer)}  # type: ignore[arg-type]
    for name, value in settings.items():
        if isinstance(value, tuple):
            settings[name] = [layer_to_dict(inner) for inner in value]
    return {"kind": type(layer).__name__, **settings}


def layer_from_dict(description: Mapping[str, Any], numbers: Iterator[int] | None = None, depth: int = 0) -> Layer:
    """Build a layer from the result of `layer_to_dict`.

    Parameters
    ----------
    description : mapping
        The layer's kind and settings.
    numbers : iterator of int, optional
        Running number of the layers in the whole network, from 1.
    depth : int
        Number of layers that this one is nested in.

    Raises
    ------
    ValueError
        If the kind or a setting is unknown, a setting has the wrong type or is missing, or there are too many layers.
    """
    numbers = numbers or count(1)
    if next(numbers) > MAX_LAYERS:
        raise ValueError(f"there are more than {MAX_LAYERS} layers")
    if not isinstance(description, Mapping):
        raise ValueError(f"a layer is described by {description!r}; expected a mapping of its kind and settings")
    if depth > MAX_DEPTH:
        raise ValueError(f"layers are nested more than {MAX_DEPTH} deep")
    kind = LAYERS.get(str(description.get("kind")))
    if kind is None:
        raise ValueError(f"unknown layer {description.get('kind')!r}; known are {', '.join(LAYERS)}")
    settings = {name: value for name, value in description.items() if name != "kind"}
    known = {part.name: part.type for part in fields(kind)}  # type: ignore[arg-type]
    for name, value in settings.items():
        if known.get(name) == tuple[Layer, ...] and isinstance(value, list | tuple):
            settings[name] = tuple(layer_from_dict(inner, numbers, depth + 1) for inner in value)
            continue
        # A file may hold a float without a fraction, such as 0 for 0.0.
        if known.get(name) is not type(value) and (known.get(name), type(value)) != (float, int):
            raise ValueError(f"{kind.__name__} does not take {name} = {value!r}")
    try:
        return kind(**settings)
    except TypeError as error:
        raise ValueError(f"{kind.__name__} lacks a setting: {error}") from error
