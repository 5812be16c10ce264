"""Checkpoints: everything that an interrupted training needs to continue, in one file."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from sayso.config import Settings, build
from sayso.errors import ModelError, SettingsError, shown, untrusted
from sayso.model.history import EpochRow, history_of
from sayso.model.model_file import check_header_size
from sayso.system.atomic_files import write_atomically

_KEY = "checkpoint"


@dataclass(frozen=True)
class _Best:
    """The best epoch, as the header states it."""

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
        Results of the epochs so far.
    vectors : dict of str to ndarray
        The state of the trainer, and the best weights.
    """

    origin: dict[str, Any]
    best_epoch: int
    best_accuracy: float
    history: Sequence[EpochRow]
    vectors: dict[str, NDArray[np.floating[Any]]]

    def save(self, path: Path) -> None:
        """Write the checkpoint to a file, completely or not at all.

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
            Settings and recordings of the training to be resumed.
        expected : mapping of str to ndarray
            Vectors with the names, shapes and types that the file must contain.

        Raises
        ------
        ModelError
            If the file is not a valid checkpoint.
        SettingsError
            If it belongs to a training with different settings or recordings.
        """
        from safetensors import safe_open

        def refusal(reason: object) -> ModelError:
            return ModelError(
                f"{path} is not a checkpoint that can be resumed ({reason}); train without --resume to start again"
            )

        try:
            with untrusted(refusal):
                check_header_size(path)
                with safe_open(path, framework="numpy") as file:
                    header = json.loads(file.metadata()[_KEY])
                    vectors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
                made_with = {name: header[name] for name in origin}
                made_with["settings"] = _settings(header["settings"])
                history = history_of(header)
                if len(history) != len(header["history"]):
                    raise ValueError("its history has values that are not finite numbers")
                best = build(_Best, header["best"], "best")
                # JSON turns tuples into lists, so what is compared has to go through it as well.
                now = json.loads(json.dumps(origin))
                different = [name for name, value in made_with.items() if value != now[name]]
                if not different:
                    _check(vectors, expected)
                    # NaN fails every comparison.
                    if not best.accuracy <= 1:
                        raise ValueError(f"its best accuracy is {best.accuracy}")
                    if not 0 <= best.epoch <= len(history):
                        raise ValueError(f"its best epoch is {shown(best.epoch)} of {len(history)}")
        except OSError as error:
            raise refusal(error.strerror or error) from error
        if different:
            raise SettingsError(
                f"{path} was made with different {different[0]}; use the same ones, or train without --resume"
            )
        return cls(made_with, best.epoch, best.accuracy, history, vectors)


def _settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a checkpoint as this version writes them.

    Older versions also kept how words are decided, which makes no difference to a training; and settings that they did
    not have yet get their default.
    """
    known = Settings.from_dict({name: table for name, table in settings.items() if name != "decision"}).to_dict()
    del known["decision"]
    plain: dict[str, Any] = json.loads(json.dumps(known))
    return plain


def _check(vectors: Mapping[str, NDArray[np.floating[Any]]], expected: Mapping[str, NDArray[np.floating[Any]]]) -> None:
    """Refuse vectors that do not have the expected shapes and types or are not finite."""
    for name, wanted in expected.items():
        given = vectors[name]
        if given.shape != wanted.shape or given.dtype != wanted.dtype or not np.isfinite(given).all():
            raise ValueError(f"{name} does not consist of {wanted.size} finite numbers of type {wanted.dtype}")
