"""One training step, and the state that is kept from step to step.

A step is the whole algorithm: forward pass, loss, backward pass, update of the weights. To train a network, call
`Trainer.step` with one batch after the other.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sayso.nn.loss import one_hot
from sayso.nn.network import Network
from sayso.nn.optimizers import Optimizer, State
from sayso.nn.parameters import FloatArray, Views, blocks
from sayso.nn.schedules import Schedule


class StepResult(NamedTuple):
    """Result of one step: mean loss in nats, number of correctly classified examples, and norm of the gradient."""

    loss: float
    correct: int
    gradient_norm: float


class Examples(NamedTuple):
    """Examples to learn from.

    Attributes
    ----------
    x : ndarray, shape (n, *input_shape)
        The examples.
    labels : ndarray of int, shape (n,)
        Index of the correct class of each.
    weights : ndarray, shape (n,), or None
        By how much each counts; None means that all count the same.
    """

    x: FloatArray
    labels: NDArray[np.integer]
    weights: FloatArray | None = None

    def at(self, positions: NDArray[np.integer]) -> "Examples":
        """Return the examples at some positions."""
        weights = None if self.weights is None else self.weights[positions]
        return Examples(self.x[positions], self.labels[positions], weights)


class Trainer:
    """Trains a network by gradient descent.

    Parameters
    ----------
    network : Network
        The network, initialised.
    optimizer : Optimizer
        The rule of gradient descent.
    schedule : Schedule
        Learning rate as a function of the progress.
    label_smoothing : float
        See `one_hot`.
    average_decay : float
        Decay per step of the running average of the parameters; 0 keeps no average. In the first steps the average is
        shorter, so that the random initial values are forgotten.
    shard_size : int
        A batch is cut into shards of about this size, which are processed in parallel threads; their gradients are
        averaged. Batch normalisation uses the statistics of each shard. 0 never cuts. The result does not depend on the
        number of processors.
    """

    def __init__(
        self,
        network: Network,
        optimizer: Optimizer,
        schedule: Schedule,
        label_smoothing: float = 0.0,
        average_decay: float = 0.0,
        shard_size: int = 0,
    ) -> None:
        if shard_size < 0:
            raise ValueError(f"shard_size is {shard_size}; expected 0 or more")
        self.network = network
        self.optimizer = optimizer
        self.schedule = schedule
        self.label_smoothing = label_smoothing
        self.average_decay = average_decay
        self.shard_size = shard_size
        self.steps = 0
        self._shards: list[tuple[FloatArray, Views]] = []
        self._optimizer_state: State = optimizer.start(network.parameters)
        self._average = network.parameters.vector.copy() if average_decay else network.parameters.vector

    @property
    def averaged(self) -> FloatArray:
        """The vector of parameters to evaluate and save: the running average, or the current values without one."""
        return self._average

    def step(
        self, x: FloatArray, labels: NDArray[np.integer], progress: float, rng: np.random.Generator,
        weights: FloatArray | None = None, targets: FloatArray | None = None,
    ) -> StepResult:  # fmt: skip
        """Learn from one batch.

        Parameters
        ----------
        x : ndarray, shape (batch, *input_shape)
            Examples.
        labels : ndarray of int, shape (batch,)
            Index of the correct class of each.
        progress : float
            Fraction of the training that is done, from 0 to 1.
        rng : Generator
            Source of randomness for layers such as dropout.
        weights : ndarray, shape (batch,), optional
            By how much each example counts; by default each by 1.
        targets : ndarray of float32, shape (classes, batch), optional
            Target probabilities; by default those of the labels, with smoothing.
        """
        network, parameters = self.network, self.network.parameters
        if targets is None:
            targets = one_hot(labels, network.classes, self.label_smoothing)
        loss, logits = self._loss_and_gradient(x, targets, rng, weights)
        self.optimizer.step(parameters, self._optimizer_state, self.schedule(progress))
        parameters.update_statistics()
        self.steps += 1
        if self.average_decay:
            decay = min(self.average_decay, self.steps / (self.steps + 10))
            for part in blocks(len(self._average)):
                self._average[part] += (1 - decay) * (parameters.vector[part] - self._average[part])
        norm = float(np.linalg.norm(parameters.gradient[: parameters.count("weight", "bias")]))
        return StepResult(loss, int(np.sum(logits.argmax(axis=1) == labels)), norm)

    def epoch(self, examples: Examples, batches: int, start: float, end: float, rng: np.random.Generator) -> float:
        """Learn from all examples once, in random order, and return the mean loss in nats.

        Parameters
        ----------
        examples : Examples
            The examples.
        batches : int
            Number of batches, as even as possible.
        start, end : float
            Fraction of the training that is done before and after.
        rng : Generator
            Source of randomness for the order and for layers such as dropout.
        """
        losses = 0.0
        for number, chosen in enumerate(np.array_split(rng.permutation(len(examples.x)), batches)):
            batch, progress = examples.at(chosen), start + (end - start) * number / batches
            losses += self.step(batch.x, batch.labels, progress, rng, batch.weights).loss * len(chosen)
        return losses / len(examples.x)

    def _loss_and_gradient(
        self, x: FloatArray, targets: FloatArray, rng: np.random.Generator, weights: FloatArray | None
    ) -> tuple[float, FloatArray]:
        """Compute loss, gradient and logits like `Network.loss_and_gradient`, in shards.

        The loss of a batch is the mean over its examples, so it is the mean of the shards' losses, weighted by their
        numbers of examples; and the gradient of a mean is the mean of the gradients.
        """
        shards = max(round(len(x) / self.shard_size), 1) if self.shard_size else 1
        if shards == 1:
            return self.network.loss_and_gradient(x, targets, rng, weights=weights)
        parameters = self.network.parameters
        while len(self._shards) < shards:
            vector = np.zeros_like(parameters.gradient)
            self._shards.append((vector, parameters.views(vector)))
        parts = np.array_split(np.arange(len(x)), shards)

        # The caller's handling of floating-point errors applies in the threads as well.
        errors = np.geterr()

        def learn(shard: int) -> tuple[float, FloatArray]:
            part = slice(parts[shard][0], parts[shard][-1] + 1)
            own = None if weights is None else weights[part]
            with np.errstate(**errors):
                return self.network.loss_and_gradient(
                    x[part], targets[:, part], rngs[shard], self._shards[shard][1], own
                )

        rngs = rng.spawn(shards)
        with ThreadPoolExecutor(min(shards, os.cpu_count() or 1)) as pool:
            results = list(pool.map(learn, range(shards)))
        shares = [len(part) / len(x) for part in parts]
        np.multiply(self._shards[0][0], shares[0], out=parameters.gradient)
        for (vector, _), share in zip(self._shards[1:shards], shares[1:], strict=True):
            parameters.gradient += share * vector
        loss = sum(share * loss for share, (loss, _) in zip(shares, results, strict=True))
        return loss, np.concatenate([logits for _, logits in results])

    def state(self) -> dict[str, FloatArray]:
        """Return all vectors that the next step depends on, for a checkpoint."""
        vectors = {
            "parameters": self.network.parameters.vector,
            "average": self._average,
            "steps": np.array([self.steps]),
        }
        return vectors | {f"optimizer.{name}": vector for name, vector in self._optimizer_state.items()}

    def restore(self, state: dict[str, FloatArray]) -> None:
        """Restore exactly what `state` returned."""
        self.network.parameters.vector[:] = state["parameters"]
        self._average[:] = state["average"]
        self.steps = int(state["steps"][0])
        for name, vector in self._optimizer_state.items():
            vector[:] = state[f"optimizer.{name}"]
