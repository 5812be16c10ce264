"""The loss on a plane through the weights of a network, with the path that its training took.

The weights of even a small network have thousands of dimensions. A picture shows two of them: the direction from the
first to the last weights, and the direction in which the path deviates most from that straight line. H. Li et al.,
"Visualizing the loss landscape of neural nets", 2018.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating[Any]]

# Points of the surface along each side, and its margin around the path as a fraction of the path's extent.
POINTS, MARGIN = 31, 0.25


@dataclass(frozen=True, eq=False)
class Surface:
    """The loss at the points of a plane.

    Coordinates count the Euclidean distance from the first weights, along two directions at right angles.

    Attributes
    ----------
    across, upward : ndarray, shape (POINTS,)
        Coordinates of the points along the two directions.
    losses : ndarray, shape (POINTS, POINTS)
        The loss in nats at each point, upward by across.
    path : ndarray, shape (epochs + 1, 2)
        The weights after each epoch, projected onto the plane.
    share : float
        Fraction of the squared distances from the first weights that lies in the plane: 1 if the path never leaves it.
    """

    across: FloatArray
    upward: FloatArray
    losses: FloatArray
    path: FloatArray
    share: float


def loss_surface(vectors: FloatArray, loss_of: Callable[[FloatArray], float]) -> Surface:
    """Compute the loss on the plane in which the path of a training lies best.

    Parameters
    ----------
    vectors : ndarray, shape (epochs + 1, parameters)
        The parameters before the training and after each epoch.
    loss_of : callable
        Computes the loss with given parameters.
    """
    moves = vectors.astype(np.float64) - vectors[0]
    first = moves[-1] / (np.linalg.norm(moves[-1]) or 1.0)
    rest = moves - np.outer(moves @ first, first)
    # The direction in which the rest is largest is its first right singular vector.
    second = np.linalg.svd(rest, full_matrices=False)[2][0]
    second -= (second @ first) * first
    second /= np.linalg.norm(second) or 1.0
    path = moves @ np.stack([first, second], axis=1)
    across, upward = (_spread(path[:, axis], np.ptp(path)) for axis in range(2))
    losses = np.array([[loss_of(vectors[0] + x * first + y * second) for x in across] for y in upward])
    share = float(np.sum(np.square(path)) / (np.sum(np.square(moves)) or 1.0))
    return Surface(across, upward, losses, path, share)


def _spread(values: FloatArray, extent: float) -> FloatArray:
    """Return coordinates that cover some values with a margin."""
    margin = MARGIN * (extent or 1.0)
    return np.linspace(values.min() - margin, values.max() + margin, POINTS)
