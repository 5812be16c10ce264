"""Training curves as event files for TensorBoard."""

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
    """Writes the results of each epoch of one training into a log folder of TensorBoard.

    Parameters
    ----------
    folder : Path
        The folder; created if missing. Curves of an earlier training in it are no longer shown.

    Raises
    ------
    SettingsError
        If the package tensorboardX is not installed.
    StorageError
        If the folder cannot be written to.
    """

    def __init__(self, folder: Path) -> None:
        try:
            import tensorboardX  # noqa: F401 - fail before hours of training
        except ImportError as error:
            raise SettingsError(
                'writing for TensorBoard needs the package tensorboardX; run: pip install "sayso[tensorboard]"'
            ) from error
        check_writable(folder / "events")
        self._folder = folder
        self._written = 0
        self._writer: SummaryWriter | None = None

    def __enter__(self) -> Self:
        """Return self."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        if self._writer:
            self._writer.close()

    def follow(self, training: Training) -> None:
        """Write the new epochs; after a resumption, also those before it."""
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
            # Epochs from a checkpoint of an older version have no gradient norms of layers.
            norms = zip(training.layers, row.layer_gradient_norms, strict=False)
            values |= {f"gradient_norm/{layer}": norm for layer, norm in norms}
            for name, value in values.items():
                if value is not None:
                    self._writer.add_scalar(name, value, row.epoch)
        self._written = len(training.history)
        self._writer.flush()
