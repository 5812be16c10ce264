"""The same work for many items, side by side: in threads, in processes of this machine, or on a Dask cluster.

Whoever does the work, results come in the order of the items, and no more than a few items are on their way at a time,
so that memory does not grow with their number.
"""

import contextlib
import os
import pickle
import signal
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, ThreadPoolExecutor
from itertools import chain, islice
from pathlib import Path
from typing import Any, Protocol, TypeVar

from sayso.errors import WorkerError

Item = TypeVar("Item")
Result = TypeVar("Result")
Result_co = TypeVar("Result_co", covariant=True)
Shared = TypeVar("Shared")

# Goes through items and yields the result of each.
_Work = Callable[[Iterable[Item]], Iterator[Result]]

# Items on their way for each worker: one in work, and others waiting so that it never does.
AHEAD = 3
# Seconds in which a scheduler must answer, and have a worker.
PATIENCE = 15


def cores() -> int:
    """Count the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _Future(Protocol[Result_co]):
    """What executors and Dask have in common."""

    def result(self) -> Result_co: ...


def in_order(function: Callable[[Item], Result], items: Iterable[Item], threads: int) -> Iterator[Result]:
    """Apply a function to items in so many threads, or in this one alone; results come in the order of the items."""
    if threads == 1:
        yield from map(function, items)
        return
    pool = ThreadPoolExecutor(threads)
    try:
        yield from _in_order(lambda item: pool.submit(function, item), items, AHEAD * threads)
    finally:
        # Nobody wants what is still waiting if the results are not taken to their end.
        pool.shutdown(cancel_futures=True)


def _in_order(submit: Callable[[Item], _Future[Result]], items: Iterable[Item], ahead: int) -> Iterator[Result]:
    """Submit items as results are taken, never more than so many ahead of them."""
    waiting: deque[_Future[Result]] = deque()
    for item in items:
        waiting.append(submit(item))
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


@contextlib.contextmanager
def spread(
    function: Callable[[Shared, Item], Result],
    shared: Shared,
    items: Iterable[Item],
    workers: int,
    scheduler: str | None = None,
    few: int = 1,
) -> Iterator[Iterator[Result]]:
    """Do the same work for many items: on a Dask cluster if one is named, else in processes if they pay, else here.

    Parameters
    ----------
    function : callable
        A function of a module; called with `shared` and an item.
    shared : object
        What all items need; it goes to each worker once.
    items : iterable
        The items; they are taken as they are needed.
    workers : int
        How many processes of this machine may share the work.
    scheduler : str, optional
        Address of a Dask scheduler, such as tcp://host:8786, whose workers do it instead.
    few : int
        For no more items than this, starting processes takes longer than the work, which is then done here.

    Yields
    ------
    results : iterator
        The results, in the order of the items.

    Raises
    ------
    WorkerError
        If a process dies; if Dask is not installed, the scheduler cannot be reached, or its workers fail.
    """
    if scheduler:
        with _on_cluster(function, shared, scheduler) as work:
            yield work(items)
        return
    coming = iter(items)
    first = list(islice(coming, max(few, workers) + 1))
    everything = chain(first, coming)
    if workers == 1 or len(first) <= few:
        yield (function(shared, item) for item in everything)
        return
    with _in_processes(function, shared, min(workers, len(first))) as work:
        yield work(everything)


@contextlib.contextmanager
def _in_processes(
    function: Callable[[Shared, Item], Result], shared: Shared, workers: int
) -> Iterator[_Work[Item, Result]]:
    """Work in processes of this machine.

    Parameters
    ----------
    function : callable
        A function of a module; called with `shared` and an item.
    shared : object
        What all items need; it goes to each process once.
    workers : int
        How many processes.

    Yields
    ------
    work : callable
        Takes items and yields their results in order; it raises WorkerError if a process dies.
    """
    # Not needed for a single file, which should not wait for them.
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    # Python objects around small clips cost as much time as the mathematics, so that threads, which share one
    # interpreter, gain little (see scripts/benchmarks/batches.py). Fresh processes, as a fork of one that has threads
    # may hang.
    before = set(multiprocessing.active_children())
    # What is shared goes through a file: through the pipe on which a process gets its first orders, much of it would
    # leave the parent hanging if the process failed to start.
    folder = tempfile.TemporaryDirectory(prefix="sayso.")
    orders = Path(folder.name) / "orders"
    orders.write_bytes(pickle.dumps((function, shared)))
    pool = ProcessPoolExecutor(
        workers, multiprocessing.get_context("spawn"), initializer=_begin, initargs=(str(orders),)
    )

    def work(items: Iterable[Item]) -> Iterator[Result]:
        try:
            yield from _in_order(lambda item: pool.submit(_apply, item), items, AHEAD * workers)
        except BrokenExecutor as error:
            raise WorkerError(
                "a worker process died, perhaps for want of memory; free some, use fewer, and --resume "
                '(in a script of your own, is the work under if __name__ == "__main__"?)'
            ) from error

    try:
        yield work
    except BaseException:
        # Nobody wants what is still in work, and a long file would be for long.
        for process in set(multiprocessing.active_children()) - before:
            process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
        folder.cleanup()


# What a worker process was started for.
_task: tuple[Callable[[Any, Any], Any], Any]


def _begin(orders: str) -> None:
    global _task
    _task = pickle.loads(Path(orders).read_bytes())
    # Ctrl-C reaches all processes of a terminal; what becomes of the work is for the first of them to say.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Leave when the process that wants the work is gone, as it is after a kill."""
    import multiprocessing

    if parent := multiprocessing.parent_process():
        parent.join()
        os._exit(1)


