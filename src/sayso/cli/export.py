"""`sayso export`: write a model for other programs."""

from __future__ import annotations

from pathlib import Path

import click

from sayso.cli.console import note
from sayso.cli.options import MODEL


@click.command()
@click.argument("source", type=MODEL, metavar="MODEL")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, metavar="FILE",
    help="Where to save it; .onnx, .h, .json or .html says in which format.",
)  # fmt: skip
@click.option(
    "--int8", is_flag=True,
    help="Store the weights as 8-bit integers, a quarter of the size; a C header and a page always do.",
)  # fmt: skip
@click.option("--licence", help="Licence of the model, for those who get the file.")
def export(source: str, output: Path, int8: bool, licence: str | None) -> None:
    """Write MODEL for other programs: sound goes in, the probability of each label comes out.

    FILE.onnx is a graph for ONNX Runtime and others, FILE.h is C99 without dependencies for microcontrollers, and
    FILE.json is for the JavaScript library that is saved beside it. FILE.html is a page that recognises by itself, in a
    browser, without a server. MODEL is a file, or the name of a shipped model.

    Example: sayso export commands -o commands.onnx
    """
    from sayso.export import formats
    from sayso.model import shipped

    for path in formats.export(shipped.find(source), output, int8, licence):
        note(f"saved {path} ({path.stat().st_size / 1e6:.2g} MB)")
