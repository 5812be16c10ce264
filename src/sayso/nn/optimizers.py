"""Optimisers: rules of gradient descent that turn a gradient into an update of the weights.

An optimiser is a frozen description; its state is a dictionary of vectors that the caller keeps, so a checkpoint
consists of those vectors and nothing else.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from sayso.nn.parameters import BLOCK, FloatArray, Parameters, blocks

State = dict[str, FloatArray]


class Optimizer(ABC):
    """A rule of gradient descent."""

    @abstractmethod
    def start(self, parameters: Parameters) -> State:
        """Return the state before the first step."""

    @abstractmethod
    def step(self, parameters: Parameters, state: State, learning_rate: float) -> None:
        """Update the learned values and `state`, both in place."""


@dataclass(frozen=True)
class SGD(Optimizer):
    """Stochastic gradient descent with momentum: v ← momentum v + gradient; w ← w - rate v.

    The velocity v accumulates past gradients, so steps grow where they agree and shrink where they alternate.
    """

    momentum: float = 0.0

    def start(self, parameters: Parameters) -> State:
        """Return a velocity of zero."""
        return {"velocity": np.zeros(parameters.count("weight", "bias"), parameters.vector.dtype)}

    def step(self, parameters: Parameters, state: State, learning_rate: float) -> None:
        """Make one step."""
        for part in blocks(len(state["velocity"])):
            velocity = state["velocity"][part]
            velocity *= self.momentum
            velocity += parameters.gradient[part]
            parameters.vector[part] -= learning_rate * velocity


@dataclass(frozen=True)
class AdamW(Optimizer):
    """Adam with decoupled weight decay; with `weight_decay` 0 it is plain Adam.

    m and v are running averages of the gradient and of its square, and c corrects them after t steps for having started
    at zero. Every weight moves by about the same amount, against its average gradient:

        w ← w - rate weight_decay w - rate (m / c_1) / (sqrt(v / c_2) + epsilon),  c_i = 1 - beta_i^t

    D. Kingma and J. Ba, "Adam", 2015; I. Loshchilov and F. Hutter, "Decoupled weight decay regularization", 2019.
    Weights decay, biases and scales do not.
    """

    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    weight_decay: float = 0.0

    def start(self, parameters: Parameters) -> State:
        """Return averages of zero."""
        size, dtype = parameters.count("weight", "bias"), parameters.vector.dtype
        return {"steps": np.zeros(1), "mean": np.zeros(size, dtype), "square": np.zeros(size, dtype)}

    def step(self, parameters: Parameters, state: State, learning_rate: float) -> None:
        """Make one step.

        To save passes over memory, m / (1 - beta_1) and v / (1 - beta_2) are stored: m ← beta_1 m + gradient. The
        constant factors are moved into the rate and into epsilon, which leaves the result unchanged.
        """
        state["steps"] += 1
        steps = float(state["steps"][0])
        mean_scale = (1 - self.beta_1) / (1 - self.beta_1**steps)
        square_scale = np.sqrt((1 - self.beta_2) / (1 - self.beta_2**steps))
        rate = float(learning_rate * mean_scale / square_scale)
        epsilon = float(self.epsilon / square_scale)
        decayed = parameters.count("weight") if self.weight_decay else 0
        scratch = np.empty(BLOCK, parameters.vector.dtype)
        for part in blocks(len(state["mean"])):
            values, gradient = parameters.vector[part], parameters.gradient[part]
            mean, square, work = state["mean"][part], state["square"][part], scratch[: len(values)]
            mean *= self.beta_1
            mean += gradient
            square *= self.beta_2
            np.multiply(gradient, gradient, out=work)
            square += work
            np.sqrt(square, out=work)
            work += epsilon
            np.divide(mean, work, out=work)
            work *= rate
            if part.start < decayed:
                values[: decayed - part.start] *= 1 - learning_rate * self.weight_decay
            values -= work
