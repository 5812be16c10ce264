"""A network of sayso as an ONNX graph, to time ONNX Runtime on it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

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

FloatArray = NDArray[np.float32]
# The last of the ONNX operators in which ReduceMean takes its axes as an attribute.
OPERATORS = 17


def onnx_session(network: Network) -> Any:
    """Return a session of ONNX Runtime with one thread, for a network."""
    import onnxruntime  # type: ignore[import-not-found,unused-ignore]

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    graph = Graph().model(network).SerializeToString()
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


class Graph:
    """Builds an ONNX graph layer by layer, with activations of shape (1, channels, time)."""

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
        # The oldest format that supports the operators, for older runtimes.
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
        """Add the inference of a layer for an example of that shape."""
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
        raise SystemExit(f"error: onnx_network.py knows no ONNX operator for {layer}; add one to Graph")

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
