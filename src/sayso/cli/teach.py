"""`sayso teach`: add words to a model from a few recordings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from sayso.cli.console import note, report_skipped, say, warn
from sayso.cli.data import scanned
from sayso.cli.options import (
    DIRECTORY,
    corpus_options,
    model_option,
    negatives_option,
    noise_option,
    seed_option,
)
from sayso.cli.tables import accuracy_line, doubtful_table, percent, table

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
@noise_option
@negatives_option
@corpus_options
@seed_option
def teach(
    directory: Path, output: Path, model: str | None, noise: Path | None, negatives: Path | None, seed: int,
    speaker: str | None, layout: Layout | None,
) -> None:  # fmt: skip
    """Add the words in DIRECTORY, one folder of recordings for each, to a model.

    This takes less than a minute and needs only 5 recordings of a word; 20 by several people are better. The words that
    the model already knows are kept, and their recall before and after is reported. To measure
    the new words, a model is also taught without the recordings of the testing split (some speakers, or a tenth of the
    recordings); the one that is saved has learned from all.

    Example: sayso teach recordings -o mine.safetensors
    """
    from sayso import tasks
    from sayso.model import shipped

    corpus, base = scanned(directory, speaker, layout), model or shipped.DEFAULT
    taught = tasks.teach(corpus, base, noise=noise, negatives=negatives, seed=seed)
    taught.model.save(output)
    report_skipped(taught.skipped)
    for warning in (*taught.warnings, *_warnings(taught, base)):
        warn(warning)
    say(_report(taught))
    note(f"saved {output}")


def _report(taught: Taught) -> str:
    """Describe what was learned, the recall of the known labels before and after, and the doubtful recordings."""
    lines = ["learned " + ", ".join(f"{word} from {count} recordings" for word, count in taught.clips.items())]
    before, after = taught.before, taught.after
    lines += [
        f"balanced accuracy on held-out examples of the known labels: {percent(before.balanced_accuracy)} before, "
        f"{percent(after.balanced_accuracy)} after",
        "",
    ]
    rows = [
        (label, _recall(before, position), _recall(after, position))
        for position, (label, score) in enumerate(after.words.items())
        if score.clips
    ]
    lines.append(table(("recall", "before", "after"), rows))
    tested, earlier = taught.tested, taught.tested_before
    if tested.clips:
        lines += ["", f"accuracy on held-out recordings, of a model taught without them: {accuracy_line(tested)}", ""]
        held = [
            (label, _recall(earlier, position), _recall(tested, position))
            for position, (label, score) in enumerate(tested.words.items())
            if score.clips
        ]
        lines.append(table(("held-out recordings", "before", "after"), held))
    if taught.doubtful:
        lines += ["", doubtful_table(taught.doubtful)]
    return "\n".join(lines)


def _recall(evaluation: Evaluation, label: int) -> str:
    """Format the recall of a label with counts."""
    counts = evaluation.confusion[label]
    return f"{counts[label]} of {counts.sum()}"


def _warnings(taught: Taught, base: str) -> list[str]:
    """Return warnings about too few or very many recordings."""
    few = [word for word, count in taught.clips.items() if count < 10]
    found = []
    if few:
        found.append(f"few recordings of {', '.join(few)}: expect misses; 20 by several people are much better")
    if min(taught.clips.values()) >= MANY:
        found.append(f"with this many recordings `sayso train` may give better results than teaching {base}; try both")
    return found
