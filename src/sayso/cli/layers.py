"""A network as a table: its layers, what each gives, and what it costs."""

from sayso.cli.console import table
from sayso.nn import Network
from sayso.report.layers import layer_rows


def layer_table(network: Network) -> str:
    """Lay out the layers of a network with their outputs (channels x time), parameters and multiply-adds."""
    rows = [
        (
            f"{'  ' * row.depth}{'shortcut ' if row.shortcut else ''}{row.name}",
            " x ".join(map(str, row.output)),
            *(f"{count:,}" if count else "" for count in (row.parameters, row.multiply_adds)),
        )
        for row in layer_rows(network)
    ]
    return table(("layer", "output", "parameters", "multiply-adds"), rows)
