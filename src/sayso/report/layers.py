"""The layers of a network as rows: kind, output shape, number of parameters and of multiply-adds."""

from collections.abc import Iterator
from dataclasses import fields
from typing import NamedTuple

from sayso.nn import Chain, Layer, Network, Residual
from sayso.nn.parameters import Shape, flatten


class LayerRow(NamedTuple):
    """One layer.

    Attributes
    ----------
    depth : int
        Number of residual layers that contain it.
    shortcut : bool
        Whether it is part of the shortcut of a residual layer.
    name : str
        Its kind and settings.
    output : tuple of int
        Shape of its output: (channels, frames), (channels, bands, frames) or (features,).
    parameters, multiply_adds : int
        Number of learned parameters, and of multiply-adds for one window.
    """

    depth: int
    shortcut: bool
    name: str
    output: Shape
    parameters: int
    multiply_adds: int


def layer_rows(network: Network) -> list[LayerRow]:
    """List the layers of a network; the layers inside a residual layer follow it."""
    return list(_rows(network.chain, network.input_shape[::-1], 0, False))


def _rows(chain: Chain, shape: Shape, depth: int, shortcut: bool) -> Iterator[LayerRow]:
    for layer, before, after in zip(chain.layers, chain.shapes(shape), chain.shapes(shape)[1:], strict=False):
        sizes = [spec.size for _, spec in flatten(layer.parameters(before)) if spec.role != "statistic"]
        name = type(layer).__name__ + _sizes(layer)
        yield LayerRow(depth, shortcut, name, after, sum(sizes), layer.multiply_adds(before))
        if isinstance(layer, Residual):
            yield from _rows(Chain(layer.layers), before, depth + 1, False)
            yield from _rows(Chain(layer.shortcut), before, depth + 1, True)


def _sizes(layer: Layer) -> str:
    """Format the settings of a layer that differ from their defaults."""
    changed = {
        part.name: getattr(layer, part.name)
        for part in fields(layer)  # type: ignore[arg-type]
        if getattr(layer, part.name) != part.default and not isinstance(getattr(layer, part.name), tuple | bool)
    }
    return f" {', '.join(f'{name} {value:g}' for name, value in changed.items())}" if changed else ""
