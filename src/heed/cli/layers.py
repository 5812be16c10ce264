"""A network as a table: its layers, what each gives, and what it costs."""

from collections.abc import Iterator
from dataclasses import fields

from heed.cli.console import table
from heed.nn import Chain, Layer, Network, Residual
from heed.nn.parameters import Shape, flatten


def layer_table(network: Network) -> str:
    """Lay out the layers of a network with their outputs (channels x time), parameters and multiply-adds."""
    rows = _layers(network.chain, network.input_shape[::-1])
    return table(("layer", "output", "parameters", "multiply-adds"), rows)


def _layers(chain: Chain, shape: Shape, indent: str = "") -> Iterator[tuple[str, ...]]:
    """Yield a row for each layer; the layers inside a residual one stand below it."""
    for layer, before, after in zip(chain.layers, chain.shapes(shape), chain.shapes(shape)[1:], strict=False):
        learned = [spec.size for _, spec in flatten(layer.parameters(before)) if spec.role != "statistic"]
        counts = [f"{count:,}" if count else "" for count in (sum(learned), layer.multiply_adds(before))]
        yield (f"{indent}{type(layer).__name__}{_sizes(layer)}", " x ".join(map(str, after)), *counts)
        if isinstance(layer, Residual):
            yield from _layers(Chain(layer.layers), before, f"{indent}  ")
            yield from _layers(Chain(layer.shortcut), before, f"{indent}  shortcut ")


def _sizes(layer: Layer) -> str:
    """Write the settings of a layer that are no plain default."""
    given = {
        part.name: getattr(layer, part.name)
        for part in fields(layer)  # type: ignore[arg-type]
        if getattr(layer, part.name) != part.default and not isinstance(getattr(layer, part.name), tuple | bool)
    }
    return f" {', '.join(f'{name} {value:g}' for name, value in given.items())}" if given else ""
