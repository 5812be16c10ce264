"""Apply a function to many items in parallel: in threads, in processes on this machine, or on a Dask cluster.

Results always come in the order of the items. Only a few items are submitted ahead, so memory does not grow with their
number.
"""

import contextlib
import hashlib
import os
import pickle
import signal
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, ThreadPoolExecutor
from functools import cache
from itertools import chain, islice
from pathlib import Path
from typing import Any, Protocol, TypeVar

from sayso import version
from sayso.errors import WorkerError

Item = TypeVar("Item")
Result = TypeVar("Result")
Result_co = TypeVar("Result_co", covariant=True)
Shared = TypeVar("Shared")

# Takes items and yields the result of each.
_Work = Callable[[Iterable[Item]], Iterator[Result]]

# Items submitted for each worker: the one it works on, and others so that it never waits.
AHEAD = 3
# Seconds within which a scheduler must reply, and then have a worker.
PATIENCE = 15
# Times that a client of a cluster is started on a machine so busy that it does not run in time.
ATTEMPTS = 3


def cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _Future(Protocol[Result_co]):
    """The part of a future that executors and Dask share."""

    def result(self) -> Result_co: ...


def in_order(function: Callable[[Item], Result], items: Iterable[Item], threads: int) -> Iterator[Result]:
    """Apply a function to items in `threads` threads, or in this one if that is 1; results keep the order of items."""
    if threads == 1:
        yield from map(function, items)
        return
    pool = ThreadPoolExecutor(threads)
    try:
        yield from _in_order(lambda item: pool.submit(function, item), items, AHEAD * threads)
    finally:
        # If the caller stops early, the items that are still waiting are not needed.
        pool.shutdown(cancel_futures=True)


def _in_order(submit: Callable[[Item], _Future[Result]], items: Iterable[Item], ahead: int) -> Iterator[Result]:
    """Submit items as results are taken, at most `ahead` items ahead of them."""
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
    """Apply a function to many items: on a Dask cluster if one is given, else in processes if it pays, else here.

    Parameters
    ----------
    function : callable
        A module-level function; called with `shared` and an item.
    shared : object
        Data that all items need; it is sent to each worker once.
    items : iterable
        The items; they are taken as they are needed.
    workers : int
        Maximum number of processes on this machine.
    scheduler : str, optional
        Address of a Dask scheduler, such as tcp://host:8786, whose workers do the work instead.
    few : int
        Up to this many items, the work is done in this process, as starting others would take longer.

    Yields
    ------
    results : iterator
        The results, in the order of the items.

    Raises
    ------
    WorkerError
        If a process dies, Dask is not installed, the scheduler cannot be reached, or its workers fail or have another
        version of sayso.
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
    """Start processes on this machine; parameters as for `spread`.

    Yields
    ------
    work : callable
        Takes items and yields their results in order; it raises WorkerError if a process dies.
    """
    # Imported here, as work in this process should not wait for it.
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    # Processes, as the Python code around small clips takes as much time as the arithmetic, so that threads, which
    # share one interpreter, gain little (see scripts/benchmarks/batches.py). Spawned, as a fork of a process with
    # threads may hang.
    before = set(multiprocessing.active_children())
    # Shared data goes through a file: if a process failed to start, the parent would block on writing much of it to
    # the pipe from which a new process reads.
    folder = tempfile.TemporaryDirectory(prefix="sayso.")
    task = Path(folder.name) / "task"
    task.write_bytes(pickle.dumps((function, shared)))
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=_begin, initargs=(str(task),))

    def work(items: Iterable[Item]) -> Iterator[Result]:
        try:
            yield from _in_order(lambda item: pool.submit(_apply, item), items, AHEAD * workers)
        except BrokenExecutor as error:
            raise WorkerError(
                "a worker process died, perhaps out of memory; free some memory or use fewer workers, then --resume "
                '(in a script of your own, is the work under if __name__ == "__main__"?)'
            ) from error

    try:
        yield work
    except BaseException:
        # The results are no longer needed, and a long file would keep a process busy.
        for process in set(multiprocessing.active_children()) - before:
            process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
        folder.cleanup()


# The function of a worker process, and the data that all items share.
_task: tuple[Callable[[Any, Any], Any], Any]


def _begin(task: str) -> None:
    global _task
    _task = pickle.loads(Path(task).read_bytes())
    # Ctrl-C reaches all processes of a terminal; the parent alone handles it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Exit when the parent process is gone, for example after a kill."""
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
    """Connect to a Dask cluster; the items of a worker that is lost are done by others. Parameters as for `spread`.

    Yields
    ------
    work : callable
        Takes items and yields their results in order.

    Raises
    ------
    WorkerError
        If Dask is not installed here, the scheduler cannot be reached or has no workers, or the workers fail or have
        another version of sayso.
    """
    try:
        import distributed
        from distributed.comm.core import CommClosedError
    except ImportError as error:
        raise WorkerError('a Dask cluster needs Dask on this machine too: pip install "sayso[dask]"') from error
    try:
        client = _connected(address)
    except (OSError, ValueError) as error:
        raise WorkerError(
            f"cannot reach a Dask scheduler at {address} ({error}); start one, or correct the address"
        ) from error
    with client:
        try:
            client.wait_for_workers(1, timeout=PATIENCE)
        except TimeoutError as error:
            raise WorkerError(f"the Dask scheduler at {address} has no workers; start some") from error
        _check_programs(client, address)
        cores = max(sum(client.nthreads().values()), 1)
        # Not scattered: if all workers that hold it are lost, Dask computes the result of a task again.
        common = client.submit(_same, shared, pure=False)

        def work(items: Iterable[Item]) -> Iterator[Result]:
            try:
                for theirs, result in _in_order(
                    lambda item: client.submit(_with_program, function, common, item, pure=False), items, AHEAD * cores
                ):
                    # A worker may have come later.
                    if theirs != program():
                        raise WorkerError(_other_program(address, "a worker", theirs))
                    yield result
            except (distributed.KilledWorker, CommClosedError) as error:
                raise WorkerError(
                    f"the Dask cluster at {address} lost its workers repeatedly ({error}); see their logs"
                ) from error
            except (distributed.CancelledError, ImportError, AttributeError) as error:
                raise WorkerError(
                    f"the Dask cluster at {address} cannot do the work ({error}); does it have this version of sayso?"
                ) from error

        yield work


