"""Where each value of a network lies in one block of memory: values that are not needed together share a place."""

import math
from collections.abc import Sequence

from sayso.export.operations import Add, Operation, Rectify, Reshape, Scale, TakeTanh

# Operations that may write over their input.
IN_PLACE = (Add, Rectify, Reshape, Scale, TakeTanh)


def places(operations: Sequence[Operation]) -> tuple[list[int | None], int]:
    """Plan the memory of a network.

    Parameters
    ----------
    operations : sequence of Operation
        The network.

    Returns
    -------
    places : list of int or None
        Where each value begins; None for the input, which lies elsewhere and is not written to.
    size : int
        Numbers in the whole block.
    """
    last_uses = {number: place for place, operation in enumerate(operations) for number in operation.inputs}
    last_uses[len(operations)] = len(operations)
    # The values that are still needed: where they begin and end.
    held: dict[int, tuple[int, int]] = {}
    found: list[int | None] = [None]
    size = 0
    for place, operation in enumerate(operations):
        length, number = math.prod(operation.shape), place + 1
        ending = [each for each in set(operation.inputs) if each in held and last_uses[each] == place]
        if isinstance(operation, IN_PLACE) and ending:
            start = held[ending[0]][0]
        else:
            start = _gap(sorted(held.values()), length)
        for each in ending:
            del held[each]
        held[number] = start, start + length
        size = max(size, start + length)
        found.append(start)
    return found, size


def _gap(taken: list[tuple[int, int]], length: int) -> int:
    """Return the beginning of the first gap of that length."""
    start = 0
    for first, end in taken:
        if first - start >= length:
            break
        start = max(start, end)
    return start
