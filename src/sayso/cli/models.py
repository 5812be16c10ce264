"""`sayso models`: list the models that come with sayso."""

import json
from typing import Any

import click

from sayso.cli.console import say
from sayso.cli.options import format_option
from sayso.cli.tables import accuracy, filled, table


@click.command()
@format_option("table", "json")
def models(style: str) -> None:
    """List the models that come with sayso; each is used by its name.

    Example: sayso models
    """
    from sayso.model import model_file, shipped
    from sayso.model.metadata import scores_of

    facts: list[dict[str, Any]] = []
    for name, path in shipped.models().items():
        model = model_file.load(path)
        facts.append({
            "name": name,
            "default": name == shipped.DEFAULT,
            "path": str(path),
            "bytes": path.stat().st_size,
            "labels": list(model.labels),
            "parameters": model.network.parameter_count,
            "multiply_adds": model.network.multiply_adds,
            "scores": model.scores,
        })  # fmt: skip
    if style == "json":
        click.echo(json.dumps(facts, indent=2))
        return
    rows = [
        (
            f"{fact['name']}{' (default)' if fact['default'] else ''}",
            f"{fact['parameters']:,}",
            f"{fact['multiply_adds'] / 1e6:.1f} M",
            f"{fact['bytes'] / 1e6:.1f} MB",
            # The first score is on the test set without added noise; those with noise follow.
            next(map(accuracy, scores_of(fact["scores"]).values()), "unknown"),
        )
        for fact in facts
    ]
    say(table(("name", "parameters", "multiply-adds", "file", "accuracy"), rows))
    by_labels: dict[tuple[str, ...], list[str]] = {}
    for fact in facts:
        by_labels.setdefault(tuple(fact["labels"]), []).append(fact["name"])
    for labels, names in by_labels.items():
        say("\n" + filled(f"labels of {', '.join(names)}: {', '.join(labels)}"))
