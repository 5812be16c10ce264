"""Many trainings side by side, one for each combination of settings and seeds, to find out what works best."""

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
from sayso.errors import SettingsError
from sayso.model.model_file import Model
from sayso.training.preparation import prepare


class Data(NamedTuple):
    """What all runs learn from; see `prepare`. The paths are absolute, as other machines may read them."""

    corpus: Path
    words: tuple[str, ...]
    noises: tuple[Path, ...]
    negatives: tuple[Path, ...]
    threads: int


@dataclass(frozen=True)
class Run:
    """One training of a sweep.

    Attributes
    ----------
    values : dict
        What is varied, as in ``{"training.seed": 0}``.
    settings : Settings
        All settings.
    folder : Path
        Where its checkpoint lies, with which an interrupted run goes on.
    """

    values: dict[str, Any]
    settings: Settings
    folder: Path

    @property
    def checkpoint(self) -> Path:
        """The file of the checkpoint, which bears a digest of all settings."""
        text = json.dumps(self.settings.to_dict(), sort_keys=True)
        return self.folder / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.checkpoint"


@dataclass(frozen=True)
class Row:
    """What a run has come to, in plain values.

    Attributes
    ----------
    values, settings : dict
        What is varied, and all settings.
    data : dict
        What it learned from.
    validation_accuracy : float
        Of the best epoch.
    best_epoch : int
        Its number.
    seconds : float
        How long the run took.
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
        What is not varied.
    varied : dict
        The values that each setting takes, as in ``{"training.epochs": [10, 20]}``.
    folder : Path
        For the checkpoints.

    Raises
    ------
    SettingsError
        If there is no such setting, or a value is impossible.
    """
    runs = []
    for values in product(*varied.values()):
        chosen = dict(zip(varied, values, strict=True))
        tables = settings.to_dict()
        for name, value in chosen.items():
            table, _, key = name.partition(".")
            if not key or not isinstance(tables.get(table, {}), dict):
                raise SettingsError(f"{name!r} is no setting; expected TABLE.NAME, as in training.epochs")
            tables.setdefault(table, {})[key] = value
        runs.append(Run(chosen, Settings.from_dict(tables), folder))
    return runs


def values_of(text: str) -> tuple[str, list[Any]]:
    """Read ``training.epochs=10,20``: a setting and the values it takes, written as in TOML or as plain words.

    Raises
    ------
    SettingsError
        If it is nothing of the kind.
    """
    name, found, values = text.partition("=")
    if not found or not values.strip():
        raise SettingsError(f"{text!r} varies nothing; expected TABLE.NAME=VALUE,VALUE, as in training.epochs=10,20")
    try:
        parsed: list[Any] = tomllib.loads(f"values = [{values}]")["values"]
    except tomllib.TOMLDecodeError:
        parsed = [value.strip() for value in values.split(",")]
    return name.strip(), parsed


def train(data: Data, run: Run) -> tuple[Row, Model]:
    """Train one run to its end, or from its checkpoint on.

    Parameters
    ----------
    data : Data
        What to learn from.
    run : Run
        With which settings.

    Returns
    -------
    row : Row
        What it has come to.
    model : Model
        The best model.
    """
    start = time.perf_counter()
    corpus = scan(data.corpus)
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
    """Return what decides about the result of a run, apart from its settings, in plain values."""
    names = {name: [str(path) for path in getattr(data, name)] for name in ("noises", "negatives")}
    return {"corpus": str(data.corpus), "words": list(data.words), **names}


def finished(path: Path) -> Iterator[Row]:
    """Yield the rows of runs that are done; a line that a kill left half written is none."""
    if not path.exists():
        return
    for line in path.read_bytes().split(b"\n"):
        try:
            yield Row(**json.loads(line))
        except (ValueError, TypeError):
            continue


def is_row_of(row: Row, data: Data, run: Run) -> bool:
    """Tell whether a row says what this run has come to."""
    # Through JSON and back, as the row went: a tuple becomes a list.
    return bool(row.data == data_to_dict(data) and row.settings == json.loads(json.dumps(run.settings.to_dict())))


def append(path: Path, rows: Sequence[Row]) -> None:
    """Write rows at the end of a file."""
    with path.open("ab") as file:
        if file.tell():
            # After what a kill may have left half written.
            file.write(b"\n")
        file.write(b"\n".join(json.dumps(asdict(row)).encode() for row in rows))
