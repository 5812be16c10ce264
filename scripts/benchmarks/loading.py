"""Benchmark of preparing batches: epochs of a training compared with the same steps on precomputed features.

Threads prepare the batches while the network learns; the ratio of the two shows what this costs, and should be at most
1.15. Both take turns. The peak memory is that of the whole process, as in a training.

Example: python scripts/benchmarks/loading.py speech_commands_v0.02 --words yes,no,up,down,left,right,on,off,stop,go
"""

import os
import statistics
import sys
import time
from collections.abc import Iterable
from itertools import cycle, islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from benchmarking import parser, peak_memory, pin, ratio, save, settings_of
from sayso.corpus.corpus import scan
from sayso.errors import SaysoError
from sayso.model.shipped import bundled
from sayso.nn.trainer import Trainer
from sayso.system.memory import keep_freed_memory
from sayso.training.preparation import prepare
from sayso.training.training import optimizer, schedule

Batch = tuple[NDArray[np.float32], NDArray[np.int64]]

BAR = 1.15
# Number of precomputed batches, which are repeated: too many for the cache of the processor, but few enough for memory.
PRECOMPUTED = 16


def main() -> None:
    """Run the benchmark and print its results."""
    options = parser(__doc__)
    options.add_argument(
        "corpus", type=Path, nargs="?", default=bundled("demo"), help="folder of recordings (default: the demo corpus)"
    )
    options.add_argument("--config", default="commands", help="a recipe: its name or file (default: %(default)s)")
    options.add_argument("--words", help="words to recognise, separated by commas (default: all)")
    options.add_argument(
        "--threads", type=int, default=os.cpu_count() or 1, help="threads, and cores (default: %(default)s)"
    )
    options.add_argument("--repeat", type=int, default=7, help="epochs of each kind (default: %(default)s)")
    arguments = options.parse_args()

    pin(arguments.threads)
    settings = settings_of(arguments.config)
    words = arguments.words.split(",") if arguments.words else []
    training = prepare(scan(arguments.corpus), settings, words).training
    prepared = peak_memory()
    data, learning = training.data, settings.training
    trainer = Trainer(
        training.network,
        optimizer(learning),
        schedule(learning),
        learning.label_smoothing,
        learning.average_decay,
        learning.shard_size,
    )
    rng = np.random.default_rng(0)

    def learn(batches: Iterable[Batch]) -> float:
        """Train on batches; return the time in seconds."""
        start = time.perf_counter()
        for features, labels in batches:
            trainer.step(features, labels, 0.5, rng)
        return time.perf_counter() - start

    seconds: dict[str, list[float]] = {"network": [], "loaded": []}
    # As in `Training.epochs`.
    keep_freed_memory()
    with threadpool_limits(1, "blas"):
        precomputed = list(islice(data.epoch(1, training.standardizer, arguments.threads), PRECOMPUTED))
        learn(precomputed)
        for epoch in range(2, 2 + arguments.repeat):
            seconds["network"].append(learn(islice(cycle(precomputed), data.batches)))
            seconds["loaded"].append(learn(data.epoch(epoch, training.standardizer, arguments.threads)))

    medians = {kind: statistics.median(times) for kind, times in seconds.items()}
    times_as_long, peak = ratio(seconds["loaded"], seconds["network"]), peak_memory()
    print(
        f"{arguments.config}, threads {arguments.threads}: epochs of {data.batches} batches of {data.batch_size} clips"
    )
    print(f"  network alone          {medians['network']:8.2f} s")
    print(f"  with its batches       {medians['loaded']:8.2f} s: {times_as_long:.2f} times as long (at most {BAR})")
    print(f"  peak memory            {peak:8.0f} MB; {prepared:.0f} MB before the first epoch")
    results = {
        "config": arguments.config,
        "threads": arguments.threads,
        "batches": data.batches,
        "batch": data.batch_size,
        "seconds": medians,
        "ratio": times_as_long,
        "peak_megabytes": {"prepared": prepared, "trained": peak},
    }
    save(results, arguments.json)


if __name__ == "__main__":
    try:
        main()
    except SaysoError as error:
        sys.exit(f"error: {error}")
