"""`sayso explain`: pages that make backpropagation visible."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from sayso.cli.console import note, progress_bar, say
from sayso.cli.data import scanned
from sayso.cli.options import DIRECTORY, model_option
from sayso.cli.tables import facts_table, percent

if TYPE_CHECKING:
    from sayso.explanation.hardest import Hardest
    from sayso.model.model_file import Model

CLIP_PAGE, TRAINING_PAGE = Path("explanation.html"), Path("training.html")


@click.command()
@click.argument("clip", required=False, type=click.Path(path_type=Path))
@click.option(
    "--label", metavar="WORD", help="True label of the clip. [default: the name of its folder, or the prediction]"
)
@model_option
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="PAGE.html",
    help=f"Where to save the page. [default: {CLIP_PAGE} or {TRAINING_PAGE}]",
)  # fmt: skip
@click.option("--animate", is_flag=True, help="Add buttons and arrow keys to step through the network.")
@click.option(
    "--hardest", type=DIRECTORY, metavar="DIRECTORY",
    help="Take the clip of a folder of recordings that the network gets wrong, or is least certain of.",
)  # fmt: skip
@click.option("--training", is_flag=True, help="Instead of a clip, show a small network while it learns.")
def explain(
    clip: Path | None, label: str | None, model: str | None, output: Path | None, animate: bool, hardest: Path | None,
    training: bool,
) -> None:  # fmt: skip
    """Show the forward and the backward pass of CLIP through a network, on a page to open in a browser.

    It shows the sound, its features, the output of each layer, the prediction, the error, the gradient at each layer,
    and the effect of one step of gradient descent.

    Example: sayso explain recordings/yes/anna_1.wav --animate

    Example: sayso explain --hardest recordings --animate

    Example: sayso explain --training
    """
    if training:
        if clip or label or model or animate or hardest:
            raise click.UsageError(
                "--training uses its own network; do not give CLIP, --label, -m, --animate or --hardest with it"
            )
        _explain_training(output or TRAINING_PAGE)
    elif hardest:
        if clip or label:
            raise click.UsageError("--hardest finds a clip and its label; do not give CLIP or --label with it")
        _explain_clip(None, hardest, None, model, output or CLIP_PAGE, animate)
    elif clip:
        _explain_clip(clip, None, label, model, output or CLIP_PAGE, animate)
    else:
        raise click.UsageError(
            "give CLIP, a sound file with one word, or --hardest DIRECTORY, a folder of recordings, or --training"
        )


def _explain_clip(
    clip: Path | None, folder: Path | None, label: str | None, model: str | None, output: Path, animate: bool
) -> None:
    """Explain a clip, or the hardest one of a folder."""
    from sayso.extras import require

    require("explain", "report")
    from sayso.explanation.clip import explain_clip
    from sayso.extras import require
    from sayso.model.model_file import load
    from sayso.model.shipped import DEFAULT, find
    from sayso.report.explanation_page import explanation_page
    from sayso.report.page import save
    from sayso.system.atomic_files import check_writable

    require("explain", "report")
    check_writable(output)
    name = model or DEFAULT
    network, found = load(find(name)), None
    if folder:
        found = _hardest(network, folder)
        clip, label = found.clip.path, found.label
    assert clip
    explanation = explain_clip(network, clip, label, "folder" if found else "label")
    save(explanation_page(explanation, str(clip), Path(name).name, animate, found), output)
    labels, trace, descent = explanation.labels, explanation.trace, explanation.descent
    predicted, target = int(trace.probabilities.argmax()), explanation.target
    source = {"label": "given with --label", "folder": "the name of its folder", "prediction": "the prediction"}
    if found and found.clip.word != found.label:
        source["folder"] = f"as {found.clip.word} is no label of the network"
    lines = {
        **({"clip": f"{clip}, the hardest of {found.clips:,}; {found.wrong:,} are wrong"} if found else {}),
        "prediction": f"{labels[predicted]}, {percent(trace.probabilities[predicted])}",
        "true label": f"{labels[target]}, {source[explanation.target_source]}",
        "loss": f"{descent.loss:.4g} nats, {descent.new_loss:.4g} after one step of gradient descent",
        f"probability of {labels[target]}": f"{percent(trace.probabilities[target])}, "
        f"{percent(descent.probabilities[target])} after the step",
    }
    _print(lines, output)


def _hardest(network: Model, folder: Path) -> Hardest:
    """Find the hardest clip of a folder, with a progress bar."""
    from sayso.explanation.hardest import hardest
    from sayso.recognition.recognizer import Recognizer

    corpus = scanned(folder, None, None)
    with progress_bar("{task.completed}/{task.total} clips") as bar:
        task = bar.add_task("", total=None)
        found = hardest(Recognizer(network), corpus, lambda done, total: bar.update(task, completed=done, total=total))
    for line in found.notes:
        note(line)
    if found.skipped:
        note(f"{found.skipped} clips cannot be read and are left out")
    return found


def _explain_training(output: Path) -> None:
    from sayso.explanation.course import watch_learning
    from sayso.extras import require
    from sayso.model.shipped import bundled
    from sayso.report.page import save
    from sayso.report.training_page import training_page
    from sayso.system.atomic_files import check_writable

    require("explain --training", "train", "report")
    check_writable(output)
    course = watch_learning(bundled("demo"))
    save(training_page(course), output)
    training, validation = course.accuracies[-1]
    clips = int(course.in_training.sum())
    lines = {
        "words": ", ".join(course.words),
        "network": f"{course.parameter_count:,} weights, {len(course.losses) - 1} epochs",
        "training accuracy": f"{percent(training)} of {clips} clips",
        "validation accuracy": f"{percent(validation)} of {len(course.labels) - clips} clips by unseen speakers",
    }
    _print(lines, output)


def _print(lines: dict[str, str], output: Path) -> None:
    """Print the main results of a page, and where it is."""
    say(facts_table(lines))
    note(f"saved {output}; open it in a browser")
