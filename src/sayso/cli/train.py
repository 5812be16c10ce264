"""`sayso train`: train a model on a folder of recordings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sayso.cli.console import note, say, say_next, warn
from sayso.cli.data import scanned
from sayso.cli.options import DIRECTORY, MODEL, RECIPE, corpus_options, negatives_option, noise_option, words_option
from sayso.cli.tables import doubtful_table, percent, table
from sayso.errors import SettingsError

if TYPE_CHECKING:
    from sayso.corpus.layouts import Layout
    from sayso.training.preparation import Prepared
    from sayso.training.training import Training

# With fewer recordings of a word, teaching a shipped model gives better results than training from scratch.
FEW = 50
# The recipe of a training for which none is given.
RECIPE_NAME = "commands"
# Number of kinds of mistakes that are listed.
MISTAKES = 8


class _Setting(click.Option):
    """An option for a setting; its help shows the value of the default recipe."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Return the names and the help of the option."""
        from sayso.config import Settings, recipe

        record = super().get_help_record(ctx)
        if record is None:
            return None
        settings = Settings.from_toml(recipe(RECIPE_NAME))
        value = settings.network.name if self.name == "network" else getattr(settings.training, str(self.name))
        return record[0], f"{record[1]} [default: that of the recipe, {value} in {RECIPE_NAME}]"


