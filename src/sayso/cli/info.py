"""`sayso info`: describe a model and how it was trained."""

import json
from typing import Any

import click

from sayso.cli.console import say
from sayso.cli.tables import accuracy, percent
from sayso.system.text import printable


@click.command()
@click.argument("model")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def info(model: str, as_json: bool) -> None:
    """Describe MODEL, a file or the name of a shipped model.

    Example: sayso info commands
    """
    from sayso.cli.tables import layer_table
    from sayso.model import model_file, shipped

    path = shipped.find(model)
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
        "trained on": _training_data(loaded.training),
        **_taught(loaded.training),
        **_validation(loaded.training),
        **{f"score, {name}": accuracy(score) for name, score in loaded.scores.items()},
        "made with": _versions(header.get("versions")),
    }
    rows = [(printable(name), printable(line)) for name, line in lines.items()]
    width = max(len(name) for name, _ in rows)
    for name, line in rows:
        say(f"{name:<{width}}  {line}")
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


def _taught(training: dict[str, Any]) -> dict[str, str]:
    """Describe the words that were added later, if there are any."""
    try:
        words = [(word, count) for source in training.get("taught", ()) for word, count in source["clips"].items()]
    except _MALFORMED:
        return {"taught": "unknown"}
    return {"taught": ", ".join(f"{word} from {count} recordings" for word, count in words)} if words else {}


def _validation(training: dict[str, Any]) -> dict[str, str]:
    """Describe the validation; of a model that was taught, that of the model before, which has other labels."""
    name, record = "validation", training
    if training.get("taught"):
        name, record = "validation before that", training.get("before_teaching", training)
    try:
        accuracy, clips = percent(record["validation_accuracy"]), record["validation_clips"]
        return {name: f"{accuracy} of {clips} clips, epoch {record['best_epoch']}"}
    except _MALFORMED:
        return {name: "unknown"}


def _versions(versions: Any) -> str:
    try:
        return ", ".join(f"{name} {version}" for name, version in versions.items())
    except _MALFORMED:
        return "unknown"
