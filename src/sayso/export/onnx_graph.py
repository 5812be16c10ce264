"""An ONNX graph from the samples of a window to the probabilities of the labels.

It uses only operators that every runtime has had since 2020 (version 13): the Fourier transform is four small matrix
products, and the high-pass a sum over blocks of samples. Every value of the network has the shape (batch, channels,
frames, bands).
"""

import json
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sayso.errors import ExportError
from sayso.export.exported import Exported
from sayso.export.front_end import FrontEnd, HighPass
from sayso.export.operations import (
    Add,
    Convolve,
    ConvolveDepthwise,
    Merge,
    Operation,
    Pool,
    Rectify,
    Reshape,
    Scale,
    TakeTanh,
)
from sayso.export.quantization import quantized

OPERATORS, FORMAT = 13, 7
# Names of two values within a graph: the input of the network, and its output before the probabilities.
FEATURES, LOGITS = "features", "logits"
# What a block of the high-pass passes on to later ones is neglected where it has fallen to this.
NEGLIGIBLE = 1e-9


def write(exported: Exported) -> bytes:
    """Return the content of an ONNX file.

    Its input `samples` has the shape (batch, window_samples): sound at the model's rate with full scale at ±1. Its
    output `probabilities` has the shape (batch, labels). The metadata hold the labels, the settings and the licence.

    Raises
    ------
    ExportError
        If the package onnx is not installed.
    """
    try:
        import onnx
    except ImportError as error:
        raise ExportError('an ONNX file needs the package onnx: pip install "sayso[onnx]"') from error
    builder = _Graph(onnx, exported.int8)
    front_end = exported.front_end
    value = builder.front_end(front_end, exported.operations[0].taken)
    values = [value]
    for operation in exported.operations:
        values.append(builder.operation(operation, [values[number] for number in operation.inputs]))
    labels = len(exported.model.labels)
    logits = builder.reshaped(values[-1], (labels,), output=LOGITS)
    builder.nodes.append(onnx.helper.make_node("Softmax", [logits], ["probabilities"], axis=1))
    number = onnx.TensorProto.FLOAT
    graph = onnx.helper.make_graph(
        builder.nodes,
        "sayso",
        [onnx.helper.make_tensor_value_info("samples", number, ("batch", front_end.samples))],
        [onnx.helper.make_tensor_value_info("probabilities", number, ("batch", labels))],
        builder.constants,
    )
    facts = exported.facts
    model = onnx.helper.make_model(
        graph,
        opset_imports=[onnx.helper.make_opsetid("", OPERATORS)],
        ir_version=FORMAT,
        producer_name="sayso",
        producer_version=facts["made_by"].split()[-1],
    )
    onnx.helper.set_model_props(
        model, {name: fact if isinstance(fact, str) else json.dumps(fact) for name, fact in facts.items()}
    )
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())


