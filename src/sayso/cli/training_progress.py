"""Training with a progress bar, for `sayso train` and `sayso quickstart`."""

from __future__ import annotations

from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Self

from sayso.cli.console import note, progress_bar, report_skipped, warn
from sayso.cli.tables import percent

if TYPE_CHECKING:
    from rich.progress import Progress

    from sayso.training.preparation import Prepared
    from sayso.training.training import Training

COLUMNS = (
    "epoch {task.fields[epoch]}/{task.fields[epochs]}",
    "loss {task.fields[loss]}",
    "validation {task.fields[accuracy]}",
)
# How much of the loss that is shown is that of the last step.
NEWEST = 0.05


class TrainingProgress:
    """Shows a training while it runs: its methods are the callbacks of `tasks.train`."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._bar: Progress
        self._loss: float | None = None

    def __enter__(self) -> Self:
        """Return self."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the bar."""
        self._stack.close()

    def start(self, prepared: Prepared) -> None:
        """Report what was skipped and what may make the result worse, then show the bar."""
        report_skipped(prepared.skipped)
        for warning in prepared.warnings:
            warn(warning)
        training = prepared.training
        epochs, done = training.settings.training.epochs, len(training.history)
        self._bar = self._stack.enter_context(progress_bar(*COLUMNS))
        self._task = self._bar.add_task("", total=1.0, epoch=done + 1, epochs=epochs, loss="…", accuracy="…")

    def step(self, done: float, loss: float) -> None:
        """Advance the bar."""
        self._loss = loss if self._loss is None else (1 - NEWEST) * self._loss + NEWEST * loss
        self._bar.update(self._task, completed=done, loss=f"{self._loss:.3f}")

    def epoch(self, training: Training) -> None:
        """Show the results of an epoch; a note of them where there is no bar."""
        row, total = training.history[-1], training.settings.training.epochs
        accuracy = percent(row.validation_accuracy)
        self._bar.update(self._task, epoch=min(row.epoch + 1, total), completed=row.epoch / total, accuracy=accuracy)
        if self._bar.disable:
            note(
                f"epoch {row.epoch}/{total}: loss {row.loss:.3f}, training {percent(row.training_accuracy)}, "
                f"validation {accuracy}"
            )


def watch(prepared: Prepared) -> bool:
    """Train with a bar to the end, or until Ctrl-C; return whether it came to the end."""
    from sayso.tasks import run

    with TrainingProgress() as progress:
        progress.start(prepared)
        return run(prepared.training, progress.step, progress.epoch)
