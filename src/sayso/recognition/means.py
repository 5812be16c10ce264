"""Weighted means of the latest scores of a stream."""

import numpy as np
from numpy.typing import NDArray


class Means:
    """Weighted means of the latest rows.

    Parameters
    ----------
    weights : ndarray, shape (means, rows)
        The weights of each mean, the newest row first.
    width : int
        Length of a row.
    fill : float, optional
        Value of the rows before the first; without it, the first rows are averaged over those there are.
    """

    def __init__(self, weights: NDArray[np.number], width: int, fill: float | None = None) -> None:
        self._weights: NDArray[np.floating] = weights.astype(np.float32)
        # Of the first rows, so many as there are.
        self._totals = self._weights.cumsum(axis=1).T[:, :, None]
        self._rows: NDArray[np.floating] = np.full((weights.shape[1], width), fill or 0.0, np.float32)
        self._count = 0 if fill is None else weights.shape[1]

    def push(self, row: NDArray[np.floating]) -> NDArray[np.floating]:
        """Append a row and return the means, shape (means, width), in the type of the row."""
        if self._rows.dtype != row.dtype:
            self._rows, self._weights, self._totals = (
                array.astype(row.dtype) for array in (self._rows, self._weights, self._totals)
            )
        self._rows[1:] = self._rows[:-1]
        self._rows[0] = row
        self._count = min(self._count + 1, len(self._rows))
        means: NDArray[np.floating] = self._weights[:, : self._count] @ self._rows[: self._count]
        means /= self._totals[self._count - 1]
        return means
