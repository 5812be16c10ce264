"""Sweeps: one training for each combination of settings and seeds, to find out what works best."""

import contextlib
import hashlib
import json
import time
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from sayso.config import Settings
from sayso.corpus.corpus import scan
from sayso.corpus.layouts import Layout
from sayso.errors import DamageError, SettingsError, shown, untrusted
from sayso.model import plain
from sayso.model.model_file import Model
from sayso.training.preparation import prepare


class Data(NamedTuple):
    """The data of all runs; see `prepare`. The paths are absolute, as other machines may read them."""

    corpus: Path
    words: tuple[str, ...]
    noises: tuple[Path, ...]
    negatives: tuple[Path, ...]
    threads: int
    speaker: str | None = None
    layout: Layout | None = None


@dataclass(frozen=True)
class Run:
    """One training of a sweep.

    Attributes
    ----------
    values : dict
        The settings that differ between runs, as in ``{"training.seed": 0}``.
    settings : Settings
        All settings.
    folder : Path
        Folder of the checkpoint, from which an interrupted run continues.
    """

    values: dict[str, Any]
    settings: Settings
    folder: Path

    @property
    def checkpoint(self) -> Path:
        """The file of the checkpoint; its name is a digest of all settings."""
        text = json.dumps(self.settings.to_dict(), sort_keys=True)
        return self.folder / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.checkpoint"


@dataclass(frozen=True)
class Row:
    """The result of a run, in plain values.

    Attributes
    ----------
    values, settings : dict
        The settings that differ between runs, and all settings.
    data : dict
        The data of the run, see `data_to_dict`.
    validation_accuracy : float
        Accuracy of the best epoch.
    best_epoch : int
        Its number.
    seconds : float
        Duration of the run.
    """

    values: dict[str, Any]
    settings: dict[str, Any]
    data: dict[str, Any]
    validation_accuracy: float
    best_epoch: int
    seconds: float


def grid(settings: Settings, varied: dict[str, list[Any]], folder: Path) -> list[Run]:
    """Return a run for each combination of values.

    Parameters
    ----------
    settings : Settings
        Settings that are the same for all runs.
    varied : dict
        The values that each setting takes, as in ``{"training.epochs": [10, 20]}``.
    folder : Path
        Folder for the checkpoints.

    Raises
    ------
    SettingsError
        If there is no such setting, or a value is not allowed.
    """
    runs = []
    for values in product(*varied.values()):
        chosen = dict(zip(varied, values, strict=True))
        runs.append(Run(chosen, settings.with_values(chosen), folder))
    return runs


def values_of(text: str) -> tuple[str, list[Any]]:
    """Parse ``training.epochs=10,20``: a setting and the values it takes, written as in TOML or as plain words.

    Raises
    ------
    SettingsError
        If the text does not have this form.
    """
    name, found, values = text.partition("=")
    if not found or not values.strip():
        raise SettingsError(
            f"{shown(text)} has no values; expected TABLE.NAME=VALUE,VALUE, as in training.epochs=10,20"
        )
    try:
        with untrusted(lambda reason: SettingsError(f"{shown(text)} has impossible values: {reason}; correct them"),
                       tomllib.TOMLDecodeError):  # fmt: skip
            parsed: list[Any] = tomllib.loads(f"values = [{values}]")["values"]
    except tomllib.TOMLDecodeError:
        parsed = [value.strip() for value in values.split(",")]
    return name.strip(), parsed


def train(data: Data, run: Run) -> tuple[Row, Model]:
    """Carry out one run, starting from its checkpoint if there is one.

    Parameters
    ----------
    data : Data
        The data.
    run : Run
        The settings.

    Returns
    -------
    row : Row
        The result.
    model : Model
        The model with the best weights.
    """
    start = time.perf_counter()
    corpus = scan(data.corpus, data.speaker, data.layout)
    training = prepare(
        corpus, run.settings, data.words, data.noises, data.negatives, run.checkpoint, threads=data.threads
    ).training
    if run.checkpoint.exists():
        training.resume(run.checkpoint)
    for _ in training.epochs():
        pass
    model = training.model()
    row = Row(
        values=run.values,
        settings=run.settings.to_dict(),
        data=data_to_dict(data),
        validation_accuracy=model.training["validation_accuracy"],
        best_epoch=training.best_epoch,
        seconds=time.perf_counter() - start,
    )
    return row, model


def data_to_dict(data: Data) -> dict[str, Any]:
    """Return everything but the settings that determines the result of a run, in plain values."""
    names = {name: [str(path) for path in getattr(data, name)] for name in ("noises", "negatives")}
    # Only what was given, so that the rows of older versions still count.
    understood = {name: value for name in ("speaker", "layout") if (value := getattr(data, name)) is not None}
    return {"corpus": str(data.corpus), "words": list(data.words), **names, **understood}


def finished(path: Path) -> Iterator[Row]:
    """Yield the rows of finished runs; lines that were not written completely are skipped."""
    if not path.exists():
        return
    for line in path.read_bytes().split(b"\n"):
        with contextlib.suppress(DamageError):
            yield _row(line)


def _row(line: bytes) -> Row:
    """Parse a line of the results; a DamageError if it is not one."""
    with untrusted():
        row = Row(**json.loads(line))
        accuracy, epoch = plain.number(row.validation_accuracy, 0, 1), plain.whole(row.best_epoch)
        seconds = plain.number(row.seconds, 0)
        if not isinstance(row.values, dict) or accuracy is None or epoch is None or seconds is None:
            raise ValueError("it is not a result")
        return row


def is_row_of(row: Row, data: Data, run: Run) -> bool:
    """Return whether a row is the result of this run."""
    # JSON turns tuples into lists, so the settings have to go through it as the row did.
    return bool(row.data == data_to_dict(data) and row.settings == json.loads(json.dumps(run.settings.to_dict())))


def append(path: Path, rows: Sequence[Row]) -> None:
    """Append rows to a file."""
    with path.open("ab") as file:
        if file.tell():
            # The last line may be incomplete if an earlier process was killed.
            file.write(b"\n")
        file.write(b"\n".join(json.dumps(asdict(row)).encode() for row in rows))
