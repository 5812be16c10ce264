"""Layers as plain values for a file, and back: only the kinds listed here can come out of a file, and no code runs."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from heed.nn.activations import ReLU, Tanh
from heed.nn.batch_norm import BatchNorm
from heed.nn.dense import Dense, Flatten
from heed.nn.dropout import Dropout
from heed.nn.layer import Layer

LAYERS: dict[str, type[Layer]] = {kind.__name__: kind for kind in (Dense, Flatten, ReLU, Tanh, Dropout, BatchNorm)}


def layer_to_dict(layer: Layer) -> dict[str, Any]:
    """Describe a layer by its kind and its settings."""
    settings = {part.name: getattr(layer, part.name) for part in fields(layer)}  # type: ignore[arg-type]
    return {"kind": type(layer).__name__, **settings}


def layer_from_dict(description: Mapping[str, Any]) -> Layer:
    """Build the layer that `layer_to_dict` described.

    Raises
    ------
    ValueError
        If the kind or a setting is unknown, a setting has the wrong type or is missing.
    """
    if not isinstance(description, Mapping):
        raise ValueError(f"a layer is described by {description!r}; expected a mapping of its kind and settings")
    kind = LAYERS.get(str(description.get("kind")))
    if kind is None:
        raise ValueError(f"unknown layer {description.get('kind')!r}; known are {', '.join(LAYERS)}")
    settings = {name: value for name, value in description.items() if name != "kind"}
    known = {part.name: part.type for part in fields(kind)}  # type: ignore[arg-type]
    for name, value in settings.items():
        # A file may hold a float without its fraction, such as 0 for 0.0.
        if known.get(name) is not type(value) and (known.get(name), type(value)) != (float, int):
            raise ValueError(f"{kind.__name__} does not take {name} = {value!r}")
    try:
        return kind(**settings)
    except TypeError as error:
        raise ValueError(f"{kind.__name__} lacks a setting: {error}") from error
