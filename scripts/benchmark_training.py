"""Times training of one multi-layer perceptron by heed, scikit-learn and, where it is installed, PyTorch.

All take turns in one process with equally many threads: 1960-512-512-512-12, ReLU, Adam, float32.
"""

import argparse
import itertools
import json
import statistics
import time
import warnings
from collections.abc import Callable
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
# The thread pools of BLAS and of PyTorch go on spinning for a while after their work, and would slow down whoever is next.
PAUSE = 0.5


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

    rng = np.random.default_rng(0)
    x = rng.standard_normal((arguments.samples, FEATURES), dtype=np.float32)
    labels = rng.integers(CLASSES, size=arguments.samples)
    results = []
    with threadpool_limits(arguments.threads):
        for batch in arguments.batches:
            contenders = {"heed": heed_epoch(x, labels, batch), "scikit-learn": sklearn_epoch(x, labels, batch)}
            contenders |= torch_epochs(x, labels, batch, arguments.threads)
            seconds = take_turns(contenders, arguments.repeat)
            speeds = {name: arguments.samples / statistics.median(times) for name, times in seconds.items()}
            ratios = {name: ratio(seconds[name], seconds["heed"]) for name in contenders}
            results.append(
                {"batch": batch, "threads": arguments.threads, "samples_per_second": speeds, "heed_ratio": ratios}
            )
            print(f"batch {batch}, {arguments.threads} threads: samples a second, and how many times as fast heed is")
            for name, speed in speeds.items():
                print(f"  {name:<22} {speed:>8,.0f}   {ratios[name]:5.2f}")
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


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


def torch_epochs(x: FloatArray, labels: Labels, batch: int, threads: int) -> dict[str, Epoch]:
    """Return PyTorch's epochs in eager mode, with its usual Adam and with the fused one, or none without PyTorch."""
    try:
        import torch
    except ImportError:
        print("PyTorch is not installed and does not take part")
        return {}
    torch.set_num_threads(threads)
    inputs, targets = torch.from_numpy(x), torch.from_numpy(labels)

    def contender(fused: bool) -> Epoch:
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

    return {"PyTorch": contender(fused=False), "PyTorch, fused Adam": contender(fused=True)}


def take_turns(contenders: dict[str, Epoch], repeat: int) -> dict[str, list[float]]:
    """Time every contender once in each round, so that a change of the machine's speed meets all alike."""
    for epoch in contenders.values():
        epoch()
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(repeat):
        for name, epoch in contenders.items():
            time.sleep(PAUSE)
            start = time.perf_counter()
            epoch()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def ratio(theirs: list[float], ours: list[float]) -> float:
    """Return the median of the ratios round by round."""
    return statistics.median(other / own for other, own in zip(theirs, ours, strict=True))


if __name__ == "__main__":
    main()
