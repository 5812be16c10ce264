"""The course of a training, epoch by epoch: what a model keeps of it, and what plots and pages show."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np


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
    try:
        rows = [EpochRow(**row) for row in training.get("history", ())]
        values = [asdict(row) | {"layer_gradient_norms": sum(row.layer_gradient_norms)} for row in rows]
        # Only the validation loss may be missing.
        numbers = [
            number for row in values for name, number in row.items() if (name, number) != ("validation_loss", None)
        ]
        return rows if np.isfinite(np.array(numbers, float)).all() and None not in numbers else []
    except (TypeError, ValueError):
        return []