def _apply(item: Any) -> Any:
    function, shared = _task
    return function(shared, item)


@contextlib.contextmanager
def _on_cluster(
    function: Callable[[Shared, Item], Result], shared: Shared, address: str
) -> Iterator[_Work[Item, Result]]:
    """Work on an existing Dask cluster; what a worker that is lost had in work is done by others.

    Parameters
    ----------
    function, shared
        As for `_in_processes`.
    address : str
        Of the scheduler, such as tcp://host:8786.

    Yields
    ------
    work : callable
        Takes items and yields their results in order.

    Raises
    ------
    WorkerError
        If Dask is not installed here, the scheduler cannot be reached, has no workers, or they cannot do the work.
    """
    try:
        import distributed
        from distributed.comm.core import CommClosedError
    except ImportError as error:
        raise WorkerError('a Dask cluster needs Dask here, too: pip install "sayso[dask]"') from error
    try:
        client = distributed.Client(address, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError) as error:
        raise WorkerError(
            f"cannot reach a Dask scheduler at {address} ({error}); start one, or correct the address"
        ) from error
    with client:
        try:
            client.wait_for_workers(1, timeout=PATIENCE)
        except TimeoutError as error:
            raise WorkerError(f"the Dask scheduler at {address} has no workers; start some") from error
        cores = max(sum(client.nthreads().values()), 1)
        # A task, not scattered data: if all workers that hold its result are lost, it is simply done again.
        common = client.submit(_same, shared, pure=False)

        def work(items: Iterable[Item]) -> Iterator[Result]:
            try:
                yield from _in_order(
                    lambda item: client.submit(function, common, item, pure=False), items, AHEAD * cores
                )
            except (distributed.KilledWorker, CommClosedError) as error:
                raise WorkerError(
                    f"the Dask cluster at {address} lost its workers again and again ({error}); look into their logs"
                ) from error
            except (distributed.CancelledError, ImportError) as error:
                raise WorkerError(
                    f"the Dask cluster at {address} cannot do the work ({error}); does it have this version of sayso?"
                ) from error

        yield work


def _same(value: Result) -> Result:
    return value