@click.command()
@click.argument("directory", type=DIRECTORY)
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="Where to save the model.")
@words_option
@click.option("--network", cls=_Setting, help="Kind of network: tdnn (time-delay network) or dense.")
@click.option("--epochs", cls=_Setting, type=int, help="Maximum number of passes over the data.")
@click.option(
    "--patience", cls=_Setting, type=int,
    help="Stop after this many epochs without higher validation accuracy; 0: never.",
)  # fmt: skip
@click.option("--batch-size", cls=_Setting, type=int, help="Clips per step of gradient descent.")
@click.option("--learning-rate", cls=_Setting, type=float, help="Highest learning rate.")
@click.option("--seed", cls=_Setting, type=int, help="The same seed gives the same model on the same machine.")
@click.option(
    "--distill", type=MODEL,
    help="Also learn from a larger model with the same features: a file, or the name of one that comes with sayso.",
)  # fmt: skip
@noise_option
@negatives_option
@corpus_options
@click.option(
    "--config", type=RECIPE,
    help="Settings: a TOML file or the name of a recipe; the options above override it. [default: commands, or dense]",
)  # fmt: skip
@click.option(
    "--report", type=click.Path(path_type=Path), metavar="PAGE",
    help="Write a report on the training, updated while it runs: one HTML file to open in a browser.",
)  # fmt: skip
@click.option(
    "--tensorboard", type=click.Path(path_type=Path), metavar="DIR",
    help='Also write the training curves into DIR for TensorBoard; needs "sayso[tensorboard]".',
)  # fmt: skip
@click.option("--resume", is_flag=True, help="Continue from the checkpoint of an interrupted training.")
def train(
    directory: Path,
    output: Path,
    words: str | None,
    network: str | None,
    noise: Path | None,
    negatives: Path | None,
    distill: str | None,
    config: str | None,
    report: Path | None,
    tensorboard: Path | None,
    resume: bool,
    speaker: str | None,
    layout: Layout | None,
    **overrides: float | None,
) -> None:
    """Train a model on DIRECTORY, a folder with one folder of sound files for each word, or the name of a data set.

    Ctrl-C stops and saves the best model so far; --resume continues from there.

    Example: sayso train recordings -o model.safetensors --words yes,no
    """
    from contextlib import ExitStack
    from dataclasses import replace

    from sayso import tasks
    from sayso.cli.training_progress import TrainingProgress
    from sayso.config import Settings, network_named, recipe
    from sayso.corpus.clip_cache import default_folder
    from sayso.extras import require
    from sayso.report.live import LiveReport
    from sayso.report.tensorboard import TensorBoard
    from sayso.system.atomic_files import check_writable

    require("training", "train")
    # Each kind of network has its own default recipe.
    settings = Settings.from_toml(recipe(config or {"dense": "dense"}.get(network or "", RECIPE_NAME)))
    if network and network != settings.network.name:
        settings = replace(settings, network=network_named(network))
    given = {f"training.{name}": value for name, value in overrides.items() if value is not None}
    settings = settings.with_values(given)
    check_writable(output)
    followers: list[LiveReport | TensorBoard] = [LiveReport(report, output.stem)] if report else []
    if tensorboard:
        followers.append(TensorBoard(tensorboard))
    checkpoint = output.with_name(output.name + ".checkpoint")
    if resume and not checkpoint.exists():
        raise SettingsError(f"nothing to resume: there is no checkpoint {checkpoint}; train without --resume")

    asked = [word.strip() for word in words.split(",") if word.strip()] if words else []
    corpus = scanned(directory, speaker, layout)
    note(f"reading {corpus.root}")
    with ExitStack() as stack:
        for follower in followers:
            stack.enter_context(follower)
        progress = stack.enter_context(TrainingProgress())

        def start(prepared: Prepared) -> None:
            counts = Counter(row.word for row in prepared.clips.rows)
            for advice in _advice(prepared.training.data.labels, counts, directory):
                warn(advice)
            if resume:
                note(f"resuming after epoch {len(prepared.training.history)}")
            elif checkpoint.exists():
                note(
                    f"starting again; {checkpoint} of an earlier training will be replaced "
                    "(--resume would continue from it)"
                )
            progress.start(prepared)

        def epoch(training: Training) -> None:
            progress.epoch(training)
            for follower in followers:
                follower.follow(training)

        trained = tasks.train(
            corpus, words=asked, recipe=settings, noise=noise, negatives=negatives, distill=distill,
            checkpoint=checkpoint, resume=resume, cache=default_folder(), on_ready=start, on_step=progress.step,
            on_epoch=epoch,
        )  # fmt: skip
        model = trained.model
        model.save(output)
    if trained.finished:
        checkpoint.unlink(missing_ok=True)
    else:
        note("stopped; the best model so far is saved, --resume continues")
    accuracy, best = percent(model.training["validation_accuracy"]), model.training["best_epoch"]
    say(f"{output}: {len(model.labels)} labels, validation accuracy {accuracy} (epoch {best})")
    evaluation = trained.evaluation
    if evaluation.mistakes:
        rows = [
            (true, predicted, f"{count} of {evaluation.words[true].clips}")
            for true, predicted, count in evaluation.mistakes
        ]
        say("\n" + table(("true label", "predicted", "validation clips"), rows[:MISTAKES], left=2))
    if trained.doubtful:
        say("\n" + doubtful_table(trained.doubtful))
    if report:
        say(f"\n{report}: open it in a browser")
    say("")
    say_next(f"evaluate {directory} -m {output}")


def _advice(labels: Sequence[str], counts: Mapping[str, int], directory: Path) -> list[str]:
    """Return advice if there are too few recordings of a word for training from scratch."""
    from sayso.config import SILENCE, UNKNOWN
    from sayso.config.labels import label_of
    from sayso.model import model_file, shipped

    few = [label for label in labels if label not in (UNKNOWN, SILENCE) and 0 < counts[label] < FEW]
    if not few:
        return []
    fewest = min(few, key=lambda label: counts[label])
    knows = model_file.load(shipped.find(shipped.DEFAULT)).labels
    known = [label for label in few if label_of(label, knows) != UNKNOWN]
    new = [label for label in few if label not in known]
    told = f"only {counts[fewest]} recordings of {fewest!r}: "
    if not new:
        return [
            f"{told}the model {shipped.DEFAULT}, which comes with sayso, knows {', '.join(known)} already, from many "
            f"speakers; try it first (`sayso evaluate {shipped.DEFAULT} {directory}`)"
        ]
    except_known = f", without the folders of {', '.join(known)}, which it knows already" if known else ""
    return [
        f"{told}from so few, adding {', '.join(new)} to a model that comes with sayso gives better results "
        f"(`sayso teach {directory} -o MODEL`{except_known})"
    ]
