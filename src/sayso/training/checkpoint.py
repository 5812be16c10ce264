"""What an interrupted training goes on from: every vector that the next step depends on, in one file."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from sayso.config import build
from sayso.errors import ModelError, SettingsError
from sayso.model.history import EpochRow, history_of
from sayso.model.model_file import check_header_size
from sayso.system.atomic_files import write_atomically

_KEY = "checkpoint"


@dataclass(frozen=True)
class _Best:
    """What the header tells of the best epoch."""

    epoch: int
    accuracy: float


@dataclass(frozen=True)
class Checkpoint:
    """The state of a training between two epochs.

    Attributes
    ----------
    origin : dict
        Settings and recordings of the training, in plain values; a checkpoint can only be resumed with the same.
    best_epoch : int
        The best epoch so far.
    best_accuracy : float
        Its validation accuracy.
    history : sequence of EpochRow
        What the epochs showed so far.
    vectors : dict of str to ndarray
        The state of the trainer, and the best weights.
    """

    origin: dict[str, Any]
    best_epoch: int
    best_accuracy: float
    history: Sequence[EpochRow]
    vectors: dict[str, NDArray[np.floating[Any]]]

    def save(self, path: Path) -> None:
        """Write the checkpoint to a file, wholly or not at all.

        Raises
        ------
        StorageError
            If it cannot be written.
        """
        from safetensors.numpy import save

        header = {
            **self.origin,
            "best": {"epoch": self.best_epoch, "accuracy": self.best_accuracy},
            "history": [asdict(row) for row in self.history],
        }
        write_atomically(path, save(dict(self.vectors), {_KEY: json.dumps(header)}))

    @classmethod
    def load(cls, path: Path, origin: dict[str, Any], expected: Mapping[str, NDArray[np.floating[Any]]]) -> Self:
        """Read a checkpoint.

        Parameters
        ----------
        path : Path
            The file.
        origin : dict
            Settings and recordings of the training that shall go on.
        expected : mapping of str to ndarray
            Vectors of the names, shapes and types that it must hold.

        Raises
        ------
        ModelError
            If the file is no checkpoint.
        SettingsError
            If it belongs to a training with other settings or other recordings.
        """
        from safetensors import SafetensorError, safe_open

        try:
            check_header_size(path)
            with safe_open(path, framework="numpy") as file:
                header = json.loads(file.metadata()[_KEY])
                vectors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
            made_with = {name: header[name] for name in origin}
            history = history_of(header)
            if len(history) != len(header["history"]):
                raise ValueError("its history is not made of finite numbers")
            best = build(_Best, header["best"], "best")
            # Through JSON and back, as the checkpoint's went: a tuple becomes a list.
            now = json.loads(json.dumps(origin))
            others = [name for name, value in made_with.items() if value != now[name]]
            if not others:
                _check(vectors, expected)
                if not 0 <= best.epoch <= len(history):
                    raise ValueError(f"its best epoch is {best.epoch} of {len(history)}")
        except (OSError, SafetensorError, LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise ModelError(
                f"{path} is no checkpoint that can be resumed ({error}); train afresh without --resume"
            ) from error
        if others:
            raise SettingsError(f"{path} was made with other {others[0]}; use the same, or train without --resume")
        return cls(made_with, best.epoch, best.accuracy, history, vectors)


def _check(vectors: Mapping[str, NDArray[np.floating[Any]]], expected: Mapping[str, NDArray[np.floating[Any]]]) -> None:
    """Make sure that the vectors are such as the training has."""
    for name, ours in expected.items():
        given = vectors[name]
        if given.shape != ours.shape or given.dtype != ours.dtype or not np.isfinite(given).all():
            raise ValueError(f"{name} is not made of {ours.size} finite numbers")
