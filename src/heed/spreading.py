"""Work on many files, spread over the cores of this machine.

Reading a clip is many short calls, during which Python lets no other thread run; so the workers are processes.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

# Items that a worker takes at a time: enough to make handing them over cheap, few enough to keep all workers busy.
GROUP = 256
# Starting processes takes about as long as the work on so many items.
FEWEST = 2 * GROUP


def spread(
    work: Callable[[Sequence[Item]], Result], items: Sequence[Item], workers: int, group: int = GROUP
) -> Iterator[Result]:
    """Do some work on groups of items, in several processes if there are many.

    Parameters
    ----------
    work : callable
        Takes a group and returns its result; both it and its results must be picklable.
    items : sequence
        What to work on.
    workers : int
        Most processes.
    group : int
        Items in a group.

    Yields
    ------
    result
        The result of each group, in order.
    """
    groups = [items[start : start + group] for start in range(0, len(items), group)]
    if workers <= 1 or len(items) < FEWEST:
        yield from map(work, groups)
        return
    from joblib import Parallel, delayed

    # Workers that nobody needs any more end after a few seconds.
    pool = Parallel(n_jobs=workers, return_as="generator", idle_worker_timeout=5)
    yield from pool(delayed(work)(part) for part in groups)
