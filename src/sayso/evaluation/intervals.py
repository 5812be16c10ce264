"""95 % confidence intervals of proportions and of counts.

Words of one speaker are alike, and so are the sentences of one recording: an interval that takes them for independent
is too narrow. Where it is known what belongs together, whole units (speakers, recordings) are resampled instead (the
cluster bootstrap; B. Efron, "Bootstrap methods: another look at the jackknife", 1979).
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

# Standard normal quantile of a two-sided 95 % interval.
Z_95 = 1.959964
# How often units are resampled.
RESAMPLED = 1_000


def wilson_interval(successes: int, total: int) -> tuple[float, float]:
    """95 % confidence interval of a proportion, `successes` of `total`; (0, 1) if `total` is 0.

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", 1927; unlike the normal
    approximation it stays within 0 and 1 and holds for small counts.
    """
    if total == 0:
        return 0.0, 1.0
    share = successes / total
    centre = share + Z_95**2 / (2 * total)
    spread = Z_95 * math.sqrt(share * (1 - share) / total + Z_95**2 / (4 * total**2))
    scale = 1 + Z_95**2 / total
    return (centre - spread) / scale, (centre + spread) / scale


def poisson_interval(count: int) -> tuple[float, float]:
    """95 % confidence interval of the mean of a Poisson variable observed as `count`; exact, F. Garwood, 1936."""
    # For a count of 0 there is only an upper bound, with all of the 5 % above it ("rule of three").
    return _mean(count - 1, 0.975) if count else 0.0, _mean(count, 0.025 if count else 0.05)


def _mean(most: int, probability: float) -> float:
    """Return the mean of the Poisson variable that is at most `most` with this probability."""
    numbers = np.arange(most + 1)
    log_factorials = np.concatenate([[0.0], np.cumsum(np.log(numbers[1:]))])
    # It falls as the mean rises; each step halves the interval that the mean is in.
    low, high = 0.0, most + 10 * math.sqrt(most + 1) + 10
    for _ in range(60):
        mean = (low + high) / 2
        if np.exp(numbers * math.log(mean) - mean - log_factorials).sum() > probability:
            low = mean
        else:
            high = mean
    return (low + high) / 2


def resampled_interval(statistic: Callable[[NDArray[np.intp]], float], units: int) -> tuple[float, float]:
    """95 % interval of a statistic by resampling units, each as often as the next, with a fixed seed.

    Parameters
    ----------
    statistic : callable
        Computes it from the positions of the units drawn, shape (units,), some of which are there several times.
    units : int
        Number of units, at least one.
    """
    rng = np.random.default_rng(0)
    drawn = [statistic(rng.integers(units, size=units)) for _ in range(RESAMPLED)]
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    return float(low), float(high)


def ratio_interval(parts: Sequence[float], wholes: Sequence[float]) -> tuple[float, float]:
    """95 % interval of ``sum(parts) / sum(wholes)`` by resampling the units, of which each has a part and a whole."""
    part, whole = np.asarray(parts, float), np.asarray(wholes, float)
    return resampled_interval(lambda drawn: float(part[drawn].sum() / whole[drawn].sum()), len(part))


def share_interval(successes: Sequence[int], totals: Sequence[int]) -> tuple[float, float]:
    """95 % interval of a proportion, by its numbers in each unit (such as a speaker).

    Units are resampled. The interval is never narrower than that of independent events (`wilson_interval`), as few
    units, or few failures among them, vary too little when they are resampled.
    """
    return _wider(wilson_interval(sum(successes), sum(totals)), successes, totals)


def rate_interval(counts: Sequence[int], hours: Sequence[float]) -> tuple[float, float]:
    """95 % interval of a number of events per hour, by their number and the length of each unit (such as a recording).

    Units are resampled. The interval is never narrower than that of independent events (`poisson_interval`), as few
    units, or few events, vary too little when they are resampled: without any event it would be zero wide.
    """
    total = sum(hours)
    low, high = poisson_interval(sum(counts))
    return _wider((low / max(total, 1e-9), high / max(total, 1e-9)), counts, hours)


def _wider(independent: tuple[float, float], parts: Sequence[float], wholes: Sequence[float]) -> tuple[float, float]:
    """Widen the interval of independent events to that of resampled units."""
    if not sum(wholes):
        return independent
    low, high = ratio_interval(parts, wholes)
    return min(low, independent[0]), max(high, independent[1])
