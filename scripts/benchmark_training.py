"""Times training of one multi-layer perceptron by heed, scikit-learn and, where it is installed, PyTorch.

All take turns with equally many threads: 1960-512-512-512-12, ReLU, Adam, float32. Each has a process of its own, so
that no library's threads, which go on spinning after their work, or memory stand in another's way.
"""

import argparse
import contextlib
import importlib.util
import itertools
import json
import statistics
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

from heed.nn import AdamW, Constant, Dense, Network
from heed.nn.architectures import hidden_layers
from heed.nn.trainer import Trainer

FloatArray = NDArray[np.float32]
Labels = NDArray[np.int64]
Epoch = Callable[[], Any]

FEATURES, HIDDEN, CLASSES = 1960, (512, 512, 512), 12
RATE = 1e-4
# Long enough for a library's threads to fall asleep.
PAUSE = 0.3

# What the process of one contender runs.
epochs: list[Epoch] = []


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=8192, help="examples in an epoch (default: %(default)s)")
    parser.add_argument(
        "--batches", type=int, nargs="+", default=[32, 128, 512], help="batch sizes (default: %(default)s)"
    )
    parser.add_argument("--threads", type=int, default=2, help="threads for each contender (default: %(default)s)")
    parser.add_argument("--repeat", type=int, default=7, help="epochs of each contender (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to this file, too")
    arguments = parser.parse_args()

    results = []
    for batch in arguments.batches:
        with contextlib.ExitStack() as stack:
            contenders = {
                name: stack.enter_context(
                    ProcessPoolExecutor(
                        1, get_context("spawn"), enter, (name, arguments.samples, batch, arguments.threads)
                    )
                )
                for name in present()
            }
            seconds = take_turns(contenders, arguments.repeat)
        speeds = {name: arguments.samples / statistics.median(times) for name, times in seconds.items()}
        ratios = {name: ratio(times, seconds["heed"]) for name, times in seconds.items()}
        results.append({"batch": batch, "threads": arguments.threads, "samples_per_second": speeds, "ratios": ratios})
        print(f"batch {batch}, {arguments.threads} threads: samples a second, and how many times as fast heed is")
        for name, speed in speeds.items():
            print(f"  {name:<22} {speed:>8,.0f}   {ratios[name]:5.2f}")
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


def present() -> list[str]:
    """Return who takes part."""
    if importlib.util.find_spec("torch"):
        return ["heed", "scikit-learn", "PyTorch", "PyTorch, fused Adam"]
    print("PyTorch is not installed and does not take part")
    return ["heed", "scikit-learn"]


def enter(name: str, samples: int, batch: int, threads: int) -> None:
    """Make this process that of one contender, and warm it up."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((samples, FEATURES), dtype=np.float32)
    labels = rng.integers(CLASSES, size=samples)
    threadpool_limits(threads)
    makers: dict[str, Callable[[], Epoch]] = {
        "heed": lambda: heed_epoch(x, labels, batch),
        "scikit-learn": lambda: sklearn_epoch(x, labels, batch),
        "PyTorch": lambda: torch_epoch(x, labels, batch, threads, fused=False),
        "PyTorch, fused Adam": lambda: torch_epoch(x, labels, batch, threads, fused=True),
    }
    epochs.append(makers[name]())
    epochs[0]()


def turn() -> float:
    """Return the seconds of one epoch of this process's contender."""
    start = time.perf_counter()
    epochs[0]()
    return time.perf_counter() - start


def heed_epoch(x: FloatArray, labels: Labels, batch: int) -> Epoch:
    """Return heed's epoch: the same trainer that every training of heed goes through."""
    rng = np.random.default_rng(0)
    layers = [*hidden_layers(HIDDEN, "relu", batch_norm=False, dropout=0.0), Dense(CLASSES)]
    trainer = Trainer(Network(layers, (FEATURES,)).initialise(rng), AdamW(), Constant(RATE))

    def epoch() -> None:
        order = rng.permutation(len(x))
        for start in range(0, len(x), batch):
            rows = order[start : start + batch]
            trainer.step(x[rows], labels[rows], 0.0, rng)

    return epoch


def sklearn_epoch(x: FloatArray, labels: Labels, batch: int) -> Epoch:
    """Return scikit-learn's epoch; it keeps float32 data in float32."""
    model = MLPClassifier(
        HIDDEN, alpha=0.0, batch_size=batch, learning_rate_init=RATE, max_iter=1, warm_start=True, random_state=0
    )

    def epoch() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(x, labels)

    return epoch


def torch_epoch(x: FloatArray, labels: Labels, batch: int, threads: int, fused: bool) -> Epoch:
    """Return PyTorch's epoch in eager mode, with its usual Adam or with the fused one."""
    import torch

    torch.set_num_threads(threads)
    inputs, targets = torch.from_numpy(x), torch.from_numpy(labels)
    pairs = itertools.pairwise([FEATURES, *HIDDEN])
    hidden = [part for pair in pairs for part in (torch.nn.Linear(*pair), torch.nn.ReLU())]
    model = torch.nn.Sequential(*hidden, torch.nn.Linear(HIDDEN[-1], CLASSES))
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE, fused=fused)
    loss = torch.nn.CrossEntropyLoss()

    def epoch() -> None:
        order = torch.randperm(len(inputs))
        for start in range(0, len(inputs), batch):
            rows = order[start : start + batch]
            optimizer.zero_grad()
            loss(model(inputs[rows]), targets[rows]).backward()
            optimizer.step()

    return epoch


def take_turns(contenders: dict[str, ProcessPoolExecutor], repeat: int) -> dict[str, list[float]]:
    """Time every contender once in each round, so that a change of the machine's speed meets all alike."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for pool in contenders.values():
        pool.submit(turn).result()
    for _ in range(repeat):
        for name, pool in contenders.items():
            seconds[name].append(pool.submit(turn).result())
            time.sleep(PAUSE)
    return seconds


def ratio(theirs: list[float], ours: list[float]) -> float:
    """Return the median of the ratios round by round."""
    return statistics.median(other / own for other, own in zip(theirs, ours, strict=True))


if __name__ == "__main__":
    main()
