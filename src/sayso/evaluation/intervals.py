"""95 % confidence intervals of proportions and of counts."""

import math

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
    from scipy.special import gammaincinv

    low = float(gammaincinv(count, 0.025)) if count else 0.0
    # For a count of 0 there is only an upper bound, with all of the 5 % above it ("rule of three").
    return low, float(gammaincinv(count + 1, 0.975 if count else 0.95))
