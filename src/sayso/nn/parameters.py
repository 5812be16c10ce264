"""All numbers that a network learns, in one flat vector, with named views for the layers to work on.

An optimiser step, a gradient norm, an average of weights or a checkpoint is then one expression over one vector.
Layers must write into their views (`view[...] = x` or `view -= x`); binding the name anew would cut the view off from
the vector.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating[Any]]
Shape = tuple[int, ...]
Views = Mapping[str, Any]
"""Arrays by name; a layer made of layers has one mapping for each of them."""

Role = Literal["weight", "bias", "statistic"]
ROLES: tuple[Role, ...] = ("weight", "bias", "statistic")

# More numbers than any network of this library has use for: a size that is a mistake is refused before memory is asked
# for.
MAX_SIZE = 2**30


@dataclass(frozen=True)
class Parameter:
    """What a layer says of one of its arrays.

    Attributes
    ----------
    shape : tuple of int
        Its shape.
    fill : callable
        `fill(rng, shape)` returns its initial value.
    role : {"weight", "bias", "statistic"}
        A weight is learned and subject to weight decay, a bias (or scale) is learned without decay, and a statistic is
        an average of what was seen in training: its "gradient" is the distance from what the last batch showed.
    """

    shape: Shape
    fill: Callable[[np.random.Generator, Shape], FloatArray]
    role: Role = "weight"

    @property
    def size(self) -> int:
        """Count of numbers."""
        return math.prod(self.shape)


# Going through long vectors takes several passes. Taken in blocks that stay in the processor's cache, they are several
# times faster than through the whole memory each time.
BLOCK = 32_768

ParameterTree = Mapping[str, Any]
"""Parameters by name; a layer made of layers has one mapping for each of them."""


class Parameters:
    """The values and the gradients of a network.

    Parameters
    ----------
    tree : nested mapping of Parameter
        What the layers need.
    dtype : dtype
        float32 for work, float64 for checking gradients.

    Attributes
    ----------
    vector, gradient : ndarray, shape (size,)
        All values and all gradients: first the weights, then the biases, then the statistics.
    values, gradients : nested mapping of ndarray
        Views of the two vectors, in the shape of `tree`.

    Raises
    ------
    ValueError
        If there would be more than `MAX_SIZE` numbers.
    """

    def __init__(self, tree: ParameterTree, dtype: np.typing.DTypeLike = np.float32) -> None:
        self._specs = dict(flatten(tree))
        if self.count(*ROLES) > MAX_SIZE:
            raise ValueError(
                f"the network has {self.count(*ROLES)} parameters; expected at most {MAX_SIZE}, make it smaller"
            )
        order = [name for role in ROLES for name, spec in self._specs.items() if spec.role == role]
        ends = np.cumsum([0, *(self._specs[name].size for name in order)])
        self._slices = {
            name: slice(int(start), int(end)) for name, start, end in zip(order, ends, ends[1:], strict=False)
        }
        self.vector: FloatArray = np.zeros(int(ends[-1]), dtype)
        self.gradient: FloatArray = np.zeros_like(self.vector)
        self._tree = tree
        self.values = self.views(self.vector)
        self.gradients = self.views(self.gradient)

    def views(self, vector: FloatArray) -> dict[str, Any]:
        """Return views of a vector of the same size (values, gradients) in the shape of the tree."""

        def branch(tree: ParameterTree, prefix: str) -> dict[str, Any]:
            return {
                name: vector[self._slices[prefix + name]].reshape(node.shape)
                if isinstance(node, Parameter)
                else branch(node, f"{prefix}{name}.")
                for name, node in tree.items()
            }

        return branch(self._tree, "")

    def initialise(self, rng: np.random.Generator) -> None:
        """Give every parameter its initial value."""
        for name, view in self.named().items():
            view[...] = self._specs[name].fill(rng, view.shape)

    def assign(self, learned: Views) -> None:
        """Copy values from a nested mapping like that of the values."""

        def copy(views: Views, arrays: Views) -> None:
            for name, array in arrays.items():
                if isinstance(array, Mapping):
                    copy(views[name], array)
                else:
                    views[name][...] = array

        copy(self.values, learned)

    def named(self, vector: FloatArray | None = None) -> dict[str, FloatArray]:
        """Return views by dotted name, of the values or of another vector of the same size (gradients, averages)."""
        vector = self.vector if vector is None else vector
        return {name: vector[self._slices[name]].reshape(spec.shape) for name, spec in self._specs.items()}

    def norms(self, vector: FloatArray) -> dict[str, float]:
        """Return the Euclidean norm of each layer's learned part of a vector of the same size (values, gradients)."""
        squares: dict[str, float] = {}
        for name, spec in self._specs.items():
            if spec.role != "statistic":
                layer, part = name.rpartition(".")[0], vector[self._slices[name]]
                squares[layer] = squares.get(layer, 0.0) + float(np.dot(part, part))
        return {layer: math.sqrt(square) for layer, square in squares.items()}

    def count(self, *roles: Role) -> int:
        """Count the numbers that have one of these roles."""
        return sum(spec.size for spec in self._specs.values() if spec.role in roles)

    def follow_statistics(self, rate: float = 0.1) -> None:
        """Move the statistics towards what the last batch showed, by the part `rate` of the way."""
        learned = self.count("weight", "bias")
        self.vector[learned:] -= rate * self.gradient[learned:]


def flatten(tree: ParameterTree, prefix: str = "") -> Iterator[tuple[str, Parameter]]:
    """Walk through a nested mapping of parameters and give each its dotted name."""
    for name, node in tree.items():
        if isinstance(node, Parameter):
            yield prefix + name, node
        else:
            yield from flatten(node, f"{prefix}{name}.")


def blocks(size: int) -> Iterator[slice]:
    """Cut a vector of that size into slices of at most `BLOCK` numbers."""
    return (slice(start, min(start + BLOCK, size)) for start in range(0, size, BLOCK))


def zeros(rng: np.random.Generator, shape: Shape) -> FloatArray:
    """Start at zero."""
    return np.zeros(shape)


def ones(rng: np.random.Generator, shape: Shape) -> FloatArray:
    """Start at one."""
    return np.ones(shape)


def he_normal(fan_in: int) -> Callable[[np.random.Generator, Shape], FloatArray]:
    """Start with normal numbers of variance 2 / fan_in, which keeps the scale of activations through ReLU layers.

    K. He et al., "Delving deep into rectifiers", 2015, equation 10.
    """
    return lambda rng, shape: rng.normal(0.0, np.sqrt(2.0 / fan_in), shape)
