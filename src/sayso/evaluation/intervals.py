"""95 % intervals of what was counted."""

import math

# Standard normal quantile of a two-sided 95 % interval.
Z_95 = 1.959964


def wilson_interval(right: int, total: int) -> tuple[float, float]:
    """95 % interval of a proportion.

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", 1927; unlike the normal
    approximation it stays within 0 and 1 and holds for small counts.
    """
    if total == 0:
        return 0.0, 1.0
    share = right / total
    centre = share + Z_95**2 / (2 * total)
    spread = Z_95 * math.sqrt(share * (1 - share) / total + Z_95**2 / (4 * total**2))
    scale = 1 + Z_95**2 / total
    return (centre - spread) / scale, (centre + spread) / scale


def poisson_interval(count: int) -> tuple[float, float]:
    """95 % interval of the mean of which `count` events were seen; exact, F. Garwood 1936."""
    from scipy.special import gammaincinv

    low = float(gammaincinv(count, 0.025)) if count else 0.0
    # Of no events only an upper bound can be asked for; its 5 % all lie on one side ("rule of three").
    return low, float(gammaincinv(count + 1, 0.975 if count else 0.95))
