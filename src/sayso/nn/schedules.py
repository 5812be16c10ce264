"""Schedules: the course of the learning rate over a training, as a function of the part of it that is done."""

import math
from dataclasses import dataclass
from typing import Protocol


class Schedule(Protocol):
    """Anything that gives the learning rate at a moment of the training."""

    def __call__(self, progress: float) -> float:
        """Return the learning rate when the part `progress` (0 to 1) of the training is done."""
        ...


@dataclass(frozen=True)
class Constant:
    """The same rate throughout."""

    rate: float

    def __call__(self, progress: float) -> float:
        """Return the rate."""
        return self.rate


@dataclass(frozen=True)
class StepDecay:
    """The rate falls by `factor` at each of `drops` evenly spaced moments."""

    rate: float
    drops: int = 3
    factor: float = 0.1

    def __call__(self, progress: float) -> float:
        """Return the rate."""
        return self.rate * self.factor ** min(math.floor(progress * (self.drops + 1)), self.drops)


@dataclass(frozen=True)
class CosineWithWarmup:
    """A straight rise from 0 over the part `warmup`, then half a cosine down to 0.

    I. Loshchilov and F. Hutter, "SGDR", 2017, without restarts.
    """

    rate: float
    warmup: float = 0.05

    def __call__(self, progress: float) -> float:
        """Return the rate."""
        if progress < self.warmup:
            return self.rate * progress / self.warmup
        return _cosine(self.rate, 0.0, (progress - self.warmup) / (1 - self.warmup))


@dataclass(frozen=True)
class OneCycle:
    """Half a cosine up from rate / 25 over the part `warmup`, then half a cosine down to rate / 10,000.

    L. Smith and N. Topin, "Super-convergence", 2019, with cosines for straight lines.
    """

    rate: float
    warmup: float = 0.25

    def __call__(self, progress: float) -> float:
        """Return the rate."""
        if progress < self.warmup:
            return _cosine(self.rate / 25, self.rate, progress / self.warmup)
        return _cosine(self.rate, self.rate / 10_000, (progress - self.warmup) / (1 - self.warmup))


def _cosine(start: float, end: float, progress: float) -> float:
    """Go from start to end along half a cosine: flat at both ends."""
    return end + (start - end) * (1 + math.cos(math.pi * min(progress, 1.0))) / 2
