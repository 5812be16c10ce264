"""A page that follows a training: written anew while it goes on, and with what validation shows at its end."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from sayso.config import SILENCE
from sayso.evaluation.measure import CHOSEN_BY, Measured, predict, seconds_per_clip
from sayso.recognition.recognizer import Recognizer
from sayso.report import page
from sayso.report.model_page import Subject, draw, render
from sayso.system.atomic_files import check_writable
from sayso.training.training import Training

# The page is written at most so often, and so rarely that it takes no more than this part of the time. (The first page
# takes longer than the others, as what it is drawn with is loaded for it.)
SECONDS, PART = 10.0, 0.03


class LiveReport:
    """Keeps the report of one training up to date.

    Parameters
    ----------
    path : Path
        Where to save the page.
    name : str
        What to call the model.

    Raises
    ------
    StorageError
        If the page cannot be written.
    """

    def __init__(self, path: Path, name: str) -> None:
        check_writable(path)
        self._path = path
        self._name = name
        self._training: Training | None = None
        self._next: float | None = None

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write the page as it stays, unless the training never began."""
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
        """Write the page, if it is time to."""
        self._training = training
        start = time.monotonic()
        if (self._next is None or start >= self._next) and not training.finished:
            self._write(Subject(self._name, training.snapshot(), epochs=training.settings.training.epochs))
            took = time.monotonic() - start
            self._next = start + (SECONDS if self._next is None else max(SECONDS, took / PART))

    def _write(self, subject: Subject) -> None:
        with page.style():
            page.save(render(subject, draw(subject)), self._path)


def _root(names: Sequence[str]) -> Path | None:
    """Find the folder that holds the clips, of which some are made up and have no path."""
    folders = [Path(name).parent.parent for name in names if not name.startswith(f"{SILENCE} ")]
    return Path(os.path.commonpath(folders)) if folders else None
