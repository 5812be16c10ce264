"""A network: a chain of layers with its parameters, in the layout that callers find natural.

Callers give (batch, time, channels) or (batch, features); inside, the batch is last, which is just the transpose.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np

from heed.nn.chain import Chain
from heed.nn.layer import Layer
from heed.nn.loss import softmax, softmax_cross_entropy
from heed.nn.parameters import FloatArray, Parameters, Shape
from heed.nn.serialization import layer_from_dict, layer_to_dict

# Inference goes through the data in batches of this size, so that memory does not grow with the number of examples.
INFERENCE_BATCH = 512


class Network:
    """Layers and what they have learned.

    Parameters
    ----------
    layers : sequence of Layer
        The layers, input side first; the last gives the logits.
    input_shape : tuple of int
        Shape of one example: (time, channels) or (features,).
    dtype : dtype
        float32 for work, float64 for checking gradients.

    Raises
    ------
    ValueError
        If a layer does not fit the one before it.
    """

    def __init__(self, layers: Sequence[Layer], input_shape: Shape, dtype: np.typing.DTypeLike = np.float32) -> None:
        self.chain = Chain(tuple(layers))
        self.input_shape = tuple(input_shape)
        self.parameters = Parameters(self.chain.parameters(self.input_shape[::-1]), dtype)

    @property
    def classes(self) -> int:
        """Number of logits."""
        return self.chain.output_shape(self.input_shape[::-1])[0]

    @property
    def parameter_count(self) -> int:
        """Count of learned numbers."""
        return self.parameters.count("weight", "bias")

    @property
    def multiply_adds(self) -> int:
        """Multiplications with additions that one example costs."""
        return self.chain.multiply_adds(self.input_shape[::-1])

    def initialise(self, rng: np.random.Generator) -> Self:
        """Give every parameter its initial value."""
        self.parameters.initialise(rng)
        return self

    def logits(self, x: FloatArray) -> FloatArray:
        """Compute the logits, for inference.

        Parameters
        ----------
        x : ndarray, shape (batch, *input_shape)
            Examples.

        Returns
        -------
        logits : ndarray, shape (batch, classes)
            The larger, the likelier.
        """
        values = self.parameters.values
        batches = (x[start : start + INFERENCE_BATCH] for start in range(0, len(x), INFERENCE_BATCH))
        parts = [self.chain.forward(values, batch.T, None)[0].T for batch in batches]
        return np.concatenate(parts) if parts else np.empty((0, self.classes), self.parameters.vector.dtype)

    def probabilities(self, x: FloatArray) -> FloatArray:
        """Compute the softmax of the logits, shape (batch, classes)."""
        return softmax(self.logits(x).T).T

    def loss_and_gradient(self, x: FloatArray, targets: FloatArray, rng: np.random.Generator) -> tuple[float, FloatArray]:
        """Go forward in training mode, measure the error at the output, and carry its gradient back to every parameter.

        Parameters
        ----------
        x : ndarray, shape (batch, *input_shape)
            Examples.
        targets : ndarray, shape (classes, batch)
            Target probabilities, see `one_hot`.
        rng : Generator
            Source of randomness for layers such as dropout.

        Returns
        -------
        loss : float
            Mean cross-entropy in nats. Its gradient stands in `parameters.gradient`.
        logits : ndarray, shape (batch, classes)
            What the network said.
        """
        parameters = self.parameters
        logits, caches = self.chain.forward(parameters.values, x.T, rng)
        loss, grad_logits = softmax_cross_entropy(logits, targets)
        self.chain.backward_parameters(parameters.values, parameters.gradients, caches, grad_logits)
        return loss, logits.T

    def to_dict(self) -> dict[str, Any]:
        """Describe layers and input shape in plain values, without what was learned."""
        return {"input_shape": list(self.input_shape), "layers": [layer_to_dict(layer) for layer in self.chain.layers]}

    @staticmethod
    def describe(description: Mapping[str, Any]) -> tuple[Chain, Shape]:
        """Read layers and input shape from what `to_dict` returned, without allocating anything for them.

        Raises
        ------
        ValueError
            If the description names an unknown layer or setting.
        """
        layers = tuple(layer_from_dict(layer) for layer in description["layers"])
        return Chain(layers), tuple(int(length) for length in description["input_shape"])
