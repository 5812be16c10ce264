"""The course of a training, epoch by epoch: what a model keeps of it, and what plots and pages show."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from sayso.model import plain

# As many as the settings allow.
MOST_EPOCHS = 10_000
# The largest value of each measurement that every epoch has; all are at least 0.
_RANGES = {
    "loss": plain.LARGEST,
    "training_accuracy": 1.0,
    "validation_accuracy": 1.0,
    "learning_rate": plain.LARGEST,
    "gradient_norm": plain.LARGEST,
}


@dataclass(frozen=True)
class EpochRow:
    """The measurements of one epoch.

    Attributes
    ----------
    epoch : int
        Its number, from 1.
    loss, training_accuracy : float
        Mean over the augmented training clips of the epoch, with dropout. If each word of unknown speech is its own
        class, confusions between these words count as errors here.
    validation_accuracy : float
        On the validation clips, with the averaged weights: the mean of the labels' recalls.
    learning_rate : float
        At the end of the epoch.
    gradient_norm : float
        Mean Euclidean norm of the gradient.
    validation_loss : float or None
        On the validation clips, with the averaged weights, to targets smoothed as in training.
    layer_gradient_norms : list of float
        Mean Euclidean norm of the gradient of each layer with parameters, in the order of `Parameters.norms`, over a
        few steps of the epoch.
    """

    epoch: int
    loss: float
    training_accuracy: float
    validation_accuracy: float
    learning_rate: float
    gradient_norm: float
    # Missing from checkpoints of older versions.
    validation_loss: float | None = None
    layer_gradient_norms: list[float] = field(default_factory=list)


def history_of(training: Mapping[str, Any]) -> list[EpochRow]:
    """Read the epochs from a model's record of its training; an empty list if there are none or they are malformed."""
    given = training.get("history")
    if not isinstance(given, list | tuple) or len(given) > MOST_EPOCHS:
        return []
    rows = [row for row in map(_row, given) if row]
    numbers = [row.epoch for row in rows]
    return rows if len(rows) == len(given) and numbers == sorted(set(numbers)) else []


def _row(given: Any) -> EpochRow | None:
    """Read one epoch; None unless all its values are finite numbers in their ranges."""
    if not isinstance(given, Mapping) or not given.keys() <= {part.name for part in fields(EpochRow)}:
        return None
    norms = given.get("layer_gradient_norms", [])
    if not isinstance(norms, list | tuple):
        return None
    epoch = plain.whole(given.get("epoch"), 1, MOST_EPOCHS)
    validation_loss = plain.number(given.get("validation_loss"), 0)
    # Only the validation loss may be missing.
    if epoch is None or (validation_loss is None and given.get("validation_loss") is not None):
        return None
    measured, layers = {}, []
    for name, high in _RANGES.items():
        value = plain.number(given.get(name), 0, high)
        if value is None:
            return None
        measured[name] = value
    for norm in norms:
        value = plain.number(norm, 0)
        if value is None:
            return None
        layers.append(value)
    return EpochRow(epoch=epoch, validation_loss=validation_loss, layer_gradient_norms=layers, **measured)
