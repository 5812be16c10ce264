"""`heed evaluate`: measure a model on recordings that it never heard."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from heed.cli.console import accuracy_line, note, percent, table, tell_skipped, warn

if TYPE_CHECKING:
    from heed.corpus import Split
    from heed.evaluation import Evaluation


@click.command()
@click.argument("model")
@click.argument("directory", type=click.Path(path_type=Path))
@click.option(
    "--split", type=click.Choice(["training", "validation", "testing"]), default="testing", show_default=True,
    help="Which part of the corpus; a test archive is used whole.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--plot", type=click.Path(path_type=Path), help="Save the confusion matrix as PNG.")
def evaluate(model: str, directory: Path, split: Split, as_json: bool, plot: Path | None) -> None:
    """Measure MODEL, a file or the name of a shipped model, on the recordings in DIRECTORY.

    Example: heed evaluate model.safetensors recordings
    """
    from heed.corpus import scan
    from heed.evaluation import evaluate_corpus
    from heed.recognizer import load

    recognizer = load(model)
    corpus = scan(directory)
    evaluation, skipped = evaluate_corpus(recognizer, corpus, split)
    tell_skipped(skipped)
    for warning in corpus.warnings:
        warn(warning)
    if plot:
        from heed.report.plots import save_confusion

        save_confusion(evaluation, plot)
        note(f"saved {plot}")
    if as_json:
        click.echo(json.dumps({"model": model, "data": str(directory), **evaluation.to_dict()}, indent=2))
        return
    click.echo(f"accuracy {accuracy_line(evaluation)}\n")
    click.echo(word_table(evaluation))
    click.echo(f"\n{confusion_table(evaluation)}")


def word_table(evaluation: Evaluation) -> str:
    """Lay out precision, recall and F1 of each label."""
    rows = [
        (label, percent(score.precision), percent(score.recall), percent(score.f1), str(score.clips))
        for label, score in evaluation.words.items()
    ]
    return table(("word", "precision", "recall", "F1", "clips"), rows)


def confusion_table(evaluation: Evaluation) -> str:
    """Lay out what was said (columns) to clips of each label (rows); dots are zeros."""
    rows = [
        (label, *("·" if count == 0 else str(count) for count in counts))
        for label, counts in zip(evaluation.labels, evaluation.confusion.tolist(), strict=True)
    ]
    return table(("true \\ said", *evaluation.labels), rows)
