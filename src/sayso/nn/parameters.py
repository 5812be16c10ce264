"""All parameters of a network in one flat vector, with named views for the layers.

An optimiser step, a gradient norm, an average of weights or a checkpoint is then one expression over one vector.
Layers must write into their views (`view[...] = x` or `view -= x`); rebinding the name would detach it from the vector.
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

# Far more than any network of this library needs, so that a mistaken size is refused before memory is allocated.
MAX_SIZE = 2**30


@dataclass(frozen=True)
class Parameter:
    """Specification of one array of a layer.

    Attributes
    ----------
    shape : tuple of int
        Its shape.
    fill : callable
        `fill(rng, shape)` returns its initial value.
    role : {"weight", "bias", "statistic"}
        A weight is learned with weight decay, a bias (or scale) is learned without, and a statistic is a running
        average over the training batches: its "gradient" is its difference from the value for the last batch.
    """

    shape: Shape
    fill: Callable[[np.random.Generator, Shape], FloatArray]
    role: Role = "weight"

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)


# An update makes several passes over its vectors. Done in blocks that fit the processor's cache, they are several times
# faster than passes over the whole vectors.
BLOCK = 32_768

ParameterTree = Mapping[str, Any]
"""Parameters by name; a layer made of layers has one mapping for each of them."""


class Parameters:
    """The values and the gradients of a network.

    Parameters
    ----------
    tree : nested mapping of Parameter
        Specifications of all layers' parameters.
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
        If there are more than `MAX_SIZE` parameters.
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
        """Return views of a vector of the same size (values, gradients), nested like the tree."""

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
        """Copy values from a mapping nested like `values`."""

        def copy(views: Views, arrays: Views) -> None:
            for name, array in arrays.items():
                if isinstance(array, Mapping):
                    copy(views[name], array)
                else:
                    views[name][...] = array

        copy(self.values, learned)

    def named(self, vector: FloatArray | None = None) -> dict[str, FloatArray]:
        """Return views by dotted name of the values, or of another vector of the same size (gradients, averages)."""
        vector = self.vector if vector is None else vector
        return {name: vector[self._slices[name]].reshape(spec.shape) for name, spec in self._specs.items()}

    def norms(self, vector: FloatArray) -> dict[str, float]:
        """Return each layer's Euclidean norm in a vector of the same size (values, gradients), without statistics."""
        squares: dict[str, float] = {}
        for name, spec in self._specs.items():
            if spec.role != "statistic":
                layer, part = name.rpartition(".")[0], vector[self._slices[name]]
                squares[layer] = squares.get(layer, 0.0) + float(np.dot(part, part))
        return {layer: math.sqrt(square) for layer, square in squares.items()}

    def count(self, *roles: Role) -> int:
        """Count the elements of all parameters with one of these roles."""
        return sum(spec.size for spec in self._specs.values() if spec.role in roles)

    def update_statistics(self, rate: float = 0.1) -> None:
        """Move the running statistics towards those of the last batch, by the fraction `rate` of the difference."""
        learned = self.count("weight", "bias")
        self.vector[learned:] -= rate * self.gradient[learned:]


def flatten(tree: ParameterTree, prefix: str = "") -> Iterator[tuple[str, Parameter]]:
    """Yield the parameters of a nested mapping with their dotted names."""
    for name, node in tree.items():
        if isinstance(node, Parameter):
            yield prefix + name, node
        else:
            yield from flatten(node, f"{prefix}{name}.")


def blocks(size: int) -> Iterator[slice]:
    """Return slices of at most `BLOCK` elements that cover a vector of that size."""
    return (slice(start, min(start + BLOCK, size)) for start in range(0, size, BLOCK))


def zeros(rng: np.random.Generator, shape: Shape) -> FloatArray:
    """Initialise with zeros."""
    return np.zeros(shape)


def ones(rng: np.random.Generator, shape: Shape) -> FloatArray:
    """Initialise with ones."""
    return np.ones(shape)


def he_normal(fan_in: int) -> Callable[[np.random.Generator, Shape], FloatArray]:
    """Initialise with normal numbers of variance 2 / fan_in, which preserves the scale of activations in ReLU layers.

    K. He et al., "Delving deep into rectifiers", 2015, equation 10.
    """
    return lambda rng, shape: rng.normal(0.0, np.sqrt(2.0 / fan_in), shape)
