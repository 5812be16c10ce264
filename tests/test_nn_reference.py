"""Agreement with an independent library: PyTorch's numbers, stored here, and computed again where it is installed.

The stored numbers come from `torch_reference(setup, 0)` below, in double precision, with PyTorch 2.13 for the dense
network and 2.14 for the tdnn. To compute them again: `PYTHONPATH=src python tests/test_nn_reference.py`.
"""

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.fft

from cases import case
from sayso.nn import (
    SGD,
    AdamW,
    BatchNorm,
    Constant,
    Convolution,
    Convolution2d,
    Dense,
    DepthwiseConvolution,
    Flatten,
    Layer,
    Merging,
    Network,
    Optimizer,
    Pointwise,
    ReLU,
    Residual,
    Spectrum,
    Stack,
    StatisticsPooling,
    Tanh,
    one_hot,
)
from sayso.nn.parameters import flatten
from sayso.nn.trainer import Trainer


@dataclass(frozen=True)
class Setup:
    """A network to compare, the shape of its input and the file of the stored numbers."""

    layers: tuple[Layer, ...]
    shape: tuple[int, int]
    file: str

    @property
    def stored(self) -> Path:
        return Path(__file__).parent / "data" / self.file


# A bias directly before a normalisation would have the gradient 0, so there is a nonlinearity in between or no bias.
SETUPS = {
    "dense": Setup(
        (BatchNorm(), Tanh(), Flatten(), Dense(10, bias=False), BatchNorm(), ReLU(), Dense(6), Tanh(), Dense(4)),
        shape=(5, 3),
        file="torch_reference.npz",
    ),
    "tdnn": Setup(
        (
            *(Convolution(channels=4, kernel=3, stride=2, dilation=2, padding=1), Tanh(), BatchNorm()),
            Residual((DepthwiseConvolution(kernel=3, dilation=2, padding=2), Pointwise(4), Tanh(), BatchNorm())),
            Tanh(),
            Residual(
                (DepthwiseConvolution(kernel=5, stride=2, padding=2), Pointwise(5, bias=False), BatchNorm()),
                (Convolution(channels=5, kernel=1, stride=2, bias=False), BatchNorm()),
            ),
            *(ReLU(), StatisticsPooling(epsilon=1e-3), Dense(4)),
        ),
        shape=(12, 3),
        file="torch_reference_tdnn.npz",
    ),
    "spectral": Setup(
        (
            *(Spectrum(), Convolution2d(channels=2, band_kernel=3, band_stride=2, kernel=3, padding=1), Tanh()),
            *(
                BatchNorm(),
                Convolution2d(channels=3, band_kernel=2, kernel=2, stride=2, dilation=2, bias=False),
                Tanh(),
            ),
            *(BatchNorm(), Stack(), Pointwise(3), StatisticsPooling(epsilon=1e-3), Dense(4)),
        ),
        shape=(8, 7),
        file="torch_reference_spectral.npz",
    ),
    "merging": Setup(
        (Flatten(), Dense(6), Tanh(), Dense(7), Merging(into=1, parts=3)),
        shape=(4, 2),
        file="torch_reference_merging.npz",
    ),
}
CLASSES, BATCH, STEPS = 4, 9, 10
SMOOTHING = 0.25  # with 4 classes, the targets are exact in single precision
RATES = {"sgd": 0.1, "adam": 0.01, "adamw": 0.01}
OPTIMIZERS: dict[str, Optimizer] = {"sgd": SGD(0.9), "adam": AdamW(), "adamw": AdamW(weight_decay=0.3)}


def build(setup: Setup, reference: dict[str, np.ndarray], dtype: type) -> Network:
    """Return our network with the reference's initial weights."""
    network = Network(setup.layers, setup.shape, dtype)
    for name, view in network.parameters.named().items():
        view[...] = reference[f"start.{name}"]
    return network


