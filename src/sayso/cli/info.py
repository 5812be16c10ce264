"""`sayso info`: describe a model and how it was trained."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from sayso.cli.console import say
from sayso.cli.options import format_option, model_option
from sayso.cli.tables import accuracy, facts_table, percent

if TYPE_CHECKING:
    from sayso.model.metadata import TrainingRecord

UNKNOWN = "unknown"


@click.command()
@model_option
@format_option("table", "json")
def info(model: str | None, style: str) -> None:
    """Describe a model: its labels, features, training, scores and layers.

    Example: sayso info -m commands-tiny
    """
    from sayso.cli.tables import layer_table
    from sayso.model import model_file, shipped
    from sayso.model.metadata import scores_of, training_of, versions_of

    path = shipped.find(model or shipped.DEFAULT)
    loaded, header = model_file.load(path), model_file.load_header(path)
    network, features = loaded.network, loaded.features
    facts = {
        "file": str(path),
        "labels": list(loaded.labels),
        "parts": loaded.parts,
        "alarms": loaded.alarms,
        "layers": header["network"]["layers"],
        "parameters": network.parameter_count,
        "multiply_adds": network.multiply_adds,
        **{key: header.get(key) for key in ("features", "decision", "training", "scores", "versions")},
    }
    if style == "json":
        click.echo(json.dumps(facts, indent=2))
        return
    record, scores = training_of(loaded.training), scores_of(loaded.scores)
    versions = versions_of(header.get("versions"))
    kind = (
        f"{features.coefficients} MFCC of {features.mel_bands} mel bands"
        if features.coefficients
        else f"{features.mel_bands} log-mel bands"
    )
    lines = {
        "file": f"{path} ({path.stat().st_size / 1e6:.1f} MB)",
        "labels": ", ".join(loaded.labels),
        **_alarms(loaded.alarms),
        **({"can also tell": ", ".join(loaded.parts)} if loaded.parts else {}),
        "parameters": f"{network.parameter_count:,}",
        "multiply-adds": f"{network.multiply_adds:,} for {features.clip:g} s of sound",
        "features": f"{kind}, {1e3 * features.window:g} ms every {1e3 * features.hop:g} ms, {features.sample_rate} Hz",
        "trained on": _training_data(record),
        **_taught(record),
        "validation before that" if record.taught else "validation": _validation(record),
        **{f"score {number}": f"{accuracy(score)} on {name}" for number, (name, score) in enumerate(scores.items(), 1)},
        "made with": ", ".join(f"{name} {version}" for name, version in versions.items()) or UNKNOWN,
    }
    say(facts_table(lines))
    if left_out := len(loaded.scores) - len(scores):
        say(f"(and {left_out} more scores)")
    say(f"\n{layer_table(network)}")


def _training_data(record: TrainingRecord) -> str:
    if record.corpus is None:
        return UNKNOWN
    counts = ", ".join(f"{sum(labels.values())} {split}" for split, labels in record.clips.items())
    return f"{record.corpus} ({counts or UNKNOWN} clips), seed {UNKNOWN if record.seed is None else record.seed}"


def _alarms(alarms: tuple[tuple[float, float], ...]) -> dict[str, str]:
    """Tell the false alarms at each sensitivity, if they were measured."""
    told = ", ".join(f"{rate:g} at {sensitivity:g}" for sensitivity, rate in alarms)
    return {"false alarms per hour of talk": f"{told} of --sensitivity"} if told else {}


def _taught(record: TrainingRecord) -> dict[str, str]:
    """Describe the words that were added later, if there are any."""
    words = [f"{word} from {count} recordings" for word, count in record.taught]
    return {"taught": ", ".join(words)} if words else {}


def _validation(record: TrainingRecord) -> str:
    if record.validation_accuracy is None or not record.validated:
        return UNKNOWN
    return f"{percent(record.validation_accuracy)} of {record.validation_clips} clips, epoch {record.best_epoch}"
