"""What a layer is: a frozen description with a forward and a backward function, and no state of its own.

Inside the network the batch is the last axis: activations are (features, batch) or (channels, time, batch). A layer's
values and gradients are handed in; what backward needs of the forward pass, forward hands out as a cache.
"""

import math
from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from sayso.nn.parameters import FloatArray, ParameterTree, Shape, Views


class Layer(ABC):
    """One differentiable step of a network; subclasses are frozen dataclasses whose fields are their settings."""

    @property
    def reach(self) -> int | None:
        """How many moments before it, and after it, a moment of the output depends on.

        None if the moments of the output are not those of the input one by one, or if each depends on all of them.
        """
        return None

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of the output without its batch axis; raise ValueError if the input does not fit."""
        return input_shape

    def parameters(self, input_shape: Shape) -> ParameterTree:
        """Return what the layer learns, by name."""
        return {}

    def multiply_adds(self, input_shape: Shape) -> int:
        """Count the multiplications (each with its addition) that one example costs."""
        return 0

    def workspace(self, input_shape: Shape) -> int:
        """Count the numbers that inference on one example holds at most: input, output, and what lies between."""
        return 2 * math.prod(input_shape) + 2 * math.prod(self.output_shape(input_shape))

    @abstractmethod
    def forward(self, values: Views, x: FloatArray, rng: np.random.Generator | None) -> tuple[FloatArray, Any]:
        """Compute the output.

        Parameters
        ----------
        values : mapping of ndarray
            The layer's parameters.
        x : ndarray, shape (..., batch)
            The input, which must not be written to.
        rng : Generator or None
            Source of randomness while training; None means inference.

        Returns
        -------
        y : ndarray, shape (..., batch)
            The output.
        cache : object
            What backward needs; dropped at once in inference.
        """

    @abstractmethod
    def backward(self, values: Views, gradients: Views, cache: Any, grad_y: FloatArray) -> FloatArray:
        """Carry the gradient of the loss from the output to the parameters and to the input.

        Parameters
        ----------
        values : mapping of ndarray
            The layer's parameters, as in the forward pass.
        gradients : mapping of ndarray
            Where the gradients of the parameters are assigned.
        cache : object
            What forward handed out.
        grad_y : ndarray, shape (..., batch)
            Derivative of the loss by each number of the output. It now belongs to this layer, which may overwrite it.

        Returns
        -------
        grad_x : ndarray, shape (..., batch)
            Derivative of the loss by each number of the input.
        """

    def backward_parameters(self, values: Views, gradients: Views, cache: Any, grad_y: FloatArray) -> None:
        """Do what backward does but for the gradient of the input, which a network's lowest layer need not give."""
        self.backward(values, gradients, cache, grad_y)


class MomentLayer(Layer):
    """A layer in whose output each moment depends, in inference, on the same moment of the input alone."""

    @property
    def reach(self) -> int:
        """A moment depends on itself."""
        return 0
