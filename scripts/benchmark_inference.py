"""Times recognition of one second of sound, features and network together, with one thread on one core.

sayso's recogniser is timed against ONNX Runtime, where it is installed: the same features, then the same network as an
ONNX graph. It is checked first that both compute the same logits. Both take turns in blocks of calls. Then `sayso
classify` is run on one file, and its wall time and peak memory are measured.

Example: python scripts/benchmark_inference.py --model dense
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
from sayso.features.mfcc import MfccExtractor
from sayso.model import model_file, shipped
from sayso.model.model_file import Model
from sayso.nn import (
    BatchNorm,
    Chain,
    Convolution,
    Convolution2d,
    Dense,
    DepthwiseConvolution,
    Dropout,
    Flatten,
    Layer,
    Merging,
    Network,
    Pointwise,
    ReLU,
    Residual,
    Spectrum,
    Stack,
    StatisticsPooling,
    Tanh,
)
from sayso.nn.convolution import TimeWindow
from sayso.nn.parameters import Shape, Views
from sayso.nn.spectrum import cosines
from sayso.recognition.recognizer import Recognizer
from sayso.system.memory import keep_freed_memory

FloatArray = NDArray[np.float32]
Contender = Callable[[FloatArray], Any]

# Different clips, so that no contender finds all its numbers in the cache.
CLIPS = 32
# Of the largest logit.
TOLERANCE = 1e-4
# Runs of `sayso classify`.
STARTS = 5
# The last of the ONNX operators in which ReduceMean takes its axes as an attribute.
OPERATORS = 17


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
    print(f"{arguments.model}, one second of sound, one thread: microseconds a call, and times sayso's")
    print(f"{'':26}{'median':>9}{'p99':>9}{'ratio':>8}")
    for name, row in figures.items():
        print(f"  {name:24}{row['median_us']:9.0f}{row['p99_us']:9.0f}{row['ratio']:8.2f}")
    run = classify(arguments.model, clips[0, 0], model.features.sample_rate)
    print(f"sayso classify, one file: {run.seconds:.2f} s, {run.megabytes:.0f} MB at its peak")
    save({"model": arguments.model, "contenders": figures, "classify": run._asdict()}, arguments.json)


def contenders(model: Model, clips: FloatArray) -> dict[str, Contender]:
    """Return what takes part by name, after checking that all compute the same logits."""
    recognizer = Recognizer(model)
    extractor = MfccExtractor(model.features, model.tables)
    found: dict[str, Contender] = {"sayso": recognizer.probabilities, "sayso, features alone": extractor}
    if not (importlib.util.find_spec("onnx") and importlib.util.find_spec("onnxruntime")):
        print("onnx and onnxruntime are not both installed; sayso is timed alone")
        return found
    # As it was trained: ONNX Runtime folds the batch normalisation into the weights by itself.
    network = model.network
    session = onnx_session(network)

    def features(clip: FloatArray) -> FloatArray:
        return model.standardizer.apply(extractor(clip))

    expected = np.concatenate([network.logits(features(clip)) for clip in clips])
    logits = np.concatenate([session.run(["logits"], {"features": features(clip)})[0] for clip in clips])
    difference = float(np.abs(logits - expected).max() / np.abs(expected).max())
    print(f"ONNX Runtime's logits differ from sayso's by {difference:.1e} of the largest")
    if not difference < TOLERANCE:
        raise SystemExit(f"error: expected less than {TOLERANCE:.0e}; the graph is not that of the network")
    found["ONNX Runtime"] = lambda clip: session.run(["probabilities"], {"features": features(clip)})
    return found


def onnx_session(network: Network) -> Any:
    """Return a session of ONNX Runtime with one thread, for a network."""
    import onnxruntime  # type: ignore[import-not-found,unused-ignore]

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    graph = Graph().model(network).SerializeToString()
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


class Graph:
    """An ONNX graph that grows layer by layer, with activations of shape (1, channels, time)."""

    def __init__(self) -> None:
        import onnx  # type: ignore[import-not-found,unused-ignore]

        self._onnx = onnx
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def model(self, network: Network) -> Any:
        """Return a whole network, from features of shape (1, time, channels) to logits and probabilities."""
        helper, number = self._onnx.helper, self._onnx.TensorProto.FLOAT
        x = self._add("Transpose", "features", perm=[0, 2, 1])
        x = self._chain(network.chain, network.parameters.values, x, network.input_shape[::-1])
        self._nodes.append(helper.make_node("Identity", [x], ["logits"]))
        self._nodes.append(helper.make_node("Softmax", [x], ["probabilities"]))
        graph = helper.make_graph(
            self._nodes,
            "sayso",
            [helper.make_tensor_value_info("features", number, (1, *network.input_shape))],
            [helper.make_tensor_value_info(name, number, (1, network.classes)) for name in ("logits", "probabilities")],
            self._constants,
        )
        # As old a format as goes with the operators, for older runtimes.
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPERATORS)], ir_version=8)

    def _add(self, operator: str, *inputs: str | NDArray[Any], **attributes: Any) -> str:
        """Add a node whose inputs are outputs of others, by name, or constants; return the name of its output."""
        names = [each if isinstance(each, str) else self._constant(each) for each in inputs]
        output = f"{operator} {len(self._nodes)}"
        self._nodes.append(self._onnx.helper.make_node(operator, names, [output], **attributes))
        return output

    def _constant(self, array: NDArray[Any]) -> str:
        name = f"constant {len(self._constants)}"
        self._constants.append(self._onnx.numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def _chain(self, chain: Chain, values: Views, x: str, shape: Shape) -> str:
        for layer, name, taken in zip(chain.layers, chain.names, chain.shapes(shape), strict=False):
            x = self._layer(layer, values[name], x, taken)
        return x

    def _layer(self, layer: Layer, values: Views, x: str, shape: Shape) -> str:
        """Add what a layer computes in inference from an example of that shape."""
        bias = [values["bias"].ravel()] if "bias" in values else []
        match layer:
            case Residual():
                branches = {"layers": Chain(layer.layers), "shortcut": Chain(layer.shortcut)}
                return self._add(
                    "Add", *(self._chain(chain, values[name], x, shape) for name, chain in branches.items())
                )
            case Convolution2d():
                window = {
                    "strides": [layer.band_stride, layer.stride],
                    "dilations": [1, layer.dilation],
                    "pads": [0, layer.padding] * 2,
                }
                return self._add("Conv", x, values["weight"], *bias, **window)
            case Convolution():
                return self._add("Conv", x, values["weight"], *bias, **_window(layer))
            case DepthwiseConvolution():
                weight = values["weight"][:, None]
                return self._add("Conv", x, weight, group=len(weight), **_window(layer))
            case Pointwise():
                return self._add("Conv", x, values["weight"][:, :, None], *bias)
            case Dense():
                return self._add("Gemm", x, values["weight"], *bias, transB=1)
            case BatchNorm():
                parts = [values[name].ravel() for name in ("scale", "shift", "mean", "variance")]
                return self._add("BatchNormalization", x, *parts, epsilon=layer.epsilon)
            case Dropout():
                return x
            case ReLU():
                return self._add("Relu", x)
            case Tanh():
                return self._add("Tanh", x)
            case Flatten():
                return self._add("Flatten", self._add("Transpose", x, perm=[0, 2, 1]))
            case StatisticsPooling():
                mean = self._add("ReduceMean", x, axes=[2])
                centred = self._add("Sub", x, mean)
                variance = self._add("ReduceMean", self._add("Mul", centred, centred), axes=[2])
                deviation = self._add("Sqrt", self._add("Add", variance, np.full(1, layer.epsilon, np.float32)))
                return self._add("Flatten", self._add("Concat", mean, deviation, axis=1))
            case Spectrum():
                bands = cosines(shape[0], np.dtype(np.float32)).T
                return self._add("Unsqueeze", self._add("MatMul", bands, x), np.array([1], np.int64))
            case Stack():
                return self._add("Reshape", x, np.array([1, -1, shape[-1]], np.int64))
            case Merging():
                return self._merged(layer, x)
        raise SystemExit(f"error: benchmark_inference.py knows no ONNX operator for {layer}; add one to Graph")

    def _merged(self, layer: Merging, x: str) -> str:
        """Add up the probabilities of a class and of its parts."""
        before, own, after, parts = (
            self._add("Slice", x, *(np.array([number], np.int64) for number in (start, end, 1)))
            for start, end in (
                (0, layer.into),
                (layer.into, layer.into + 1),
                (layer.into + 1, -layer.parts),
                (-layer.parts, np.iinfo(np.int64).max),
            )
        )
        whole = self._add("ReduceLogSumExp", self._add("Concat", own, parts, axis=1), axes=[1])
        return self._add("Concat", before, whole, after, axis=1)


def _window(layer: TimeWindow) -> dict[str, list[int]]:
    return {"strides": [layer.stride], "dilations": [layer.dilation], "pads": [layer.padding] * 2}


def take_turns(
    contenders: dict[str, Contender], clips: FloatArray, blocks: int, calls: int
) -> dict[str, list[list[float]]]:
    """Measure the seconds of each contender's calls, block by block; calls that warm up come before each block."""
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
    """Return each contender's median and 99th percentile, and the ratio of its blocks' medians to sayso's."""
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
