"""`sayso evaluate`: measure a model on clips or streams."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sayso.cli.console import note, report_skipped, say, warn
from sayso.cli.data import scanned
from sayso.cli.options import (
    DIRECTORY,
    alone_options,
    corpus_options,
    format_option,
    model_option,
    negatives_option,
    noise_option,
    plots_option,
    split_option,
)
from sayso.cli.tables import accuracy_line, confusion_table, filled, noise_table, word_table

if TYPE_CHECKING:
    from sayso.corpus.layouts import Layout
    from sayso.corpus.splits import Split


@click.command()
@click.argument("directory", type=DIRECTORY)
@model_option
@split_option
@noise_option
@click.option("--snr", help="Signal-to-noise ratios in decibels for --noise. [default: 20,10,5,0; for a stream 10]")
@format_option("table", "json")
@plots_option
@click.option(
    "--stream", is_flag=True,
    help="Measure live recognition on a stream built from the recordings: misses, false alarms per hour, delay.",
)  # fmt: skip
@click.option("--hours", type=click.FloatRange(0.01, 1000), help="Length of the stream. [default: 1]")
@negatives_option
@click.option(
    "--labels", type=click.Path(path_type=Path),
    help="With --stream: DIRECTORY is one long recording, and this file lists its words: "
    "start, end and word, separated by tabs, as Audacity exports them.",
)  # fmt: skip
@click.option(
    "--running", type=click.Path(path_type=Path),
    help="With --stream: recordings of people who give no command. Measures how often the model answers them, against "
    "the words that it hears in the stream, at all sensitivities. If the folder has a table words.tsv, words said "
    "within a sentence are no false alarms.",
)  # fmt: skip
@click.option(
    "--choose-threshold",
    is_flag=True,
    help="Save the best threshold of each word for this stream in the model file.",
)
@click.option(
    "--false-alarms-per-hour", "alarms", type=click.FloatRange(0),
    help="Limit for --choose-threshold, with --running per hour of running speech. [default: 1]",
)  # fmt: skip
@alone_options
@corpus_options
def evaluate(
    directory: Path, model: str | None, split: Split, noise: Path | None, snr: str | None, style: str,
    plots: Path | None, stream: bool, hours: float | None, negatives: Path | None, labels: Path | None,
    running: Path | None, choose_threshold: bool, alarms: float | None, anywhere: bool, patient: bool,
    speaker: str | None, layout: Layout | None,
) -> None:  # fmt: skip
    """Measure a model on DIRECTORY, a folder of recordings or the name of a data set.

    With --noise, the same clips are measured in noise, too; with --stream, the stream has that noise in the background.

    Example: sayso evaluate recordings -m model.safetensors

    Example: sayso evaluate recordings -m model.safetensors --stream --noise cafe.wav --snr 10

    Example: sayso evaluate recordings -m model.safetensors --stream --running radio
    """
    from sayso.model.shipped import DEFAULT
    from sayso.system.atomic_files import check_writable

    model, as_json = model or DEFAULT, style == "json"
    if plots:
        check_writable(plots / "plot.png")
    if stream:
        from sayso.cli.evaluate_stream import evaluate_stream

        evaluate_stream(
            model, directory, split=split, noise=noise, snr=snr, as_json=as_json, plots=plots, hours=hours,
            negatives=negatives, labels=labels, running=running, choose=choose_threshold, alarms=alarms,
            anywhere=anywhere, patient=patient, speaker=speaker, layout=layout,
        )  # fmt: skip
        return
    if hours or negatives or labels or running or choose_threshold or alarms is not None or anywhere or patient:
        raise click.UsageError(
            "--hours, --negatives, --labels, --running, --choose-threshold, --false-alarms-per-hour, --anywhere and "
            "--patient need --stream"
        )
    from sayso import tasks

    if snr is not None and not noise:
        raise click.UsageError("--snr needs --noise, the recordings of noise to measure in")
    ratios = _ratios("20,10,5,0" if snr is None else snr)
    recognizer = tasks.recognizer_of(model)
    corpus = scanned(directory, speaker, layout)
    measured = tasks.evaluate(recognizer, corpus, split=split, noise=noise, ratios=ratios if noise else ())
    evaluation, in_noise = measured.evaluation, measured.in_noise
    report_skipped(measured.skipped)
    for line in measured.notes:
        note(line)
    for warning in measured.warnings:
        warn(warning)
    if plots:
        from sayso.report.plots import confusion, save_drawn

        save_drawn(plots, lambda: [confusion(evaluation)])
        note(f"saved confusion.png and confusion.svg in {plots}")
    if as_json:
        facts = {"model": model, "data": str(corpus.root), **evaluation.to_dict()}
        if noise:
            facts["noise"] = {f"{ratio:g}": score.to_dict() for ratio, score in in_noise.items()}
        click.echo(json.dumps(facts, indent=2))
        return
    say(filled(f"accuracy {accuracy_line(evaluation)}") + "\n")
    say(word_table(evaluation))
    say(f"\n{confusion_table(evaluation)}")
    if noise:
        say(f"\n{noise_table(in_noise)}")


def _ratios(text: str) -> list[float]:
    """Parse a list of decibels."""
    try:
        ratios = [float(part) for part in text.split(",")]
    except ValueError:
        ratios = []
    if not ratios or not all(-100 <= ratio <= 100 for ratio in ratios):
        raise click.BadParameter(
            f"{text!r} is not a list of decibels from -100 to 100, such as 20,10,5,0", param_hint="--snr"
        )
    return ratios