class _Graph:
    """Collects the nodes of a graph and their constants.

    Parameters
    ----------
    onnx : module
        The package.
    int8 : bool
        Whether the weights of the network are stored as integers.
    """

    def __init__(self, onnx: Any, int8: bool) -> None:
        self._onnx, self._int8 = onnx, int8
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def add(self, operator: str, *inputs: str | NDArray[Any], output: str | None = None, **attributes: Any) -> str:
        """Add a node whose inputs are outputs of others, by name, or constants; return the name of its output."""
        names = [each if isinstance(each, str) else self._constant(each) for each in inputs]
        output = output or f"{operator.lower()}_{len(self.nodes) + 1}"
        self.nodes.append(self._onnx.helper.make_node(operator, names, [output], **attributes))
        return output

    def reshaped(self, value: str, shape: tuple[int, ...], output: str | None = None) -> str:
        """Change the shape of each example of a batch."""
        return self.add("Reshape", value, np.array([0 if len(shape) > 1 else -1, *shape], np.int64), output=output)

    def _constant(self, array: NDArray[Any]) -> str:
        name = f"constant_{len(self.constants) + 1}"
        self.constants.append(self._onnx.numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def front_end(self, front_end: FrontEnd, shape: tuple[int, int, int]) -> str:
        """Compute the input of the network from the samples."""
        fft_size, hop, frames = front_end.fft_size, front_end.hop, front_end.frames
        # Samples in blocks, of which each frame has a whole number.
        block = math.gcd(hop, fft_size)
        used = (frames - 1) * hop + fft_size
        samples = self._sliced("samples", 1, 0, used)
        if front_end.high_pass:
            samples = self.add("Sub", samples, self._sliced("samples", 1, 0, 1))
        blocks = self.reshaped(samples, (used // block, block))
        if front_end.high_pass:
            blocks = self._filtered(blocks, front_end.high_pass, used // block, block)
        numbers = np.arange(frames)[:, None] * (hop // block) + np.arange(fft_size // block)
        framed = self.add("Gather", blocks, numbers, axis=1)
        energies = self._energies(framed, front_end)
        logarithms = self.add("Log", self.add("Max", energies, np.array(front_end.floor, np.float32)))
        features = self.add("Add", self.add("MatMul", logarithms, front_end.matrix.T), front_end.offset)
        return self.add("Transpose", self.reshaped(features, shape), perm=[0, 2, 1, 3], output=FEATURES)

    def _filtered(self, blocks: str, high_pass: HighPass, count: int, length: int) -> str:
        """Apply the high-pass to blocks of samples, whose first one is zero.

        Within a block the output is a product with a triangular matrix of the impulse response. What earlier blocks add
        depends on the state at its beginning, to which each of them contributes two numbers.
        """
        powers = [np.eye(2)]
        for _ in range(length):
            powers.append(high_pass.transition @ powers[-1])
        response = [high_pass.direct, *(high_pass.output @ power @ high_pass.input for power in powers[:-1])]
        within = np.array([[response[j - i] if j >= i else 0 for j in range(length)] for i in range(length)])
        passed_on = np.stack([power @ high_pass.input for power in powers[-2::-1]])
        received = np.stack([high_pass.output @ power for power in powers[:-1]], axis=1)
        taps = [powers[0]]
        while len(taps) < count and np.abs(taps[-1]).max() > NEGLIGIBLE:
            taps.append(powers[length] @ taps[-1])
        own = self.add("MatMul", blocks, within.astype(np.float32))
        states = self.add("MatMul", blocks, passed_on.astype(np.float32))
        states = self.add("Transpose", states, perm=[0, 2, 1])
        kernel = np.stack(taps[::-1], axis=-1).astype(np.float32)
        # The padding also delays by one block.
        states = self._sliced(self.add("Conv", states, kernel, pads=[len(taps), 0]), 2, 0, count)
        states = self.add("Transpose", states, perm=[0, 2, 1])
        return self.add("Add", own, self.add("MatMul", states, received.astype(np.float32)))

    def _energies(self, framed: str, front_end: FrontEnd) -> str:
        """Compute the mel energies of frames, by a Fourier transform in two stages.

        With n = n1 N2 + n2 and k = k1 + N1 k2, the transform of N = N1 N2 samples consists of transforms of N1 samples
        over n1, rotations by n2 k1 / N, and transforms of N2 samples over n2 (J. Cooley and J. Tukey, 1965).
        """
        size, frames = front_end.fft_size, front_end.frames
        first = max(each for each in range(1, math.isqrt(size) + 1) if size % each == 0)
        second = size // first
        # Of the N2 values of k2, those up to half the sample rate.
        kept = second // 2 + 1
        windowed = self.add("Mul", self.reshaped(framed, (frames, size)), front_end.window)
        samples = self.reshaped(windowed, (frames, first, second))

        def wave(rows: int, columns: int, period: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
            angles = 2 * math.pi * (np.outer(np.arange(rows), np.arange(columns)) % period) / period
            return np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)

        cosine, sine = wave(first, first, first)
        real, imaginary = self.add("MatMul", cosine, samples), self.add("MatMul", -sine, samples)
        real, imaginary = self._turned("Mul", real, imaginary, *wave(first, second, size))
        real, imaginary = self._turned("MatMul", real, imaginary, *wave(second, kept, second))
        powers = self.add("Add", self.add("Mul", real, real), self.add("Mul", imaginary, imaginary))
        bins = np.arange(first)[:, None] + first * np.arange(kept)
        # Bins above half the sample rate count nothing.
        padded = np.pad(front_end.mel, ((0, 0), (0, int(bins.max()) + 1 - front_end.mel.shape[1])))
        filters = padded[:, bins.ravel()].T
        return self.add("MatMul", self.reshaped(powers, (frames, bins.size)), filters)

    def _turned(
        self, operator: str, real: str, imaginary: str, cosine: NDArray[Any], sine: NDArray[Any]
    ) -> tuple[str, str]:
        """Multiply complex numbers, elementwise or as matrices, by cosine - i sine."""
        return (
            self.add("Add", self.add(operator, real, cosine), self.add(operator, imaginary, sine)),
            self.add("Sub", self.add(operator, imaginary, cosine), self.add(operator, real, sine)),
        )

    def _sliced(self, value: str, axis: int, start: int, end: int) -> str:
        return self.add("Slice", value, *(np.array([number], np.int64) for number in (start, end, axis)))

    def _weight(self, weight: NDArray[np.float32]) -> str | NDArray[np.float32]:
        """Return the weights, or a node that makes them from integers; the outputs are the first axis."""
        if not self._int8:
            return weight
        integers, scales = quantized(weight)
        return self.add("DequantizeLinear", integers, scales, np.zeros(len(scales), np.int8), axis=0)

    def operation(self, operation: Operation, values: list[str]) -> str:
        """Add the nodes of an operation; return the name of its output."""
        match operation:
            case Convolve():
                return self.add(
                    "Conv",
                    *values,
                    self._weight(operation.weight.transpose(0, 2, 1, 3)),
                    operation.bias,
                    strides=[operation.stride, operation.band_stride],
                    dilations=[operation.dilation, 1],
                    pads=[operation.padding, 0, operation.padding, 0],
                )
            case ConvolveDepthwise():
                return self.add(
                    "Conv",
                    *values,
                    self._weight(operation.weight.T[:, None, :, None]),
                    group=operation.weight.shape[1],
                    strides=[operation.stride, 1],
                    dilations=[operation.dilation, 1],
                    pads=[operation.padding, 0, operation.padding, 0],
                )
            case Scale():
                scaled = self.add("Mul", *values, operation.gain[:, None, None])
                return self.add("Add", scaled, operation.shift[:, None, None])
            case Rectify():
                return self.add("Relu", *values)
            case TakeTanh():
                return self.add("Tanh", *values)
            case Add():
                return self.add("Add", *values)
            case Pool():
                mean = self.add("ReduceMean", *values, axes=[2])
                centred = self.add("Sub", *values, mean)
                variance = self.add("ReduceMean", self.add("Mul", centred, centred), axes=[2])
                deviation = self.add("Sqrt", self.add("Add", variance, np.array(operation.epsilon, np.float32)))
                return self.add("Concat", mean, deviation, axis=1)
            case Merge():
                return self._merged(operation, *values)
            case Reshape():
                in_order = self.add("Transpose", *values, perm=[0, 2, 1, 3])
                return self.add("Transpose", self.reshaped(in_order, operation.shape), perm=[0, 2, 1, 3])
        raise AssertionError(f"there is no ONNX operator here for a {type(operation).__name__}, which `lowered` makes")

    def _merged(self, merge: Merge, logits: str) -> str:
        kept = merge.shape[1]
        own, parts = self._sliced(logits, 1, merge.into, merge.into + 1), self._sliced(logits, 1, kept, merge.taken[1])
        members = self.add("Concat", own, parts, axis=1)
        whole = self.add("ReduceLogSumExp", members, axes=[1])
        pieces = [(0, merge.into), (merge.into + 1, kept)]
        before, after = ([self._sliced(logits, 1, *piece)] if piece[0] < piece[1] else [] for piece in pieces)
        return self.add("Concat", *before, whole, *after, axis=1)
