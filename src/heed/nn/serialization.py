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
        If the kind or a setting is unknown, or a setting has the wrong type.
    """
    kind = LAYERS.get(str(description.get("kind")))
    if kind is None:
        raise ValueError(f"unknown layer {description.get('kind')!r}; known are {', '.join(LAYERS)}")
    settings = {name: value for name, value in description.items() if name != "kind"}
    known = {part.name: part.type for part in fields(kind)}  # type: ignore[arg-type]
    for name, value in settings.items():
        if known.get(name) is not type(value):
            raise ValueError(f"{kind.__name__} does not take {name} = {value!r}")
    return kind(**settings)
