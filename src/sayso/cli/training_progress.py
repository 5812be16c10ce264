"""Training with a progress bar, for `sayso train` and `sayso quickstart`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from sayso.cli.console import note, progress_bar, report_skipped, warn
from sayso.cli.tables import percent

if TYPE_CHECKING:
    from sayso.training.preparation import Prepared
    from sayso.training.training import Training


def watch(prepared: Prepared, observers: Sequence[Callable[[Training], None]] = ()) -> bool:
    """Train to the end, or until Ctrl-C.

    Parameters
    ----------
    prepared : Prepared
        The training; it keeps the best weights.
    observers : sequence of callable
        Called with the training after each epoch.

    Returns
    -------
    finished : bool
        False if Ctrl-C ended it.
    """
    training = prepared.training
    report_skipped(prepared.skipped)
    for warning in prepared.warnings:
        warn(warning)
    total = training.settings.training.epochs
    columns = (
        "epoch {task.fields[epoch]}/{task.fields[epochs]}",
        "loss {task.fields[loss]}",
        "validation {task.fields[accuracy]}",
    )
    with progress_bar(*columns) as bar:
        done = len(training.history)
        task = bar.add_task("", total=1.0, epoch=done + 1, epochs=total, loss="…", accuracy="…")
        smooth = None

        def advance(part: float, loss: float) -> None:
            nonlocal smooth
            smooth = loss if smooth is None else 0.95 * smooth + 0.05 * loss
            bar.update(task, completed=part, loss=f"{smooth:.3f}")

        try:
            for row in training.epochs(advance):
                shown = min(row.epoch + 1, total)
                bar.update(task, epoch=shown, completed=row.epoch / total, accuracy=percent(row.validation_accuracy))
                if bar.disable:
                    note(
                        f"epoch {row.epoch}/{total}: loss {row.loss:.3f}, training {percent(row.training_accuracy)}, "
                        f"validation {percent(row.validation_accuracy)}"
                    )
                for observe in observers:
                    observe(training)
        except KeyboardInterrupt:
            return False
    return True
