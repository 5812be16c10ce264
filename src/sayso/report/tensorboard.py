"""The course of a training as TensorBoard reads it, for those who follow their trainings there."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from sayso.errors import SettingsError
from sayso.system.atomic_files import check_writable
from sayso.training.training import Training

if TYPE_CHECKING:
    from tensorboardX import SummaryWriter


class TensorBoard:
    """Writes the epochs of one training into a folder that TensorBoard watches.

    Parameters
    ----------
    folder : Path
        The folder; it is made if it is missing. What an earlier training wrote there is no longer shown.

    Raises
    ------
    SettingsError
        If the package that writes such files is not installed.
    StorageError
        If the folder cannot be written to.
    """

    def __init__(self, folder: Path) -> None:
        try:
            import tensorboardX  # noqa: F401 - found out before hours of work
        except ImportError as error:
            raise SettingsError(
                'writing for TensorBoard needs the package tensorboardX; run: pip install "sayso[tensorboard]"'
            ) from error
        check_writable(folder / "events")
        self._folder = folder
        self._written = 0
        self._writer: SummaryWriter | None = None

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish the file."""
        if self._writer:
            self._writer.close()

    def follow(self, training: Training) -> None:
        """Write the epochs that are new; those before a resumption come first."""
        if self._writer is None:
            from tensorboardX import SummaryWriter

            self._writer = SummaryWriter(str(self._folder), purge_step=1)
        for row in training.history[self._written :]:
            values = {
                "loss/training": row.loss,
                "loss/validation": row.validation_loss,
                "accuracy/training": row.training_accuracy,
                "accuracy/validation": row.validation_accuracy,
                "learning_rate": row.learning_rate,
                "gradient_norm/all": row.gradient_norm,
            }
            # An epoch out of an older sayso's checkpoint lacks the gradient of each layer.
            norms = zip(training.layers, row.layer_gradient_norms, strict=False)
            values |= {f"gradient_norm/{layer}": norm for layer, norm in norms}
            for name, value in values.items():
                if value is not None:
                    self._writer.add_scalar(name, value, row.epoch)
        self._written = len(training.history)
        self._writer.flush()
