"""A chain of layers, itself a layer: the forward pass runs through them in order, the backward pass in reverse."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from sayso.nn.layer import Layer
from sayso.nn.parameters import FloatArray, ParameterTree, Shape, Views


@dataclass(frozen=True)
class Chain(Layer):
    """Layers applied one after the other.

    Attributes
    ----------
    layers : tuple of Layer
        The layers, input side first. Their parameters are named by position and kind, as in "0.Dense".
    """

    layers: tuple[Layer, ...]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the layers: position and kind."""
        return tuple(f"{position}.{type(layer).__name__}" for position, layer in enumerate(self.layers))

    def shapes(self, input_shape: Shape) -> list[Shape]:
        """Return the shape of the input and then that of each layer's output."""
        shapes = [input_shape]
        for layer in self.layers:
            shapes.append(layer.output_shape(shapes[-1]))
        return shapes

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of the last layer's output."""
        return self.shapes(input_shape)[-1]

    def parameters(self, input_shape: Shape) -> ParameterTree:
        """Return each layer's parameters under its name."""
        shapes = self.shapes(input_shape)
        return {
            name: layer.parameters(shape) for name, layer, shape in zip(self.names, self.layers, shapes, strict=False)
        }

    def multiply_adds(self, input_shape: Shape) -> int:
        """Sum over the layers."""
        shapes = self.shapes(input_shape)
        return sum(layer.multiply_adds(shape) for layer, shape in zip(self.layers, shapes, strict=False))

    def workspace(self, input_shape: Shape) -> int:
        """Return the maximum over the layers; each finishes before the next begins."""
        shapes = self.shapes(input_shape)
        return max((layer.workspace(shape) for layer, shape in zip(self.layers, shapes, strict=False)), default=0)

    def forward(self, values: Views, x: FloatArray, rng: np.random.Generator | None) -> tuple[FloatArray, list[Any]]:
        """Compute y = f_k(... f_2(f_1(x)))."""
        caches = []
        for name, layer in zip(self.names, self.layers, strict=True):
            x, cache = layer.forward(values[name], x, rng)
            if rng is not None:
                caches.append(cache)
        return x, caches

    def backward(self, values: Views, gradients: Views, cache: list[Any], grad_y: FloatArray) -> FloatArray:
        """Apply the chain rule.

        With y = f_k(... f_1(x)), dL/dx = dL/dy J_k ... J_1, where J_i is the Jacobian of layer i. Multiplied from the
        left, no Jacobian is needed in full: each layer turns the gradient of its output into that of its input, the
        last layer first.
        """
        for name, layer, kept in zip(self.names[::-1], self.layers[::-1], cache[::-1], strict=True):
            grad_y = layer.backward(values[name], gradients[name], kept, grad_y)
        return grad_y

    def backward_parameters(self, values: Views, gradients: Views, cache: list[Any], grad_y: FloatArray) -> None:
        """Stop at the lowest layer that has parameters."""
        lowest = next((position for position, name in enumerate(self.names) if values[name]), len(self.layers))
        for position in range(len(self.layers) - 1, lowest, -1):
            name = self.names[position]
            grad_y = self.layers[position].backward(values[name], gradients[name], cache[position], grad_y)
        if lowest < len(self.layers):
            name = self.names[lowest]
            self.layers[lowest].backward_parameters(values[name], gradients[name], cache[lowest], grad_y)
