"""`sayso teach`: add words to a model from a few recordings."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sayso.cli.console import note, progress_bar, report_skipped, say, say_next, warn
from sayso.cli.data import scanned
from sayso.cli.options import (
    DIRECTORY,
    corpus_options,
    model_option,
    negatives_option,
    noise_option,
    seed_option,
)
from sayso.cli.tables import doubtful_table, percent, table

if TYPE_CHECKING:
    from sayso.corpus.layouts import Layout
    from sayso.evaluation.accuracy import Evaluation
    from sayso.training.teaching import Taught

# With this many recordings of each word, a network trained from scratch can do better than a new last layer.
MANY = 200


@click.command()
@click.argument("directory", type=DIRECTORY)
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="Where to save the model.")
@model_option
@click.option(
    "--false-alarms-per-hour", "alarms", type=click.FloatRange(0.01, 100), default=0.5, show_default=True,
    help="How often other speech may be taken for the new words, all together.",
)  # fmt: skip
@noise_option
@negatives_option
@corpus_options
@seed_option
def teach(
    directory: Path, output: Path, model: str | None, alarms: float, noise: Path | None, negatives: Path | None,
    seed: int, speaker: str | None, layout: Layout | None,
) -> None:  # fmt: skip
    """Add the words in DIRECTORY, one folder of recordings for each, to a model.

    This takes less than a minute and needs only 5 recordings of a word; 20 by several people are better. New words get
    thresholds for a rate of false alarms; the recordings are held out in turn to tell how many will be missed. Words
    that the model already knows are adapted to the recordings, and all others are kept: recall before and after is
    reported.

    Example: sayso teach recordings -o mine.safetensors
    """
    from sayso import tasks
    from sayso.model import shipped

    corpus, name = scanned(directory, speaker, layout), model or shipped.DEFAULT
    with progress_bar("{task.description}") as bar:
        task = bar.add_task("", total=1.0)
        taught = tasks.teach(
            corpus, name, noise=noise, negatives=negatives, false_alarms_per_hour=alarms, seed=seed,
            progress=lambda step, done: bar.update(task, description=step, completed=done),
        )  # fmt: skip
    taught.model.save(output)
    report_skipped(taught.skipped)
    for warning in (*taught.warnings, *_warnings(taught, name)):
        warn(warning)
    say(_report(taught))
    note(f"saved {output}")
    say_next(shlex.join(["listen", "-m", str(output)]))


def _report(taught: Taught) -> str:
    """Describe what was learned, the recall of the known labels before and after, and the doubtful recordings."""
    lines = ["learned " + ", ".join(f"{word} from {count} recordings" for word, count in taught.clips.items())]
    tested, earlier = taught.tested, taught.tested_before
    places = {label: place for place, label in enumerate(tested.labels)}
    if taught.expected:
        rows = [
            (
                word,
                f"{_recall(tested, places[word])}" if entry.takes else "–",
                f"{entry.takes - entry.heard} of {entry.takes}" if entry.takes else "–",
                "unknown" if entry.false_alarms_per_hour is None else f"{entry.false_alarms_per_hour:.1f}",
                f"{entry.threshold:.3f}",
            )
            for word, entry in taught.expected.items()
        ]
        header = ("new word", "held out: right", "missed in a stream", "false alarms/h", "threshold")
        lines += ["", table(header, rows)]
    adapted = [word for word in taught.clips if word not in taught.expected and tested.words[word].clips]
    if adapted:
        changed = [(word, _recall(earlier, places[word]), _recall(tested, places[word])) for word in adapted]
        lines += ["", table(("known word, held out", "right before", "after"), changed)]
    before, after = taught.before, taught.after
    kept = [
        (label, _recall(before, place), _recall(after, place))
        for label, place in places.items()
        if after.words[label].clips
    ]
    lines += [
        "",
        f"balanced accuracy on examples of the model's own training: {percent(before.balanced_accuracy)} before, "
        f"{percent(after.balanced_accuracy)} after",
        "",
        table(("recall", "before", "after"), kept),
    ]
    if taught.doubtful:
        lines += ["", doubtful_table(taught.doubtful)]
    return "\n".join(lines)


def _recall(evaluation: Evaluation, label: int) -> str:
    """Format the recall of a label with counts."""
    counts = evaluation.confusion[label]
    return f"{counts[label]} of {counts.sum()}"


def _warnings(taught: Taught, base: str) -> list[str]:
    """Return warnings about thresholds that are not chosen, and about too few or very many recordings."""
    few = [word for word, count in taught.clips.items() if count < 10 and word in taught.expected]
    found = []
    if any(entry.false_alarms_per_hour is None for entry in taught.expected.values()):
        found.append(
            f"there is no pack of other speech for {base}, so false alarms are not known, and new words have the "
            "threshold of the model; teach commands instead, or run `sayso evaluate --stream --choose-threshold`"
        )
    if few:
        found.append(f"few recordings of {', '.join(few)}: expect misses; 20 by several people are much better")
    if min(taught.clips.values()) >= MANY:
        found.append(f"with this many recordings `sayso train` may give better results than teaching {base}; try both")
    return found