def torch_chain(layers: tuple[Layer, ...], shape: tuple[int, ...]) -> tuple[Any, dict[str, Any]]:
    """Build layers in PyTorch, in double precision, and return its tensors under our names.

    There the batch is the first axis: (batch, channels, time) or (batch, features); `shape` is that of an example.
    """
    import torch
    from torch import nn

    class Swap(nn.Module):
        """Exchange time and channels."""

        def forward(self, x: Any) -> Any:
            return x.transpose(1, 2)

    class Sum(nn.Module):
        """The sum of two branches."""

        def __init__(self, first: nn.Module, second: nn.Module) -> None:
            super().__init__()
            self.first, self.second = first, second

        def forward(self, x: Any) -> Any:
            return self.first(x) + self.second(x)

    class Statistics(nn.Module):
        """Mean and deviation over time."""

        def __init__(self, epsilon: float) -> None:
            super().__init__()
            self.epsilon = epsilon

        def forward(self, x: Any) -> Any:
            return torch.cat([x.mean(2), torch.sqrt(x.var(2, unbiased=False) + self.epsilon)], dim=1)

    class Merged(nn.Module):
        """The sum of the probabilities of a class and of its parts."""

        def __init__(self, into: int, parts: int) -> None:
            super().__init__()
            self.into, self.parts = into, parts

        def forward(self, x: Any) -> Any:
            shares = torch.softmax(x, dim=1)
            whole = shares[:, : -self.parts].clone()
            whole[:, self.into] += shares[:, -self.parts :].sum(dim=1)
            return torch.log(whole) + torch.logsumexp(x, dim=1, keepdim=True)

    class Cosines(nn.Module):
        """The spectrum that SciPy computes from weighted coefficients."""

        def __init__(self, count: int) -> None:
            super().__init__()
            lifter = np.diag(1 / np.arange(1, count + 1))
            self.cosines = torch.from_numpy(scipy.fft.idct(lifter, axis=0, norm="ortho"))

        def forward(self, x: Any) -> Any:
            return (self.cosines @ x)[:, None]

    def build(layer: Layer, shape: tuple[int, ...]) -> tuple[nn.Module, dict[str, Any]]:
        inputs = shape[0]
        module: nn.Module
        match layer:
            case ReLU():
                return nn.ReLU(), {}
            case Tanh():
                return nn.Tanh(), {}
            case Flatten():
                return nn.Sequential(Swap(), nn.Flatten()), {}
            case StatisticsPooling():
                return Statistics(layer.epsilon), {}
            case Spectrum():
                return Cosines(inputs), {}
            case Stack():
                return nn.Flatten(1, 2), {}
            case Merging():
                return Merged(layer.into, layer.parts), {}
            case Residual():
                (first, parts), (second, others) = (torch_chain(part, shape) for part in (layer.layers, layer.shortcut))
                names = {f"layers.{name}": tensor for name, tensor in parts.items()}
                return Sum(first, second), names | {f"shortcut.{name}": tensor for name, tensor in others.items()}
            case BatchNorm():
                kind = nn.BatchNorm2d if len(shape) == 3 else nn.BatchNorm1d
                module = kind(inputs, layer.epsilon).double()
                parts = {"scale": module.weight, "shift": module.bias}
                return module, parts | {"mean": module.running_mean, "variance": module.running_var}
            case Pointwise():
                module = nn.Conv1d(inputs, layer.units, 1, bias=layer.bias)
            case Dense():
                module = nn.Linear(inputs, layer.units, layer.bias)
            case Convolution2d():
                over_both = [
                    *((layer.band_kernel, layer.kernel), (layer.band_stride, layer.stride)),
                    *((0, layer.padding), (1, layer.dilation)),
                ]
                module = nn.Conv2d(inputs, layer.channels, *over_both, bias=layer.bias)
            case Convolution():
                window = (layer.kernel, layer.stride, layer.padding, layer.dilation)
                module = nn.Conv1d(inputs, layer.channels, *window, bias=layer.bias)
            case DepthwiseConvolution():
                window = (layer.kernel, layer.stride, layer.padding, layer.dilation)
                module = nn.Conv1d(inputs, inputs, *window, groups=inputs, bias=False)
        return module.double(), dict(module.named_parameters())

    modules, tensors = [], {}
    for position, layer in enumerate(layers):
        module, parts = build(layer, shape)
        modules.append(module)
        tensors |= {f"{position}.{type(layer).__name__}.{name}": tensor for name, tensor in parts.items()}
        shape = layer.output_shape(shape)
    return nn.Sequential(*modules), tensors


