"""Limits on the size of a network.

They are many times what recognising words in NumPy needs. A model file may come from anywhere, so a network beyond
these limits is refused before memory is allocated for it.
"""

from sayso.nn.chain import Chain
from sayso.nn.parameters import flatten

MOST_PARAMETERS = 10_000_000
MOST_MULTIPLY_ADDS = 250_000_000
# Numbers held at once, for one example.
MOST_WORKSPACE = 2**24


def check_network(chain: Chain, input_shape: tuple[int, ...]) -> None:
    """Check that a network needs no absurd amount of memory or work, without allocating anything for it.

    Parameters
    ----------
    chain : Chain
        The layers.
    input_shape : tuple of int
        Shape of one example, (frames, width).

    Raises
    ------
    ValueError
        If it has too many parameters, holds too many numbers at once, costs too many multiply-adds, or its layers do
        not fit each other.
    """
    shape = input_shape[::-1]
    parameters = sum(parameter.size for _, parameter in flatten(chain.parameters(shape)))
    for count, most, what in (
        (parameters, MOST_PARAMETERS, "has {} parameters"),
        (chain.workspace(shape), MOST_WORKSPACE, "holds {} numbers at once"),
        (chain.multiply_adds(shape), MOST_MULTIPLY_ADDS, "costs {} multiply-adds"),
    ):
        if count > most:
            raise ValueError(f"it {what.format(_rounded(count))}; expected at most {most:,}, make it smaller")


def _rounded(count: int) -> str:
    """Format a count in full, or as a power of ten if it is absurdly large."""
    return f"{count:,}" if count < 10**15 else f"10^{len(str(count)) - 1}" if count < 10**4000 else "endlessly many"
