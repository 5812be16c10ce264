"""Numerical gradient checks: does backward return the derivative of what forward computes?

A layer is asked for its gradient along random directions, and the answer is compared with a difference quotient in float64.
"""

import numpy as np

from heed.nn.layer import Layer
from heed.nn.parameters import FloatArray, Parameters, Shape

# The error of a central difference falls with the square of the step, that of rounding grows as the step shrinks; at this
# step they are about equal in float64.
STEP = 1e-5


def gradient_errors(
    layer: Layer, input_shape: Shape, batch: int = 5, seed: int = 0, directions: int = 5
) -> dict[str, float]:
    """Compare a layer's backward pass with difference quotients of its forward pass.

    Parameters
    ----------
    layer : Layer
        What is checked; a chain of layers is a layer.
    input_shape : tuple of int
        Shape of its input without the batch axis.
    batch, seed : int
        Examples in the batch; seed of the random numbers, those of the layer included.
    directions : int
        How many random directions are tried in each array.

    Returns
    -------
    errors : dict of str to float
        For the input ("x") and each learned parameter, the largest |numerical - analytical| / (|numerical| + |analytical|).
    """
    rng = np.random.default_rng(seed)
    parameters = Parameters(layer.parameters(input_shape), np.float64)
    parameters.vector[:] = rng.uniform(0.5, 1.5, len(parameters.vector))
    x = rng.normal(size=(*input_shape, batch))
    y, cache = layer.forward(parameters.values, x, np.random.default_rng(seed))
    weights = rng.normal(size=y.shape)

    def loss() -> float:
        """A loss whose gradient at the output is `weights`; the layer draws the same random numbers each time."""
        return float(np.sum(weights * layer.forward(parameters.values, x, np.random.default_rng(seed))[0]))

    grad_x = layer.backward(parameters.values, parameters.gradients, cache, weights.copy())
    learned = parameters.count("weight", "bias")
    names = parameters.named(np.arange(len(parameters.vector)))
    pairs: dict[str, tuple[FloatArray, FloatArray]] = {"x": (x, grad_x)}
    gradients = parameters.named(parameters.gradient)
    for name, array in parameters.named().items():
        if names[name].flat[0] < learned:
            pairs[name] = (array, gradients[name])

    errors = {}
    for name, (array, gradient) in pairs.items():
        for _ in range(directions):
            direction = rng.normal(size=array.shape)
            start = array.copy()
            array[...] = start + STEP * direction
            above = loss()
            array[...] = start - STEP * direction
            below = loss()
            array[...] = start
            numerical = (above - below) / (2 * STEP)
            analytical = float(np.sum(gradient * direction))
            error = abs(numerical - analytical) / max(abs(numerical) + abs(analytical), 1e-12)
            errors[name] = max(errors.get(name, 0.0), error)
    return errors
