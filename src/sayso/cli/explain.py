"""`sayso explain`: a page that makes backpropagation visible."""

from __future__ import annotations

from pathlib import Path

import click

from sayso.cli.console import note, say
from sayso.cli.options import model_option
from sayso.cli.tables import percent

CLIP_PAGE, TRAINING_PAGE = Path("explanation.html"), Path("training.html")


@click.command()
@click.argument("clip", required=False, type=click.Path(path_type=Path))
@click.option(
    "--label", metavar="WORD", help="What is said in the clip. [default: its folder's name, or the best guess]"
)
@model_option
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="PAGE.html",
    help=f"Where to save the page. [default: {CLIP_PAGE} or {TRAINING_PAGE}]",
)  # fmt: skip
@click.option("--animate", is_flag=True, help="Let the page step through the network, with buttons and arrow keys.")
@click.option("--training", is_flag=True, help="Show a small network learning the bundled corpus instead of a clip.")
def explain(
    clip: Path | None, label: str | None, model: str | None, output: Path | None, animate: bool, training: bool
) -> None:
    """Walk CLIP through the network and back, on a page to look at in a browser.

    It shows the sound, its features, each layer, the answer, the error, the gradient on its way back, and what one step
    of learning changes.

    Example: sayso explain recordings/yes/anna_1.wav --animate

    Example: sayso explain --training
    """
    if training:
        if clip or label or model or animate:
            raise click.UsageError("--training trains a network of its own; give it no CLIP, --label, -m, or --animate")
        _explain_training(output or TRAINING_PAGE)
    elif clip:
        _explain_clip(clip, label, model, output or CLIP_PAGE, animate)
    else:
        raise click.UsageError("give a CLIP, a sound file with one word; or --training")


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
    labels, way, descent = explanation.labels, explanation.trace, explanation.descent
    said, right = int(way.probabilities.argmax()), explanation.target
    reason = {"asked": "as asked for", "folder": "the clip's folder", "guess": "the network's own best guess"}
    lines = {
        "heard": f"{labels[said]}, {percent(way.probabilities[said])}",
        "right answer": f"{labels[right]}, {reason[explanation.chosen]}",
        "loss": f"{descent.loss:.4g} nats, {descent.reached:.4g} after one step of gradient descent",
        f"chance of {labels[right]}": f"{percent(way.probabilities[right])}, "
        f"{percent(descent.probabilities[right])} after the step",
    }
    _tell(lines, output)


def _explain_training(output: Path) -> None:
    from sayso.explanation.course import watch_learning
    from sayso.model.shipped import bundled
    from sayso.report.page import save
    from sayso.report.training_page import training_page
    from sayso.system.atomic_files import check_writable

    check_writable(output)
    course = watch_learning(bundled("demo"))
    save(training_page(course), output)
    learned, new = course.accuracies[-1]
    clips = int(course.learned.sum())
    lines = {
        "words": ", ".join(course.words),
        "network": f"{course.parameter_count:,} weights, {len(course.losses) - 1} epochs",
        "told rightly": f"{percent(learned)} of the {clips} clips it learned from",
        "": f"{percent(new)} of {len(course.labels) - clips} clips of voices it never heard",
    }
    _tell(lines, output)


def _tell(lines: dict[str, str], output: Path) -> None:
    """Print what the page shows, and where it is."""
    width = max(map(len, lines))
    for name, line in lines.items():
        say(f"{name:<{width}}  {line}")
    note(f"saved {output}; open it in a browser")
