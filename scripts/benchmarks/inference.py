"""Benchmark of recognition of one second of sound, features and network, with one thread on one core.

sayso is compared with ONNX Runtime, if it is installed, on the graph that `sayso export` writes, after a check that
both compute the same logits: the network of the graph alone, after sayso's own features, and the whole graph, which
computes the features itself, and the high-pass of the model, if it has one. They take turns in blocks of calls.
Finally `sayso classify` is run on one file, and its wall time and peak memory are measured.

Example: python scripts/benchmarks/inference.py --model dense
"""

import importlib.util
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from benchmarking import Run, measure, parser, pin, ratio, save
from sayso.errors import SaysoError
from sayso.export import onnx_graph
from sayso.export.exported import Exported
from sayso.features.mfcc import MfccExtractor
from sayso.model import model_file, shipped
from sayso.model.model_file import Model
from sayso.recognition.recognizer import Recognizer
from sayso.system.memory import keep_freed_memory

FloatArray = NDArray[np.float32]
Contender = Callable[[FloatArray], Any]

# Different clips, so that not all data is in the cache of the processor.
CLIPS = 32
# Largest difference of logits, relative to the largest logit.
TOLERANCE = 1e-4
# Runs of `sayso classify`.
STARTS = 5


def main() -> None:
    """Run the benchmark and print its table."""
    options = parser(__doc__)
    options.add_argument("--model", default=shipped.DEFAULT, help="a model's name or file (default: %(default)s)")
    options.add_argument("--blocks", type=int, default=15, help="turns of each contender (default: %(default)s)")
    options.add_argument("--calls", type=int, default=200, help="calls in one turn (default: %(default)s)")
    arguments = options.parse_args()

    pin(1)
    # As `sayso classify` and `sayso listen` do.
    keep_freed_memory()
    model = model_file.load(shipped.find(arguments.model))
    rng = np.random.default_rng(0)
    clips = rng.standard_normal((CLIPS, 1, model.features.clip_samples), dtype=np.float32) * np.float32(0.1)
    with threadpool_limits(1):
        seconds = take_turns(contenders(model, clips), clips, arguments.blocks, arguments.calls)
    figures = summary(seconds)
    print(f"{arguments.model}, one second of sound, one thread: microseconds per call, and ratio to sayso")
    print(f"{'':26}{'median':>9}{'p99':>9}{'ratio':>8}")
    for name, row in figures.items():
        print(f"  {name:24}{row['median_us']:9.0f}{row['p99_us']:9.0f}{row['ratio']:8.2f}")
    run = classify(arguments.model, clips[0, 0], model.features.sample_rate)
    print(f"sayso classify, one file: {run.seconds:.2f} s, {run.megabytes:.0f} MB peak memory")
    save({"model": arguments.model, "contenders": figures, "classify": run._asdict()}, arguments.json)


def contenders(model: Model, clips: FloatArray) -> dict[str, Contender]:
    """Return the contenders by name, after checking that all compute the same logits."""
    recognizer = Recognizer(model)
    extractor = MfccExtractor(model.features, model.tables)
    found: dict[str, Contender] = {"sayso": recognizer.probabilities, "sayso, features alone": extractor}
    if not (importlib.util.find_spec("onnx") and importlib.util.find_spec("onnxruntime")):
        print("onnx and onnxruntime are not both installed; only sayso is timed")
        return found
    import onnx

    exported = Exported.of(model, "benchmark", "not stated", int8=False)
    whole = onnx.shape_inference.infer_shapes(onnx.load_from_string(onnx_graph.write(exported)))
    shape = exported.operations[0].taken
    features_in, logits_out = onnx_graph.FEATURES, onnx_graph.LOGITS
    network = onnx.utils.Extractor(whole).extract_model([features_in], [logits_out, "probabilities"])
    alone, complete = (onnx_session(graph.SerializeToString()) for graph in (network, whole))
    front_end = exported.front_end

    def features(clip: FloatArray) -> FloatArray:
        # The exported matrix does what sayso does in two steps, so this costs the same.
        logarithms = np.log(np.maximum(extractor.energies(clip), np.float32(front_end.floor)))
        found = logarithms @ front_end.matrix.T + front_end.offset
        return found.reshape(1, *shape).transpose(0, 2, 1, 3)

    expected = np.concatenate([model.network.logits(model.standardizer.apply(extractor(clip))) for clip in clips])
    logits = np.concatenate([alone.run([logits_out], {features_in: features(clip)})[0] for clip in clips])
    difference = float(np.abs(logits - expected).max() / np.abs(expected).max())
    print(f"ONNX Runtime's logits differ from sayso's by {difference:.1e} of the largest")
    if not difference < TOLERANCE:
        raise SystemExit(f"error: expected less than {TOLERANCE:.0e}; the graph is not that of the network")
    found["ONNX Runtime"] = lambda clip: alone.run(["probabilities"], {features_in: features(clip)})
    found["ONNX Runtime, all of it"] = lambda clip: complete.run(["probabilities"], {"samples": clip})
    return found


def onnx_session(graph: bytes) -> Any:
    """Return a session of ONNX Runtime with one thread, for a graph."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def take_turns(
    contenders: dict[str, Contender], clips: FloatArray, blocks: int, calls: int
) -> dict[str, list[list[float]]]:
    """Time the calls of the contenders in turns, block by block, with warm-up calls before each block."""
    seconds: dict[str, list[list[float]]] = {name: [] for name in contenders}
    for _ in range(blocks):
        for name, contender in contenders.items():
            for clip in clips:
                contender(clip)
            block = []
            for call in range(calls):
                clip = clips[call % len(clips)]
                start = time.perf_counter()
                contender(clip)
                block.append(time.perf_counter() - start)
            seconds[name].append(block)
    return seconds


def summary(seconds: dict[str, list[list[float]]]) -> dict[str, dict[str, float]]:
    """Return median and 99th percentile of each contender, and the ratio of its block medians to those of sayso."""
    medians = {name: [statistics.median(block) for block in blocks] for name, blocks in seconds.items()}
    return {
        name: {
            "median_us": 1e6 * float(np.median(blocks)),
            "p99_us": 1e6 * float(np.percentile(blocks, 99)),
            "ratio": ratio(medians[name], medians["sayso"]),
        }
        for name, blocks in seconds.items()
    }


def classify(model: str, clip: FloatArray, sample_rate: int) -> Run:
    """Return the median seconds and the largest peak memory of `sayso classify` on one WAV file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.wav"
        soundfile.write(path, clip, sample_rate)
        runs = [
            measure([sys.executable, "-m", "sayso", "classify", str(path), "--model", model]) for _ in range(STARTS)
        ]
    return Run(statistics.median(run.seconds for run in runs), max(run.megabytes for run in runs))


if __name__ == "__main__":
    try:
        main()
    except SaysoError as error:
        sys.exit(f"error: {error}")
