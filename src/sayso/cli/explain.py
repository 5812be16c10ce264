"""`sayso explain`: pages that make backpropagation visible."""

from __future__ import annotations

from pathlib import Path

import click

from sayso.cli.console import note, say
from sayso.cli.options import model_option
from sayso.cli.tables import facts_table, percent

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
@click.option("--training", is_flag=True, help="Instead of a clip, show a small network while it learns.")
def explain(
    clip: Path | None, label: str | None, model: str | None, output: Path | None, animate: bool, training: bool
) -> None:
    """Show the forward and the backward pass of CLIP through a network, on a page to open in a browser.

    It shows the sound, its features, the output of each layer, the prediction, the error, the gradient at each layer,
    and the effect of one step of gradient descent.

    Example: sayso explain recordings/yes/anna_1.wav --animate

    Example: sayso explain --training
    """
    from sayso.extras import require

    if training:
        if clip or label or model or animate:
            raise click.UsageError(
                "--training uses its own network; do not give CLIP, --label, -m or --animate with it"
            )
        require("explain --training", "train", "report")
        _explain_training(output or TRAINING_PAGE)
    elif clip:
        require("explain", "report")
        _explain_clip(clip, label, model, output or CLIP_PAGE, animate)
    else:
        raise click.UsageError("give either CLIP, a sound file with one word, or --training")


def _explain_clip(clip: Path, label: str | None, model: str | None, output: Path, animate: bool) -> None:
    from sayso.explanation.clip import explain_clip
    from sayso.model.model_file import load
    from sayso.model.shipped import DEFAULT, find
    from sayso.report.explanation_page import explanation_page
    from sayso.report.page import save
    from sayso.system.atomic_files import check_writable

    check_writable(output)
    name = model or DEFAULT
    explanation = explain_clip(load(find(name)), clip, label)
    save(explanation_page(explanation, str(clip), Path(name).name, animate), output)
    labels, trace, descent = explanation.labels, explanation.trace, explanation.descent
    predicted, target = int(trace.probabilities.argmax()), explanation.target
    source = {"label": "given with --label", "folder": "the name of its folder", "prediction": "the prediction"}
    lines = {
        "prediction": f"{labels[predicted]}, {percent(trace.probabilities[predicted])}",
        "true label": f"{labels[target]}, {source[explanation.target_source]}",
        "loss": f"{descent.loss:.4g} nats, {descent.new_loss:.4g} after one step of gradient descent",
        f"probability of {labels[target]}": f"{percent(trace.probabilities[target])}, "
        f"{percent(descent.probabilities[target])} after the step",
    }
    _print(lines, output)


def _explain_training(output: Path) -> None:
    from sayso.explanation.course import watch_learning
    from sayso.model.shipped import bundled
    from sayso.report.page import save
    from sayso.report.training_page import training_page
    from sayso.system.atomic_files import check_writable

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