def _connected(address: str) -> Any:
    """Return a client of the cluster; on a busy machine its thread may need more than the time that Dask allows."""
    import distributed

    for _ in range(ATTEMPTS):
        # Dask has no other error for an event loop that does not run within 10 seconds.
        with contextlib.suppress(AssertionError):
            return distributed.Client(address, timeout=PATIENCE, set_as_default=False)
    raise TimeoutError("this machine is too busy for a client of Dask")


def _check_programs(client: Any, address: str) -> None:
    """Raise a WorkerError if a worker has another program than this process: its results would be others."""
    for worker, theirs in client.run(program, on_error="return").items():
        # A worker that is lost at this moment does no work, and every result is checked again.
        if theirs != program() and not isinstance(theirs, OSError):
            raise WorkerError(_other_program(address, f"the worker {worker}", theirs))


def _other_program(address: str, worker: str, theirs: object) -> str:
    has = f"has {theirs}" if isinstance(theirs, str) else f"cannot tell which version of sayso it has ({theirs})"
    return f"{worker} of the Dask cluster at {address} {has}; this machine has {program()}; install the same on both"


def program() -> str:
    """Return which program this process runs: the version of sayso, and a hash of its source."""
    return f"sayso {version.__version__} (source {_source_hash()})"


@cache
def _source_hash() -> str:
    total = hashlib.sha256()
    root = Path(version.__file__).parent
    for path in sorted(root.rglob("*.py")):
        # The ends of lines may depend on the system.
        total.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes().replace(b"\r\n", b"\n"))
    return total.hexdigest()[:8]


def _with_program(function: Callable[[Shared, Item], Result], shared: Shared, item: Item) -> tuple[str, Result]:
    return program(), function(shared, item)


def _same(value: Result) -> Result:
    return value
