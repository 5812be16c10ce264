"""The course of a training, epoch by epoch: what a model keeps of it, and what plots and pages show."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class EpochRow:
    """What one epoch showed.

    Attributes
    ----------
    epoch : int
        Its number, from 1.
    loss, training_accuracy : float
        Mean over the training clips as they were drawn and varied, dropout included; where the words of unknown speech
        are classes of their own, they are told apart here.
    validation_accuracy : float
        On the validation clips, with the averaged weights; each label counts the same.
    learning_rate : float
        At the end of the epoch.
    gradient_norm : float
        Mean Euclidean norm of the gradient.
    validation_loss : float or None
        On the validation clips, with the averaged weights, to targets smoothed as in training.
    layer_gradient_norms : list of float
        Mean Euclidean norm of the gradient of each layer that learns, in the order of `Parameters.norms`, over a few
        steps of the epoch.
    """

    epoch: int
    loss: float
    training_accuracy: float
    validation_accuracy: float
    learning_rate: float
    gradient_norm: float
    # A checkpoint of an older sayso has neither.
    validation_loss: float | None = None
    layer_gradient_norms: list[float] = field(default_factory=list)


def history_of(account: Mapping[str, Any]) -> list[EpochRow]:
    """Read the epochs out of a model's account of its training; none if it has none, or nothing that can be read."""
    try:
        rows = [EpochRow(**row) for row in account.get("history", ())]
        told = [asdict(row) | {"layer_gradient_norms": sum(row.layer_gradient_norms)} for row in rows]
        # Only the loss on validation may be missing.
        numbers = [
            number for row in told for name, number in row.items() if (name, number) != ("validation_loss", None)
        ]
        return rows if np.isfinite(np.array(numbers, float)).all() and None not in numbers else []
    except (TypeError, ValueError):
        return []
