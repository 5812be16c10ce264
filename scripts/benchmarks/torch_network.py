"""The networks of sayso in PyTorch, layer by layer and with the same weights, for comparison.

Activations have the shape that PyTorch's convolutions expect: (batch, channels, time).
"""

from typing import Any

import numpy as np
import torch

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
from sayso.nn.parameters import Shape, Views
from sayso.nn.spectrum import cosines

# PyTorch's names of the parameters of a layer.
NAMES = {
    "weight": "weight",
    "bias": "bias",
    "scale": "weight",
    "shift": "bias",
    "mean": "running_mean",
    "variance": "running_var",
}


class Flattened(torch.nn.Module):  # type: ignore[misc,unused-ignore]
    """Concatenates the frames of each clip; input that is stored frame by frame is not copied."""

    def forward(self, x: Any) -> Any:
        """Go from (batch, channels, time) to (batch, time x channels)."""
        return x.transpose(1, 2).flatten(1)


class Pooled(torch.nn.Module):  # type: ignore[misc,unused-ignore]
    """Mean and standard deviation over time."""

    def __init__(self, epsilon: float) -> None:
        super().__init__()
        self.epsilon = epsilon

    def forward(self, x: Any) -> Any:
        """Go from (batch, channels, time) to (batch, 2 x channels)."""
        variance, mean = torch.var_mean(x, dim=2, correction=0)
        return torch.cat([mean, torch.sqrt(variance + self.epsilon)], dim=1)


class Cosines(torch.nn.Module):  # type: ignore[misc,unused-ignore]
    """The spectrogram that cepstral coefficients describe."""

    def __init__(self, coefficients: int) -> None:
        super().__init__()
        self.register_buffer("bands", torch.tensor(cosines(coefficients, np.dtype(np.float32)).T), False)

    def forward(self, x: Any) -> Any:
        """Go from (batch, coefficients, time) to (batch, 1, bands, time)."""
        return (self.bands @ x)[:, None]


class Merged(torch.nn.Module):  # type: ignore[misc,unused-ignore]
    """Merges the last classes into another one."""

    def __init__(self, into: int, parts: int) -> None:
        super().__init__()
        self.into = into
        self.parts = parts

    def forward(self, x: Any) -> Any:
        """Go from (batch, classes + parts) to (batch, classes)."""
        before, own, after, parts = torch.split(
            x, [self.into, 1, x.shape[1] - self.into - 1 - self.parts, self.parts], dim=1
        )
        whole = torch.logsumexp(torch.cat([own, parts], dim=1), dim=1, keepdim=True)
        return torch.cat([before, whole, after], dim=1)


class Sum(torch.nn.Module):  # type: ignore[misc,unused-ignore]
    """The sum of two branches."""

    def __init__(self, layers: Any, shortcut: Any) -> None:
        super().__init__()
        self.layers = layers
        self.shortcut = shortcut

    def forward(self, x: Any) -> Any:
        """Compute both and add them."""
        return self.layers(x) + self.shortcut(x)


def torch_network(network: Network) -> Any:
    """Return a module that computes the same logits from examples of shape (batch, channels, time)."""
    return _sequence(network.chain, network.parameters.values, network.input_shape[::-1])


def _sequence(chain: Chain, values: Views, inputs: Shape) -> Any:
    shapes = chain.shapes(inputs)[:-1]
    parts = zip(chain.layers, chain.names, shapes, strict=True)
    return torch.nn.Sequential(*(_module(layer, values[name], shape) for layer, name, shape in parts))


def _module(layer: Layer, values: Views, inputs: Shape) -> Any:
    """Return the module that is equivalent to a layer, with its weights."""
    if isinstance(layer, Residual):
        branches = {"layers": Chain(layer.layers), "shortcut": Chain(layer.shortcut)}
        return Sum(**{name: _sequence(branch, values[name], inputs) for name, branch in branches.items()})
    module = _blank(layer, inputs)
    state = module.state_dict()
    for name, value in values.items():
        place = state[NAMES[name]]
        place.copy_(torch.from_numpy(value).reshape(place.shape))
    return module


def _blank(layer: Layer, shape: Shape) -> Any:
    """Return the module for a layer with inputs of that shape, without its weights."""
    inputs = shape[0]
    match layer:
        case Convolution2d():
            return torch.nn.Conv2d(
                inputs,
                layer.channels,
                (layer.band_kernel, layer.kernel),
                (layer.band_stride, layer.stride),
                (0, layer.padding),
                (1, layer.dilation),
                bias=layer.bias,
            )
        case Convolution():
            return torch.nn.Conv1d(
                inputs, layer.channels, layer.kernel, layer.stride, layer.padding, layer.dilation, bias=layer.bias
            )
        case DepthwiseConvolution():
            return torch.nn.Conv1d(
                inputs, inputs, layer.kernel, layer.stride, layer.padding, layer.dilation, groups=inputs, bias=False
            )
        case Pointwise():
            return torch.nn.Conv1d(inputs, layer.units, 1, bias=layer.bias)
        case Dense():
            return torch.nn.Linear(inputs, layer.units, bias=layer.bias)
        case BatchNorm():
            kind = torch.nn.BatchNorm2d if len(shape) == 3 else torch.nn.BatchNorm1d
            return kind(inputs, layer.epsilon)
        case ReLU():
            return torch.nn.ReLU()
        case Tanh():
            return torch.nn.Tanh()
        case Dropout():
            return torch.nn.Dropout(layer.rate)
        case Flatten():
            return Flattened()
        case StatisticsPooling():
            return Pooled(layer.epsilon)
        case Spectrum():
            return Cosines(inputs)
        case Stack():
            return torch.nn.Flatten(1, 2)
        case Merging():
            return Merged(layer.into, layer.parts)
    raise SystemExit(f"error: torch_network.py knows no PyTorch module for {layer}; add one to _blank")
