"""`sayso sweep`: train with many combinations of settings and seeds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sayso.cli.console import note, progress_bar, report_skipped, say, warn
from sayso.cli.data import scanned
from sayso.cli.options import (
    DIRECTORY,
    RECIPE,
    corpus_options,
    negatives_option,
    noise_option,
    scheduler_option,
    words_option,
)
from sayso.cli.tables import percent, table

if TYPE_CHECKING:
    from sayso.corpus.layouts import Layout
    from sayso.training.sweep import Row


@click.command()
@click.argument("directory", type=DIRECTORY)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True,
    help="A folder for the results, runs.jsonl, and the best model, best.safetensors.",
)  # fmt: skip
@click.option("--seeds", help="Seeds, separated by commas. [default: the seed of the settings]")
@click.option(
    "--set", "variations", multiple=True, metavar="TABLE.NAME=VALUE,...",
    help="A setting and its values; can be repeated, which gives all combinations.",
)  # fmt: skip
@words_option
@noise_option
@negatives_option
@corpus_options
@click.option(
    "--config", type=RECIPE, default="commands", show_default=True,
    help="All other settings: a TOML file or the name of a recipe.",
)  # fmt: skip
@click.option(
    "--workers", type=click.IntRange(1, 1_000), help="Number of trainings at the same time. [default: half the cores]"
)
@scheduler_option
@click.pass_context
def sweep(
    context: click.Context, directory: Path, output: Path, seeds: str | None, variations: tuple[str, ...],
    words: str | None, noise: Path | None, negatives: Path | None, config: str, workers: int | None,
    scheduler: str | None, speaker: str | None, layout: Layout | None,
) -> None:  # fmt: skip
    """Train on DIRECTORY with every combination of settings and seeds, and keep the best model by validation accuracy.

    After an interruption the same command continues: finished trainings are not repeated.

    Example: sayso sweep recordings -o sweep --seeds 0,1,2 --set training.learning_rate=0.001,0.003
    """
    from contextlib import ExitStack
    from dataclasses import replace

    from sayso.config import Settings, recipe
    from sayso.corpus.corpus import files_below
    from sayso.extras import require
    from sayso.system.atomic_files import check_writable
    from sayso.system.workers import cores, spread
    from sayso.training.sweep import Data, append, finished, grid, is_row_of, train, values_of

    require("training", "train")
    varied: dict[str, list[Any]] = dict(map(values_of, variations))
    if seeds:
        varied["training.seed"] = values_of(f"training.seed={seeds}")[1]
    if not varied:
        raise click.UsageError("nothing to try: give --seeds, or a setting with --set")
    runs = grid(Settings.from_toml(recipe(config)), varied, output.resolve())
    results, best = output / "runs.jsonl", output / "best.safetensors"
    check_writable(results)
    count = min(workers or max(cores() // 2, 1), len(runs))
    asked = tuple(word.strip() for word in words.split(",") if word.strip()) if words else ()
    corpus = scanned(directory, speaker, layout)
    data = Data(
        corpus.root.resolve(), asked, tuple(path.resolve() for path in files_below(noise)),
        tuple(path.resolve() for path in files_below(negatives)), max(cores() // count, 1),
        speaker, layout,
    )  # fmt: skip
    report_skipped(corpus.skipped)
    for warning in corpus.warnings:
        warn(warning)
    known = list(finished(results))
    rows = [replace(row, values=run.values) for run in runs for row in known if is_row_of(row, data, run)]
    left = [run for run in runs if not any(is_row_of(row, data, run) for row in rows)]
    if rows:
        note(f"{len(rows)} of {len(runs)} runs are already done, see {results}")
    highest = max((row.validation_accuracy for row in rows), default=-1.0)
    try:
        with ExitStack() as stack:
            bar = stack.enter_context(progress_bar("{task.completed}/{task.total} runs"))
            task = bar.add_task("", total=len(runs), completed=len(rows))
            for row, model in stack.enter_context(spread(train, data, left, count, scheduler)):
                if row.validation_accuracy > highest or not best.exists():
                    highest = row.validation_accuracy
                    model.save(best)
                append(results, [row])
                rows.append(row)
                bar.advance(task)
    except KeyboardInterrupt:
        note(f"stopped after {len(rows)} of {len(runs)} runs; the same command continues")
        context.exit(1)
    for run in runs:
        run.checkpoint.unlink(missing_ok=True)
    say(_table(rows, list(varied)))
    say(f"\nsaved {best}, {results}")


def _table(rows: list[Row], names: list[str]) -> str:
    """Format the runs as a table, the best first."""
    ordered = sorted(rows, key=lambda row: -row.validation_accuracy)
    lines = [
        [
            *(str(row.values[name]) for name in names),
            percent(row.validation_accuracy),
            str(row.best_epoch),
            f"{row.seconds:.1f}",
        ]
        for row in ordered
    ]
    return table([*names, "validation", "best epoch", "seconds"], lines, left=0)
