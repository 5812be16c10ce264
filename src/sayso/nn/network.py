"""A network: a chain of layers with its parameters, and an interface with the batch as the first axis.

Callers pass (batch, time, channels) or (batch, features); internally the batch is the last axis, the transpose.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Any, Self

import numpy as np

from sayso.nn.chain import Chain
from sayso.nn.layer import Layer
from sayso.nn.loss import softmax, softmax_cross_entropy
from sayso.nn.merging import Merging
from sayso.nn.parameters import FloatArray, Parameters, Shape, Views
from sayso.nn.serialization import layer_from_dict, layer_to_dict

# Inference processes the data in batches of this size, so that memory does not grow with the number of examples.
# For large networks the batches are smaller: one must not hold more numbers at once than `MAX_NUMBERS`.
INFERENCE_BATCH = 512
MAX_NUMBERS = 2**26


class Network:
    """A chain of layers and its parameters.

    Parameters
    ----------
    layers : sequence of Layer
        The layers, input side first; the last one computes the logits.
    input_shape : tuple of int
        Shape of one example: (time, channels) or (features,).
    dtype : dtype
        float32 for work, float64 for checking gradients.

    Raises
    ------
    ValueError
        If a layer does not fit the one before it, or the output of the last is not one number per class.
    """

    def __init__(self, layers: Sequence[Layer], input_shape: Shape, dtype: np.typing.DTypeLike = np.float32) -> None:
        self.chain = Chain(tuple(layers))
        self.input_shape = tuple(input_shape)
        output_shape = self.chain.output_shape(self.input_shape[::-1])
        if len(output_shape) != 1:
            raise ValueError(f"the network ends in an output of shape {output_shape}; append Flatten and Dense")
        self.parameters = Parameters(self.chain.parameters(self.input_shape[::-1]), dtype)
        workspace = max(self.chain.workspace(self.input_shape[::-1]), 1)
        self._batch = max(min(INFERENCE_BATCH, MAX_NUMBERS // workspace), 1)

    def __repr__(self) -> str:
        layers = ", ".join(type(layer).__name__ for layer in self.chain.layers)
        return (
            f"<Network: {' x '.join(map(str, self.input_shape))} inputs, {self.classes} classes, "
            f"{self.parameter_count:,} parameters; {layers}>"
        )

    @property
    def classes(self) -> int:
        """Number of logits."""
        return self.chain.output_shape(self.input_shape[::-1])[0]

    @property
    def parameter_count(self) -> int:
        """Number of learned values."""
        return self.parameters.count("weight", "bias")

    @property
    def multiply_adds(self) -> int:
        """Multiplications, each with an addition, per example."""
        return self.chain.multiply_adds(self.input_shape[::-1])

    def _batches(self, x: FloatArray) -> Iterator[FloatArray]:
        """Cut examples in the internal layout into batches; without examples there is one batch of size 0."""
        return (x[..., start : start + self._batch] for start in range(0, max(x.shape[-1], 1), self._batch))

    def initialise(self, rng: np.random.Generator) -> Self:
        """Give every parameter its initial value."""
        self.parameters.initialise(rng)
        return self

    def __getstate__(self) -> dict[str, Any]:
        """Keep only the vector of the parameters in a copy or a pickle, as copied views would not alias it."""
        return {"chain": self.chain, "input_shape": self.input_shape, "vector": self.parameters.vector}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Rebuild the network with the values of the vector."""
        vector = state["vector"]
        Network.__init__(self, state["chain"].layers, state["input_shape"], vector.dtype)
        self.parameters.vector[:] = vector

    def to_internal(self, x: FloatArray) -> FloatArray:
        """Transpose examples to the internal layout, in the network's precision; copied only if that differs."""
        if x.shape[1:] != self.input_shape:
            expected = ", ".join(map(str, self.input_shape))
            raise ValueError(f"the network takes examples of shape (batch, {expected}), got {x.shape}")
        return np.asarray(x, self.parameters.vector.dtype).T

    def logits(self, x: FloatArray) -> FloatArray:
        """Compute the logits, for inference.

        Parameters
        ----------
        x : ndarray, shape (batch, *input_shape)
            Examples.

        Returns
        -------
        logits : ndarray, shape (batch, classes)
            Unnormalised log-probabilities of the classes.

        Raises
        ------
        ValueError
            If the examples do not have the shape that the network takes.
        """
        values, x = self.parameters.values, self.to_internal(x)
        return np.concatenate([self.chain.forward(values, batch, None)[0].T for batch in self._batches(x)])

    @property
    def last(self) -> int:
        """Position of the last layer with parameters; a merging of classes may follow it."""
        return max((place for place, name in enumerate(self.chain.names) if self.parameters.values[name]), default=0)

    @property
    def last_input_shape(self) -> Shape:
        """Shape of the input of the last layer with parameters, without its batch axis."""
        return self.chain.shapes(self.input_shape[::-1])[self.last]

    def head(self) -> "Network":
        """Return the last layer with parameters, and what follows it, as a network of its own."""
        head = Network(self.chain.layers[self.last :], self.last_input_shape, self.parameters.vector.dtype)
        head.parameters.assign({head.chain.names[0]: self.parameters.values[self.chain.names[self.last]]})
        return head

    def raise_logit(self, label: int, amount: float) -> None:
        """Add a constant to the logit of a class, permanently, through the biases that it is computed with.

        Parameters
        ----------
        label : int
            Index of the class; if others are merged into it, their biases are raised by the same amount.
        amount : float
            In nats; negative to make the class less likely.
        """
        # Views are in the order of the layers, so the last bias is that of the logits, or one that is added to them.
        *_, bias = (view for name, view in self.parameters.named().items() if name.endswith("bias"))
        following = self.chain.layers[self.last + 1 :]
        parts = sum(layer.parts for layer in following if isinstance(layer, Merging) and layer.into == label)
        bias[[label, *range(self.classes, self.classes + parts)]] += amount

    def last_inputs(self, x: FloatArray) -> FloatArray:
        """Compute the inputs of the last layer with parameters, in inference, shape (batch, width)."""
        body, shape = Chain(self.chain.layers[: self.last]), self.last_input_shape
        if len(shape) != 1:
            raise ValueError(f"the last layer takes inputs of shape {shape}; expected (features,)")
        x = self.to_internal(x)
        return np.concatenate([body.forward(self.parameters.values, batch, None)[0].T for batch in self._batches(x)])

    def probabilities(self, x: FloatArray) -> FloatArray:
        """Compute the softmax of the logits, shape (batch, classes)."""
        return softmax(self.logits(x).T).T

    def loss_and_gradient(
        self, x: FloatArray, targets: FloatArray, rng: np.random.Generator, gradients: Views | None = None,
        weights: FloatArray | None = None,
    ) -> tuple[float, FloatArray]:  # fmt: skip
        """Run forward in training mode, compute the loss, and backpropagate its gradient to every parameter.

        Parameters
        ----------
        x : ndarray, shape (batch, *input_shape)
            Examples.
        targets : ndarray, shape (classes, batch)
            Target probabilities, see `one_hot`.
        rng : Generator
            Source of randomness for layers such as dropout.
        gradients : mapping of ndarray, optional
            Where the gradient is stored, see `Parameters.views`; by default in `parameters.gradient`.
        weights : ndarray, shape (batch,), optional
            By how much each example counts, see `softmax_cross_entropy`.

        Returns
        -------
        loss : float
            Mean cross-entropy in nats.
        logits : ndarray, shape (batch, classes)
            Output of the network in training mode.

        Raises
        ------
        ValueError
            If the examples do not have the shape that the network takes.
        """
        parameters = self.parameters
        logits, caches = self.chain.forward(parameters.values, self.to_internal(x), rng)
        loss, grad_logits = softmax_cross_entropy(logits, targets, weights)
        gradients = parameters.gradients if gradients is None else gradients
        self.chain.backward_parameters(parameters.values, gradients, caches, grad_logits)
        return loss, logits.T

    def to_dict(self) -> dict[str, Any]:
        """Describe layers and input shape in plain values, without the parameters."""
        return {"input_shape": list(self.input_shape), "layers": [layer_to_dict(layer) for layer in self.chain.layers]}

    @staticmethod
    def describe(description: Mapping[str, Any]) -> tuple[Chain, Shape]:
        """Read layers and input shape from the result of `to_dict`, without allocating any parameters.

        Raises
        ------
        ValueError
            If the description names an unknown layer or setting, or a size is not a whole number above 0.
        """
        layers, shape = description.get("layers"), description.get("input_shape")
        if not isinstance(layers, Sequence) or not isinstance(shape, Sequence):
            raise ValueError("the network's description lacks its layers or its input shape")
        if not all(type(length) is int and length > 0 for length in shape):
            raise ValueError(f"the network has the input shape {shape}; expected whole numbers above 0")
        numbers = count(1)
        return Chain(tuple(layer_from_dict(layer, numbers) for layer in layers)), tuple(shape)