def torch_reference(setup: Setup, seed: int) -> dict[str, np.ndarray]:
    """Compute everything that is compared here with PyTorch.

    Returns
    -------
    reference : dict of ndarray
        "x", "labels": one batch per step. "start.NAME": initial parameters, in our names and shapes. "loss", "logits",
        "inference": of the first batch. "gradient.NAME": of the first batch.
        "OPTIMIZER.STEPS.NAME": parameters after that number of steps.
    """
    import torch
    from torch import nn

    torch.set_num_threads(1)  # on arrays this small, more threads only wait for each other
    rng = np.random.default_rng(seed)
    reference = {
        "x": rng.normal(1, 2, (STEPS, BATCH, *setup.shape)),
        "labels": rng.integers(CLASSES, size=(STEPS, BATCH)),
    }
    ours = Network(setup.layers, setup.shape, np.float64).parameters
    ours.vector[:] = rng.uniform(0.5, 1.5, len(ours.vector))
    for name, view in ours.named().items():
        if name.endswith("weight"):
            view[...] = rng.normal(0, 1 / np.sqrt(view[0].size), view.shape)
    reference |= {f"start.{name}": view.copy() for name, view in ours.named().items()}

    def model() -> tuple[nn.Module, dict[str, Any]]:
        """Build the network in PyTorch, with the initial parameters, and return its tensors under our names."""
        net, tensors = torch_chain(setup.layers, setup.shape[::-1])
        with torch.no_grad():
            for name, tensor in tensors.items():
                tensor.copy_(torch.tensor(reference[f"start.{name}"].reshape(tensor.shape)))
        return net, tensors

    def shaped(tensors: dict[str, Any], prefix: str) -> dict[str, np.ndarray]:
        return {
            f"{prefix}.{name}": tensor.detach().numpy().reshape(reference[f"start.{name}"].shape).copy()
            for name, tensor in tensors.items()
        }

    criterion = nn.CrossEntropyLoss(label_smoothing=SMOOTHING)
    batches = torch.tensor(reference["x"]).transpose(2, 3)
    labels = torch.tensor(reference["labels"])
    net, tensors = model()
    reference["inference"] = net.eval()(batches[0]).detach().numpy()
    logits = net.train()(batches[0])
    loss = criterion(logits, labels[0])
    loss.backward()
    reference |= {"logits": logits.detach().numpy(), "loss": np.array(loss.item())}
    reference |= shaped({name: tensor.grad for name, tensor in tensors.items() if tensor.requires_grad}, "gradient")

    for kind, rate in RATES.items():
        net, tensors = model()
        weights = [tensor for name, tensor in tensors.items() if name.endswith("weight")]
        others = [tensor for name, tensor in tensors.items() if tensor.requires_grad and not name.endswith("weight")]
        optimizer: torch.optim.Optimizer
        if kind == "sgd":
            optimizer = torch.optim.SGD(weights + others, rate, momentum=0.9)
        elif kind == "adam":
            optimizer = torch.optim.Adam(weights + others, rate)
        else:
            groups = [{"params": weights, "weight_decay": 0.3}, {"params": others, "weight_decay": 0.0}]
            optimizer = torch.optim.AdamW(groups, rate)
        for step in range(STEPS):
            optimizer.zero_grad()
            criterion(net(batches[step]), labels[step]).backward()
            optimizer.step()
            if step + 1 in (1, STEPS):
                reference |= shaped(tensors, f"{kind}.{step + 1}")
    return reference


@pytest.fixture(scope="module", params=SETUPS)
def setup(request: pytest.FixtureRequest) -> Setup:
    return SETUPS[request.param]


@pytest.fixture(scope="module", params=["stored", "computed"])
def reference(request: pytest.FixtureRequest, setup: Setup) -> dict[str, np.ndarray]:
    if request.param == "stored":
        with np.load(setup.stored, allow_pickle=False) as file:
            return dict(file)
    pytest.importorskip("torch", reason="PyTorch is not installed; the stored numbers are compared all the same")
    return torch_reference(setup, seed=1)


# In double precision both libraries must agree to rounding; in single precision Adam's division by the root of a small
# square enlarges the rounding.
PRECISIONS = ((np.float64, 1e-9), (np.float32, 2e-4))


def test_forward_and_backward_agree(setup: Setup, reference: dict[str, np.ndarray]) -> None:
    x, targets = reference["x"][0], one_hot(reference["labels"][0], CLASSES, SMOOTHING)
    for dtype, tolerance in PRECISIONS:
        with case(dtype.__name__):
            network = build(setup, reference, dtype)
            np.testing.assert_allclose(network.logits(x), reference["inference"], rtol=tolerance, atol=tolerance)
            loss, logits = network.loss_and_gradient(x, targets, np.random.default_rng(0))
            assert loss == pytest.approx(float(reference["loss"]), rel=tolerance)
            np.testing.assert_allclose(logits, reference["logits"], rtol=tolerance, atol=tolerance)
            gradients = network.parameters.named(network.parameters.gradient)
            roles = {name: spec.role for name, spec in flatten(network.chain.parameters(setup.shape[::-1]))}
            learned = {name for name, role in roles.items() if role != "statistic"}
            assert {name.removeprefix("gradient.") for name in reference if name.startswith("gradient.")} == learned
            for name in learned:
                expected = reference[f"gradient.{name}"]
                atol = tolerance * np.abs(expected).max()
                np.testing.assert_allclose(gradients[name], expected, rtol=tolerance, atol=atol, err_msg=name)


def test_optimisers_and_running_statistics_agree(setup: Setup, reference: dict[str, np.ndarray]) -> None:
    for (dtype, tolerance), kind, steps in itertools.product(PRECISIONS, OPTIMIZERS, (1, STEPS)):
        with case(dtype.__name__, kind, f"{steps} steps"):
            network = build(setup, reference, dtype)
            trainer = Trainer(network, OPTIMIZERS[kind], Constant(RATES[kind]), SMOOTHING)
            for step in range(steps):
                trainer.step(reference["x"][step], reference["labels"][step], 0.0, np.random.default_rng(0))
            for name, view in network.parameters.named().items():
                expected = reference[f"{kind}.{steps}.{name}"]
                assert np.abs(expected - reference[f"start.{name}"]).max() > tolerance, "the reference has moved"
                np.testing.assert_allclose(view, expected, rtol=tolerance, atol=tolerance, err_msg=name)


if __name__ == "__main__":
    for setup in SETUPS.values():
        np.savez_compressed(setup.stored, **torch_reference(setup, 0))
