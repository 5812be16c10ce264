"""Benchmark of training one network with sayso and, if it is installed, with PyTorch in eager mode.

The network is that of a recipe, trained with its settings (shards, dropout, label smoothing, weight decay), or "mlp":
1960-512-512-512-12, ReLU, without any of these, which is also trained with scikit-learn. The optimiser is AdamW.

All take turns in float32, with the same number of threads and cores. Each has its own process, so that idle threads and
memory of one library do not affect another; all keep freed memory, as a training with sayso does. The network is the
same layer by layer; a check that both compute the same logits comes first.

Example: python scripts/benchmarks/training.py --network commands --batches 128 --threads 1
"""

import contextlib
import importlib.util
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

from benchmarking import parser, pin, ratio, save, settings_of
from sayso.config import Settings, TrainingSettings
from sayso.errors import SaysoError
from sayso.nn import AdamW, Constant, DenseArchitecture, Flatten, Network
from sayso.nn.trainer import Trainer
from sayso.system.memory import keep_freed_memory

FloatArray = NDArray[np.float32]
Labels = NDArray[np.int64]
Epoch = Callable[[], Any]

HIDDEN, CLASSES = (512, 512, 512), 12
MLP = Settings(
    network=DenseArchitecture(HIDDEN, batch_norm=False, dropout=0.0),
    training=TrainingSettings(shard_size=0, label_smoothing=0.0, weight_decay=0.0),
)
RATE = 1e-4
# Long enough for the threads of a library to become idle.
PAUSE = 0.3
# Largest difference of logits, relative to the largest logit.
TOLERANCE = 1e-6

# The epoch of the contender in this process.
epochs: list[Epoch] = []


def main() -> None:
    """Run the benchmark and print its table."""
    options = parser(__doc__)
    options.add_argument("--network", default="mlp", help="mlp, or a recipe: its name or file (default: %(default)s)")
    options.add_argument("--samples", type=int, default=8192, help="examples in an epoch (default: %(default)s)")
    options.add_argument(
        "--batches", type=int, nargs="+", default=[32, 128, 512], help="batch sizes (default: %(default)s)"
    )
    options.add_argument("--threads", type=int, default=2, help="threads, and cores, of each (default: %(default)s)")
    options.add_argument("--repeat", type=int, default=7, help="epochs of each contender (default: %(default)s)")
    arguments = options.parse_args()

    settings = MLP if arguments.network == "mlp" else settings_of(arguments.network)
    pin(arguments.threads)
    names = ["sayso"] + ["scikit-learn"] * (settings is MLP)
    if importlib.util.find_spec("torch"):
        names += ["PyTorch", "PyTorch, fused AdamW"]
        with process() as pool:
            difference = pool.submit(largest_difference, settings).result()
        print(f"PyTorch's logits differ from sayso's by {difference:.1e} of the largest")
        if not difference < TOLERANCE:
            raise SystemExit(f"error: expected less than {TOLERANCE:.0e}; torch_network.py builds another network")
    else:
        print("PyTorch is not installed and is left out")

    results = []
    for batch in arguments.batches:
        with contextlib.ExitStack() as stack:
            contenders = {
                name: stack.enter_context(process(enter, name, settings, arguments.samples, batch, arguments.threads))
                for name in names
            }
            seconds = take_turns(contenders, arguments.repeat)
        speeds = {name: arguments.samples / statistics.median(times) for name, times in seconds.items()}
        ratios = {name: ratio(times, seconds["sayso"]) for name, times in seconds.items()}
        results.append(
            {
                "network": arguments.network,
                "batch": batch,
                "threads": arguments.threads,
                "samples_per_second": speeds,
                "ratios": ratios,
            }
        )
        print(
            f"{arguments.network}, batch {batch}, threads {arguments.threads}: samples per second, and how many times "
            "as fast sayso is"
        )
        for name, speed in speeds.items():
            print(f"  {name:<22} {speed:>8,.0f}   {ratios[name]:5.2f}")
    save(results, arguments.json)


def process(start: Callable[..., None] | None = None, *arguments: Any) -> ProcessPoolExecutor:
    """Return a new process for tasks, which calls `start` first."""
    return ProcessPoolExecutor(1, get_context("spawn"), start, arguments)


