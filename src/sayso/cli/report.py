"""`sayso report`: a page about a model, its training, its accuracy and its mistakes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from sayso.cli.console import note, progress_bar, report_skipped, say, warn
from sayso.cli.data import scanned
from sayso.cli.options import DIRECTORY, corpus_options, model_option, noise_option, plots_option, split_option
from sayso.cli.tables import accuracy_line, filled
from sayso.system.text import decoded

if TYPE_CHECKING:
    from sayso.corpus.corpus import Corpus
    from sayso.corpus.layouts import Layout
    from sayso.corpus.splits import Split
    from sayso.evaluation.measure import Measured
    from sayso.recognition.recognizer import Recognizer

# Bytes of a model card that a report shows.
LONGEST_CARD = 100_000


@click.command()
@click.argument("directory", type=DIRECTORY, required=False)
@model_option
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), default=Path("report.html"), show_default=True,
    help="Where to save the page.",
)  # fmt: skip
@split_option
@noise_option
@corpus_options
@plots_option
def report(
    directory: Path | None, model: str | None, output: Path, split: Split, noise: Path | None, plots: Path | None,
    speaker: str | None, layout: Layout | None,
) -> None:  # fmt: skip
    """Write a report on a model: one HTML file that works offline.

    With DIRECTORY, a folder of recordings or the name of a data set, the model is evaluated on them, also in noise, and
    the report has players for the clips that it gets wrong or is least certain of. Without --noise, the noise is that
    of the corpus, or else generated.

    Example: sayso report recordings -m model.safetensors -o report.html
    """
    from sayso.evaluation.measure import seconds_per_clip
    from sayso.extras import require
    from sayso.model import model_file, shipped
    from sayso.recognition.recognizer import Recognizer
    from sayso.report import page
    from sayso.report.model_page import Subject, draw, render
    from sayso.report.plots import save_all
    from sayso.system.atomic_files import check_writable

    require("a report", "report")
    if directory is None and noise:
        raise click.UsageError("--noise needs DIRECTORY, the recordings to measure on")
    path = shipped.find(model or shipped.DEFAULT)
    recognizer = Recognizer(model_file.load(path))
    for place in (output, plots / "loss.png") if plots else (output,):
        check_writable(place)
    measured = _measure(recognizer, scanned(directory, speaker, layout), split, noise) if directory else None
    subject = Subject(
        name=path.stem,
        model=recognizer.model,
        bytes=path.stat().st_size,
        measured=measured,
        seconds=seconds_per_clip(recognizer),
        card=_card(path.with_suffix(".md")),
    )
    with page.style():
        drawn = draw(subject)
        text = render(subject, drawn)
    page.save(text, output)
    if plots:
        save_all(drawn, plots)
        note(f"saved {len(drawn)} plots as PNG and SVG in {plots}")
    if measured:
        say(filled(f"accuracy {accuracy_line(measured.predictions.evaluation)}"))
    say(f"{output}: open it in a browser")


def _card(path: Path) -> str | None:
    """Read a model card, or the beginning of a long file that has its name."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return decoded(file.read(LONGEST_CARD), "replace")


def _measure(recognizer: Recognizer, corpus: Corpus, split: Split, noise: Path | None) -> Measured:
    """Evaluate with a progress bar on stderr, and report skipped files."""
    from sayso.corpus.corpus import files_below
    from sayso.evaluation.measure import RATIOS, measure

    with progress_bar("{task.description}") as bar:
        task = bar.add_task("", total=len(RATIOS) + 2)

        def show(step: str) -> None:
            bar.update(task, description=step, advance=0 if step == "reading clips" else 1)

        measured = measure(recognizer, corpus, split, files_below(noise), show)
        bar.update(task, completed=len(RATIOS) + 2)
    report_skipped(measured.skipped)
    for line in measured.notes:
        note(line)
    for warning in measured.warnings:
        warn(warning)
    return measured
