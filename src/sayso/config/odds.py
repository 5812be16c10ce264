"""Probabilities as log-odds, in which certainty has no upper end, and back."""

import numpy as np
from numpy.typing import NDArray


def log_odds(probabilities: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return ln(p / (1 - p)) of probabilities in their own precision: minus infinity for 0, infinity for 1."""
    with np.errstate(divide="ignore"):
        odds: NDArray[np.floating] = np.log(probabilities) - np.log1p(-probabilities)
    return odds


def shifted(probability: float, nats: float) -> float:
    """Return the probability whose log-odds are higher than those of another, above 0 and below 1, by so many nats."""
    (odds,) = log_odds(np.array([probability])) + nats
    return float(1 / (1 + np.exp(-np.clip(odds, -30, 30))))
