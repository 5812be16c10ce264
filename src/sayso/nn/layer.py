"""The interface of a layer: a frozen description with a forward and a backward function, and no state.

Inside the network the batch is the last axis: activations are (features, batch) or (channels, time, batch). A layer's
values and gradients are arguments; forward returns, besides its output, a cache of what backward needs.
"""

import math
from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from sayso.nn.parameters import FloatArray, ParameterTree, Shape, Views


class Layer(ABC):
    """One differentiable step of a network; subclasses are frozen dataclasses whose fields are their settings."""

    @property
    def context(self) -> int | None:
        """Frames of the input, before and after, that a frame of the output depends on.

        None if input and output frames do not correspond one to one, or if each output depends on all frames.
        """
        return None

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of the output without its batch axis; raise ValueError if the input does not fit."""
        return input_shape

    def parameters(self, input_shape: Shape) -> ParameterTree:
        """Return the layer's parameters, by name."""
        return {}

    def multiply_adds(self, input_shape: Shape) -> int:
        """Count the multiplications (each with an addition) per example."""
        return 0

    def workspace(self, input_shape: Shape) -> int:
        """Bound the numbers held at once in inference on one example: input, output and intermediate arrays."""
        return 2 * math.prod(input_shape) + 2 * math.prod(self.output_shape(input_shape))

    @abstractmethod
    def forward(self, values: Views, x: FloatArray, rng: np.random.Generator | None) -> tuple[FloatArray, Any]:
        """Compute the output.

        Parameters
        ----------
        values : mapping of ndarray
            The layer's parameters.
        x : ndarray, shape (..., batch)
            The input, which must not be modified.
        rng : Generator or None
            Source of randomness in training; None means inference.

        Returns
        -------
        y : ndarray, shape (..., batch)
            The output.
        cache : object
            What backward needs; discarded in inference.
        """

    @abstractmethod
    def backward(self, values: Views, gradients: Views, cache: Any, grad_y: FloatArray) -> FloatArray:
        """Propagate the gradient of the loss from the output to the parameters and to the input.

        Parameters
        ----------
        values : mapping of ndarray
            The layer's parameters, as in the forward pass.
        gradients : mapping of ndarray
            Arrays to which the gradients of the parameters are assigned.
        cache : object
            The cache that forward returned.
        grad_y : ndarray, shape (..., batch)
            Derivative of the loss with respect to the output. This layer may overwrite it.

        Returns
        -------
        grad_x : ndarray, shape (..., batch)
            Derivative of the loss with respect to the input.
        """

    def backward_parameters(self, values: Views, gradients: Views, cache: Any, grad_y: FloatArray) -> None:
        """Do the same without the gradient of the input, which the lowest layer of a network need not compute."""
        self.backward(values, gradients, cache, grad_y)


class FramewiseLayer(Layer):
    """A layer in which, in inference, each frame of the output depends only on the same frame of the input."""

    @property
    def context(self) -> int:
        """No other frames."""
        return 0
