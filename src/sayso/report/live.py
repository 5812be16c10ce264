"""A report that follows a training: updated while it runs, and completed with the validation results at the end."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from sayso.config import SILENCE
from sayso.evaluation.measure import CHOSEN_BY, Measured, predict, seconds_per_clip
from sayso.extras import require
from sayso.recognition.recognizer import Recognizer
from sayso.report import page
from sayso.report.model_page import Subject, draw, render
from sayso.system.atomic_files import check_writable
from sayso.training.training import Training

# Least time between two versions of the page in seconds, and the largest fraction of the time spent on writing it. (The
# first version takes longer, as Matplotlib has to be imported.)
SECONDS, FRACTION = 10.0, 0.03


class LiveReport:
    """Keeps a report on one training up to date.

    Parameters
    ----------
    path : Path
        Where to save the page.
    name : str
        Name of the model.

    Raises
    ------
    MissingPackageError
        If the packages that draw it are not installed.
    StorageError
        If the page cannot be written.
    """

    def __init__(self, path: Path, name: str) -> None:
        require("a report on the training", "report")
        check_writable(path)
        self._path = path
        self._name = name
        self._training: Training | None = None
        self._next: float | None = None

    def __enter__(self) -> Self:
        """Return self."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write the final page, unless the training never started."""
        if self._training is None:
            return
        training, model = self._training, self._training.snapshot()
        recognizer, data = Recognizer(model), training.provenance["corpus"]
        measured = Measured(
            data=f"the validation clips of {data}",
            clips=training.validation,
            predictions=predict(recognizer, training.validation),
            root=_root(training.validation.names),
            warnings=(f"{CHOSEN_BY}, so the figures are too optimistic",),
        )
        self._write(Subject(self._name, model, measured=measured, seconds=seconds_per_clip(recognizer)))

    def follow(self, training: Training) -> None:
        """Write the page if enough time has passed."""
        self._training = training
        start = time.monotonic()
        if (self._next is None or start >= self._next) and not training.finished:
            self._write(Subject(self._name, training.snapshot(), epochs=training.settings.training.epochs))
            took = time.monotonic() - start
            self._next = start + (SECONDS if self._next is None else max(SECONDS, took / FRACTION))

    def _write(self, subject: Subject) -> None:
        with page.style():
            page.save(render(subject, draw(subject)), self._path)


def _root(names: Sequence[str]) -> Path | None:
    """Return the folder that contains all clips; generated silence has no path."""
    folders = [Path(name).parent.parent for name in names if not name.startswith(f"{SILENCE} ")]
    return Path(os.path.commonpath(folders)) if folders else None
