"""Numerical gradient checks: whether backward returns the derivative of what forward computes.

The directional derivatives of a layer along random directions are compared with difference quotients in float64.
"""

import numpy as np

from sayso.nn.layer import Layer
from sayso.nn.parameters import Parameters, Shape, flatten

# A long step suffers from curvature, a short one from rounding, and any step from a kink (of ReLU) that it crosses.
# The best of several counts: a correct gradient agrees with one of them, a wrong gradient with none.
STEPS = (1e-4, 1e-5, 1e-6, 1e-7, 1e-8)

# Gradients below this count as zero, such as that of a bias which a batch normalisation removes again.
NEGLIGIBLE = 1e-4


def gradient_errors(
    layer: Layer, input_shape: Shape, batch: int = 5, seed: int = 0, directions: int = 5
) -> dict[str, float]:
    """Compare a layer's backward pass with difference quotients of its forward pass.

    Parameters
    ----------
    layer : Layer
        The layer to check; a chain of layers is a layer.
    input_shape : tuple of int
        Shape of its input without the batch axis.
    batch, seed : int
        Examples in the batch; seed of all random numbers, including those of the layer.
    directions : int
        Number of random directions per array.

    Returns
    -------
    errors : dict of str to float
        For the input ("x") and each learned parameter, the largest |numerical - analytical| / |gradient|, where
        |gradient| is the Euclidean norm: the typical size of a derivative along a direction of independent standard
        normal numbers. (A single derivative can be near 0, and any rounding would seem large in comparison.)

    Raises
    ------
    ValueError
        By NumPy, if the layer writes to its input in either pass: the input belongs to the layer below.
    """
    rng = np.random.default_rng(seed)
    tree = layer.parameters(input_shape)
    parameters = Parameters(tree, np.float64)
    parameters.vector[:] = rng.uniform(0.5, 1.5, len(parameters.vector))
    # Backward assigns: values left in the gradient by an earlier step must have no effect.
    parameters.gradient[:] = rng.normal(size=len(parameters.gradient))
    x = rng.normal(size=(*input_shape, batch))
    read_only = x.view()
    read_only.flags.writeable = False
    y, cache = layer.forward(parameters.values, read_only, np.random.default_rng(seed))
    weights = rng.normal(size=y.shape)

    def loss() -> float:
        """Return the weighted sum of the outputs, whose gradient is `weights`; the random numbers are fixed."""
        return float(np.sum(weights * layer.forward(parameters.values, read_only, np.random.default_rng(seed))[0]))

    grad_x = layer.backward(parameters.values, parameters.gradients, cache, weights.copy())
    values, gradients = parameters.named(), parameters.named(parameters.gradient)
    learned = [name for name, parameter in flatten(tree) if parameter.role != "statistic"]
    pairs = {"x": (x, grad_x)} | {name: (values[name], gradients[name]) for name in learned}

    errors = {}
    for name, (array, gradient) in pairs.items():
        start, errors[name] = array.copy(), 0.0
        for _ in range(directions):
            direction = rng.normal(size=array.shape)
            analytical = float(np.sum(gradient * direction))
            distances = []
            for step in STEPS:
                array[...] = start + step * direction
                above = loss()
                array[...] = start - step * direction
                distances.append(abs((above - loss()) / (2 * step) - analytical))
            array[...] = start
            scale = max(np.linalg.norm(gradient), NEGLIGIBLE)
            errors[name] = float(np.maximum(errors[name], np.min(distances) / scale))
    return errors
