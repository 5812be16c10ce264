"""`sayso info`: describe a model and how it was trained."""

import json
from typing import Any

import click

from sayso.cli.console import say
from sayso.cli.options import format_option, model_option
from sayso.cli.tables import accuracy, facts_table, percent


@click.command()
@model_option
@format_option("table", "json")
def info(model: str | None, style: str) -> None:
    """Describe a model: its labels, features, training, scores and layers.

    Example: sayso info -m commands-tiny
    """
    from sayso.cli.tables import layer_table
    from sayso.model import model_file, shipped

    path = shipped.find(model or shipped.DEFAULT)
    loaded, header = model_file.load(path), model_file.load_header(path)
    network, features = loaded.network, loaded.features
    facts = {
        "file": str(path),
        "labels": list(loaded.labels),
        "layers": header["network"]["layers"],
        "parameters": network.parameter_count,
        "multiply_adds": network.multiply_adds,
        **{key: header.get(key) for key in ("features", "decision", "training", "scores", "versions")},
    }
    if style == "json":
        click.echo(json.dumps(facts, indent=2))
        return
    kind = (
        f"{features.coefficients} MFCC of {features.mel_bands} mel bands"
        if features.coefficients
        else f"{features.mel_bands} log-mel bands"
    )
    lines = {
        "file": f"{path} ({path.stat().st_size / 1e6:.1f} MB)",
        "labels": ", ".join(loaded.labels),
        "parameters": f"{network.parameter_count:,}",
        "multiply-adds": f"{network.multiply_adds:,} for {features.clip:g} s of sound",
        "features": f"{kind}, {1e3 * features.window:g} ms every {1e3 * features.hop:g} ms, {features.sample_rate} Hz",
        "trained on": _training_data(loaded.training),
        "validation": _validation(loaded.training),
        **{
            f"score {number}": f"{accuracy(score)} on {name}"
            for number, (name, score) in enumerate(loaded.scores.items(), 1)
        },
        "made with": _versions(header.get("versions")),
    }
    say(facts_table(lines))
    say(f"\n{layer_table(network)}")


# The record of the training is for people to read; it is not validated, and may be missing or malformed.
_MALFORMED = (LookupError, TypeError, ValueError, AttributeError, OverflowError)


def _training_data(training: dict[str, Any]) -> str:
    try:
        data, seed = training["data"], training["settings"]["training"]["seed"]
        counts = ", ".join(f"{sum(labels.values())} {split}" for split, labels in data["clips"].items())
        return f"{data['corpus']} ({counts} clips), seed {seed}"
    except _MALFORMED:
        return "unknown"


def _validation(training: dict[str, Any]) -> str:
    try:
        accuracy, clips = percent(training["validation_accuracy"]), training["validation_clips"]
        return f"{accuracy} of {clips} clips, epoch {training['best_epoch']}"
    except _MALFORMED:
        return "unknown"


def _versions(versions: Any) -> str:
    try:
        return ", ".join(f"{name} {version}" for name, version in versions.items())
    except _MALFORMED:
        return "unknown"
