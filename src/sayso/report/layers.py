"""The layers of a network as rows: what each is, what it gives, and what it costs."""

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
        In how many residual layers it lies.
    shortcut : bool
        Whether it lies in the shortcut of one.
    name : str
        Its kind and its settings.
    output : tuple of int
        Channels and moments of what it gives, or its features.
    parameters, multiply_adds : int
        What it learns, and what it costs for one window.
    """

    depth: int
    shortcut: bool
    name: str
    output: Shape
    parameters: int
    multiply_adds: int


def layer_rows(network: Network) -> list[LayerRow]:
    """List the layers of a network; those inside a residual one follow it."""
    return list(_rows(network.chain, network.input_shape[::-1], 0, False))


def _rows(chain: Chain, shape: Shape, depth: int, shortcut: bool) -> Iterator[LayerRow]:
    for layer, before, after in zip(chain.layers, chain.shapes(shape), chain.shapes(shape)[1:], strict=False):
        learned = [spec.size for _, spec in flatten(layer.parameters(before)) if spec.role != "statistic"]
        name = type(layer).__name__ + _sizes(layer)
        yield LayerRow(depth, shortcut, name, after, sum(learned), layer.multiply_adds(before))
        if isinstance(layer, Residual):
            yield from _rows(Chain(layer.layers), before, depth + 1, False)
            yield from _rows(Chain(layer.shortcut), before, depth + 1, True)


def _sizes(layer: Layer) -> str:
    """Write the settings of a layer that are no plain default."""
    given = {
        part.name: getattr(layer, part.name)
        for part in fields(layer)  # type: ignore[arg-type]
        if getattr(layer, part.name) != part.default and not isinstance(getattr(layer, part.name), tuple | bool)
    }
    return f" {', '.join(f'{name} {value:g}' for name, value in given.items())}" if given else ""
