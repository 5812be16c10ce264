"""One step of learning, and everything that is remembered from step to step.

A step is the whole of backpropagation: forward, error at the output, gradients carried back, weights moved. Whoever
trains a network, on sound or on numbers, calls `Trainer.step` with one batch after the other.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from heed.nn.loss import one_hot
from heed.nn.network import Network
from heed.nn.optimizers import Optimizer, State
from heed.nn.parameters import FloatArray, blocks
from heed.nn.schedules import Schedule


class StepResult(NamedTuple):
    """What one step showed: mean loss in nats, how many examples were right, and the norm of the gradient."""

    loss: float
    correct: int
    gradient_norm: float


class Trainer:
    """Moves the weights of a network by gradient descent.

    Parameters
    ----------
    network : Network
        The network, initialised.
    optimizer : Optimizer
        The rule of gradient descent.
    schedule : Schedule
        Course of the learning rate.
    label_smoothing : float
        See `one_hot`.
    average_decay : float
        Decay a step of the running average of the parameters; 0 keeps no average. While few steps are done the average
        is shorter, so that the random start is forgotten.
    """

    def __init__(
        self,
        network: Network,
        optimizer: Optimizer,
        schedule: Schedule,
        label_smoothing: float = 0.0,
        average_decay: float = 0.0,
    ) -> None:
        self.network = network
        self.optimizer = optimizer
        self.schedule = schedule
        self.label_smoothing = label_smoothing
        self.average_decay = average_decay
        self.steps = 0
        self._memory: State = optimizer.start(network.parameters)
        self._average = network.parameters.vector.copy() if average_decay else network.parameters.vector

    @property
    def averaged(self) -> FloatArray:
        """The vector of parameters to judge and to keep: the running average, or the last values if there is none."""
        return self._average

    def step(self, x: FloatArray, labels: NDArray[np.integer], progress: float, rng: np.random.Generator) -> StepResult:
        """Learn from one batch.

        Parameters
        ----------
        x : ndarray, shape (batch, *input_shape)
            Examples.
        labels : ndarray of int, shape (batch,)
            Index of the right class of each.
        progress : float
            Part of the training that is done, from 0 to 1.
        rng : Generator
            Source of randomness for layers such as dropout.
        """
        network, parameters = self.network, self.network.parameters
        targets = one_hot(labels, network.classes, self.label_smoothing)
        loss, logits = network.loss_and_gradient(x, targets, rng)
        self.optimizer.step(parameters, self._memory, self.schedule(progress))
        parameters.follow_statistics()
        self.steps += 1
        if self.average_decay:
            decay = min(self.average_decay, self.steps / (self.steps + 10))
            for part in blocks(len(self._average)):
                self._average[part] += (1 - decay) * (parameters.vector[part] - self._average[part])
        norm = float(np.linalg.norm(parameters.gradient[: parameters.count("weight", "bias")]))
        return StepResult(loss, int(np.sum(logits.argmax(axis=1) == labels)), norm)

    def state(self) -> dict[str, FloatArray]:
        """Return all vectors that the next step depends on, for a checkpoint."""
        vectors = {
            "parameters": self.network.parameters.vector,
            "average": self._average,
            "steps": np.array([self.steps]),
        }
        return vectors | {f"optimizer.{name}": vector for name, vector in self._memory.items()}

    def restore(self, state: dict[str, FloatArray]) -> None:
        """Go back to what `state` returned, bit by bit."""
        self.network.parameters.vector[:] = state["parameters"]
        self._average[:] = state["average"]
        self.steps = int(state["steps"][0])
        for name, vector in self._memory.items():
            vector[:] = state[f"optimizer.{name}"]
