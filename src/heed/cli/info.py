"""`heed info`: what a model is and where it comes from."""

import json
from typing import Any

import click

from heed.cli.console import percent


@click.command()
@click.argument("model")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def info(model: str, as_json: bool) -> None:
    """Describe MODEL, a file or the name of a shipped model.

    Example: heed info commands
    """
    from heed import model_file
    from heed.cli.layers import layer_table

    path = model_file.find(model)
    loaded, header = model_file.load(path), model_file.load_header(path)
    network, features = loaded.network, loaded.features
    facts = {
        "file": str(path),
        "labels": list(loaded.labels),
        "layers": header["network"]["layers"],
        "parameters": network.parameter_count,
        "multiply_adds": network.multiply_adds,
        **{key: header[key] for key in ("features", "decision", "training", "scores", "versions")},
    }
    if as_json:
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
        "trained on": _data(loaded.training),
        "validation": _validation(loaded.training),
        **{f"score, {name}": percent(score["accuracy"]) for name, score in loaded.scores.items()},
        "made with": ", ".join(f"{name} {version}" for name, version in header["versions"].items()),
    }
    width = max(map(len, lines))
    for name, line in lines.items():
        click.echo(f"{name:<{width}}  {line}")
    click.echo(f"\n{layer_table(network)}")


def _data(training: dict[str, Any]) -> str:
    data = training.get("data")
    if not data:
        return "unknown"
    counts = ", ".join(f"{sum(labels.values())} {split}" for split, labels in data["clips"].items())
    return f"{data['corpus']} ({counts} clips), seed {training['settings']['training']['seed']}"


def _validation(training: dict[str, Any]) -> str:
    if "validation_accuracy" not in training:
        return "unknown"
    accuracy, clips = percent(training["validation_accuracy"]), training["validation_clips"]
    return f"{accuracy} of {clips} clips, epoch {training['best_epoch']}"
