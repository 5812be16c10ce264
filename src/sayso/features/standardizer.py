"""Standardisation: features with zero mean and unit standard deviation, from which networks learn best."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Standardizer:
    """Scales each feature to zero mean and unit standard deviation over the training clips.

    Attributes
    ----------
    mean, deviation : ndarray of float32, shape (width,)
        Mean and standard deviation of each feature.
    """

    mean: FloatArray
    deviation: FloatArray

    @classmethod
    def fit(cls, features: FloatArray) -> Self:
        """Compute mean and standard deviation.

        Parameters
        ----------
        features : ndarray of float32, shape (clips, frames, width)
            Features of training clips; a feature that is constant (to a millionth of its size) gets deviation 1.

        Raises
        ------
        ValueError
            If there are no frames.
        """
        if features.ndim != 3 or 0 in features.shape:
            raise ValueError(
                f"features have shape {features.shape}; expected (clips, frames, width) with at least one frame"
            )
        mean = features.mean(axis=(0, 1), dtype=np.float64)
        # Clip by clip, as a copy of all features in double precision would take twice their memory.
        variance = sum(np.square(clip - mean).mean(axis=0) for clip in features) / len(features)
        deviation = np.sqrt(variance)
        varies = deviation > 1e-6 * np.maximum(np.abs(mean), 1)
        return cls(mean.astype(np.float32), np.where(varies, deviation, 1).astype(np.float32))

    def apply(self, features: FloatArray) -> FloatArray:
        """Standardise features.

        Parameters
        ----------
        features : ndarray of float32, shape (..., width)
            Features of one or more clips.

        Returns
        -------
        standardised : ndarray of float32, shape (..., width)
            A new array.
        """
        standardised = features - self.mean
        standardised /= self.deviation
        return standardised
