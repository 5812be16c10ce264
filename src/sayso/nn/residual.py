"""The residual connection: layers that learn a correction to their input, rather than a new output."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from sayso.nn.chain import Chain
from sayso.nn.layer import Layer
from sayso.nn.parameters import FloatArray, ParameterTree, Shape, Views


@dataclass(frozen=True)
class Residual(Layer):
    """y = f(x) + g(x), where g is the shortcut: the identity, or layers that change x to the shape of f(x).

    K. He et al., "Deep residual learning for image recognition", 2016.

    Attributes
    ----------
    layers : tuple of Layer
        The chain f.
    shortcut : tuple of Layer
        The chain g; empty for the identity.
    """

    layers: tuple[Layer, ...]
    shortcut: tuple[Layer, ...] = ()

    @cached_property
    def branches(self) -> dict[str, Chain]:
        """The two chains, by the names under which their parameters are stored."""
        return {"layers": Chain(self.layers), "shortcut": Chain(self.shortcut)}

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the common shape of both branches' outputs."""
        shape, other = (branch.output_shape(input_shape) for branch in self.branches.values())
        if shape != other:
            raise ValueError(
                f"the layers of a Residual give {shape}, its shortcut {other}; let a shortcut layer give {shape}"
            )
        return shape

    def parameters(self, input_shape: Shape) -> ParameterTree:
        """Return each branch's parameters under its name."""
        return {name: branch.parameters(input_shape) for name, branch in self.branches.items()}

    def multiply_adds(self, input_shape: Shape) -> int:
        """Sum over both branches."""
        return sum(branch.multiply_adds(input_shape) for branch in self.branches.values())

    def workspace(self, input_shape: Shape) -> int:
        """Add the larger branch's workspace to the input and the outputs that are summed."""
        kept = math.prod(input_shape) + 2 * math.prod(self.output_shape(input_shape))
        return kept + max(branch.workspace(input_shape) for branch in self.branches.values())

    def forward(
        self, values: Views, x: FloatArray, rng: np.random.Generator | None
    ) -> tuple[FloatArray, tuple[Any, Any]]:
        """Compute both branches and add them."""
        branches = self.branches
        y, kept = branches["layers"].forward(values["layers"], x, rng)
        other, other_kept = branches["shortcut"].forward(values["shortcut"], x, rng)
        return y + other, (kept, other_kept)

    def backward(self, values: Views, gradients: Views, cache: tuple[Any, Any], grad_y: FloatArray) -> FloatArray:
        """Propagate the gradient through both branches and add the results.

        y depends on x through f and through g, so dL/dx = dL/dy (J_f + J_g). With g(x) = x, J_g is the identity: the
        gradient reaches lower layers undiminished, whatever f does to it. That makes deep networks trainable.
        """
        branches, (kept, other_kept) = self.branches, cache
        # Each branch may overwrite the gradient passed to it.
        grad_x = branches["layers"].backward(values["layers"], gradients["layers"], kept, grad_y.copy())
        grad_x += branches["shortcut"].backward(values["shortcut"], gradients["shortcut"], other_kept, grad_y)
        return grad_x