def enter(name: str, settings: Settings, samples: int, batch: int, threads: int) -> None:
    """Make this the process of one contender, and warm it up."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((samples, settings.features.frames, settings.features.width), dtype=np.float32)
    labels = rng.integers(CLASSES, size=samples)
    threadpool_limits(threads)
    keep_freed_memory()
    makers: dict[str, Callable[[], Epoch]] = {
        "sayso": lambda: sayso_epoch(settings, x, labels, batch),
        "scikit-learn": lambda: sklearn_epoch(x, labels, batch),
        "PyTorch": lambda: torch_epoch(settings, x, labels, batch, threads, fused=False),
        "PyTorch, fused AdamW": lambda: torch_epoch(settings, x, labels, batch, threads, fused=True),
    }
    epochs.append(makers[name]())
    epochs[0]()


def turn() -> float:
    """Time one epoch of the contender in this process, in seconds."""
    start = time.perf_counter()
    epochs[0]()
    return time.perf_counter() - start


def new_network(settings: Settings) -> Network:
    """Return the network with initial weights."""
    features = settings.features
    network = Network(settings.network.layers(CLASSES), (features.frames, features.width))
    return network.initialise(np.random.default_rng(0))


def sayso_epoch(settings: Settings, x: FloatArray, labels: Labels, batch: int) -> Epoch:
    """Return an epoch of sayso, with the trainer that every training uses.

    As in a training, a batch is split into shards on several cores, each with one BLAS thread; a batch without shards
    uses all BLAS threads.
    """
    rng, training = np.random.default_rng(0), settings.training
    trainer = Trainer(
        new_network(settings),
        AdamW(weight_decay=training.weight_decay),
        Constant(RATE),
        training.label_smoothing,
        shard_size=training.shard_size,
    )
    if training.shard_size:
        threadpool_limits(1, "blas")

    def epoch() -> None:
        order = rng.permutation(len(x))
        for start in range(0, len(x), batch):
            rows = order[start : start + batch]
            trainer.step(x[rows], labels[rows], 0.0, rng)

    return epoch


def sklearn_epoch(x: FloatArray, labels: Labels, batch: int) -> Epoch:
    """Return an epoch of the multi-layer perceptron of scikit-learn, which computes in float32 as well."""
    flat = x.reshape(len(x), -1)
    model = MLPClassifier(
        HIDDEN, alpha=0.0, batch_size=batch, learning_rate_init=RATE, max_iter=1, warm_start=True, random_state=0
    )

    def epoch() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(flat, labels)

    return epoch


def torch_epoch(settings: Settings, x: FloatArray, labels: Labels, batch: int, threads: int, fused: bool) -> Epoch:
    """Return an epoch of PyTorch in eager mode, with its default AdamW or the fused one."""
    import torch

    from torch_network import torch_network

    torch.set_num_threads(threads)
    network, training = new_network(settings), settings.training
    inputs, targets = torch.from_numpy(x).transpose(1, 2), torch.from_numpy(labels)
    # Convolutions are faster with channels first in memory, flattening with frames first.
    if not isinstance(network.chain.layers[0], Flatten):
        inputs = inputs.contiguous()
    model = torch_network(network).train()
    descent = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=training.weight_decay, fused=fused)
    loss = torch.nn.CrossEntropyLoss(label_smoothing=training.label_smoothing)

    def epoch() -> None:
        order = torch.randperm(len(inputs))
        for start in range(0, len(inputs), batch):
            rows = order[start : start + batch]
            descent.zero_grad()
            loss(model(inputs[rows]), targets[rows]).backward()
            descent.step()

    return epoch


def largest_difference(settings: Settings) -> float:
    """Return the largest difference between the logits of sayso and PyTorch, relative to the largest logit.

    Both compute in double precision; in single precision PyTorch's logits have a relative error of 1e-4.
    """
    import torch

    from torch_network import torch_network

    single = new_network(settings)
    rng, network = np.random.default_rng(0), Network(single.chain.layers, single.input_shape, np.float64)
    network.parameters.vector[:] = single.parameters.vector
    # Initial biases are 0 and variances 1, which would hide mistakes.
    parameters = network.parameters
    rest = parameters.vector[parameters.count("weight") :]
    rest[:] = rng.uniform(0.5, 1.5, rest.shape)
    x = rng.standard_normal((64, *network.input_shape))
    expected = network.logits(x)
    with torch.inference_mode():
        logits = torch_network(network).double().train(False)(torch.from_numpy(x).transpose(1, 2)).numpy()
    return float(np.abs(logits - expected).max() / np.abs(expected).max())


def take_turns(contenders: dict[str, ProcessPoolExecutor], repeat: int) -> dict[str, list[float]]:
    """Time every contender once in each round, so that changes in the speed of the machine affect all equally."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for pool in contenders.values():
        pool.submit(turn).result()
    for _ in range(repeat):
        for name, pool in contenders.items():
            seconds[name].append(pool.submit(turn).result())
            time.sleep(PAUSE)
    return seconds


if __name__ == "__main__":
    try:
        main()
    except SaysoError as error:
        sys.exit(f"error: {error}")
