"""Schedules: the learning rate as a function of the training progress."""

import math
from dataclasses import dataclass
from typing import Protocol


class Schedule(Protocol):
    """Any function from training progress to learning rate."""

    def __call__(self, progress: float) -> float:
        """Return the learning rate after the fraction `progress` (0 to 1) of the training."""
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
    """The rate is multiplied by `factor` at each of `drops` evenly spaced points."""

    rate: float
    drops: int = 3
    factor: float = 0.1

    def __call__(self, progress: float) -> float:
        """Return the rate."""
        return self.rate * self.factor ** min(math.floor(progress * (self.drops + 1)), self.drops)


@dataclass(frozen=True)
class CosineWithWarmup:
    """A linear rise from 0 during the fraction `warmup`, then half a cosine down to 0.

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
    """Half a cosine up from rate / 25 during the fraction `warmup`, then half a cosine down to rate / 10,000.

    L. Smith and N. Topin, "Super-convergence", 2019, with cosines instead of straight lines.
    """

    rate: float
    warmup: float = 0.25

    def __call__(self, progress: float) -> float:
        """Return the rate."""
        if progress < self.warmup:
            return _cosine(self.rate / 25, self.rate, progress / self.warmup)
        return _cosine(self.rate, self.rate / 10_000, (progress - self.warmup) / (1 - self.warmup))


def _cosine(start: float, end: float, progress: float) -> float:
    """Interpolate from start to end along half a cosine, which is flat at both ends."""
    return end + (start - end) * (1 + math.cos(math.pi * min(progress, 1.0))) / 2
