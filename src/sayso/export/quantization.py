"""Weights as 8-bit integers: a quarter of the size, with one scale for each output of a layer.

Only the weights are rounded, each to the nearest of 255 steps; sums are computed in single precision as before. So no
calibration recordings are needed, and every format computes the same with the same integers.
"""

from copy import deepcopy

import numpy as np
from numpy.typing import NDArray

from sayso.nn import Network

STEPS = 127


def quantized(weight: NDArray[np.float32], axis: int = 0) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Round weights to integers.

    Parameters
    ----------
    weight : ndarray of float32
        The weights.
    axis : int
        Axis of the outputs.

    Returns
    -------
    integers : ndarray of int8
        From -127 to 127, in the shape of the weights.
    scales : ndarray of float32, shape (outputs,)
        ``integers * scales`` is close to the weights, and where they were rounded before, the same.
    """
    others = tuple(each for each in range(weight.ndim) if each != axis)
    largest = np.abs(weight).max(axis=others, keepdims=True).astype(np.float64)
    scales = np.where(largest > 0, largest / STEPS, 1).astype(np.float32)
    return np.rint(weight / scales).clip(-STEPS, STEPS).astype(np.int8), scales.ravel()


def rounded(network: Network) -> Network:
    """Return a network whose weights are what their 8-bit integers stand for."""
    network = deepcopy(network)
    for name, weight in network.parameters.named().items():
        if name.endswith("weight"):
            integers, scales = quantized(weight)
            weight[...] = integers * scales.reshape(-1, *(1,) * (weight.ndim - 1))
    return network
