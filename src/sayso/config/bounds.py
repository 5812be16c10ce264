"""What a network may ask for.

It is many times what recognising words in NumPy has use for: a model file is from anybody, and what is beyond this is
refused before memory is asked for.
"""

from sayso.nn.chain import Chain
from sayso.nn.parameters import flatten

MOST_PARAMETERS = 10_000_000
MOST_MULTIPLY_ADDS = 250_000_000
# Numbers that are held at once, for one example.
MOST_WORKSPACE = 2**24


def check_network(chain: Chain, input_shape: tuple[int, ...]) -> None:
    """Make sure that a network asks for no absurd amount of memory or work; nothing is allocated for it.

    Parameters
    ----------
    chain : Chain
        Its layers.
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
    """Write a count in full, or what is absurdly large as a power of ten."""
    return f"{count:,}" if count < 10**15 else f"10^{len(str(count)) - 1}" if count < 10**4000 else "endlessly many"
