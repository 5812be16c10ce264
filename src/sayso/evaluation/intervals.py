"""95 % confidence intervals of proportions and of counts."""

import math

import numpy as np

# Standard normal quantile of a two-sided 95 % interval.
Z_95 = 1.959964


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
