"""Agreement with an independent library: PyTorch's numbers, stored here and computed afresh where it is installed.

The stored numbers come from `torch_reference(0)` below, with PyTorch 2.13 in double precision. To make them again:
`PYTHONPATH=src python tests/test_nn_reference.py`.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from heed.nn import SGD, AdamW, BatchNorm, Constant, Dense, Flatten, Network, Optimizer, ReLU, Tanh, one_hot
from heed.nn.trainer import Trainer

STORED = Path(__file__).parent / "data" / "torch_reference.npz"

# Without the first Tanh, the second normalisation would take out the first one's shift: its gradient would be 0.
LAYERS = [BatchNorm(), Tanh(), Flatten(), Dense(10, bias=False), BatchNorm(), ReLU(), Dense(6), Tanh(), Dense(4)]
TIME, CHANNELS, CLASSES, BATCH, STEPS = 5, 3, 4, 9, 10
SMOOTHING = 0.25  # with 4 classes, the targets are exact in single precision
RATES = {"sgd": 0.1, "adam": 0.01, "adamw": 0.01}
OPTIMIZERS: dict[str, Optimizer] = {"sgd": SGD(0.9), "adam": AdamW(), "adamw": AdamW(weight_decay=0.3)}


def build(reference: dict[str, np.ndarray], dtype: type) -> Network:
    """Return our network with the reference's first weights."""
    network = Network(LAYERS, (TIME, CHANNELS), dtype)
    for name, view in network.parameters.named().items():
        view[...] = reference[f"start.{name}"]
    return network


def torch_reference(seed: int) -> dict[str, np.ndarray]:
    """Let PyTorch compute everything that is compared here.

    Returns
    -------
    reference : dict of ndarray
        "x", "labels": one batch a step. "start.NAME": first parameters, in our names and shapes. "loss", "logits",
        "inference": of the first batch. "gradient.NAME": of the first batch.
        "OPTIMIZER.STEPS.NAME": parameters after so many steps.
    """
    import torch
    from torch import nn

    rng = np.random.default_rng(seed)
    reference = {
        "x": rng.normal(1, 2, (STEPS, BATCH, TIME, CHANNELS)),
        "labels": rng.integers(CLASSES, size=(STEPS, BATCH)),
    }
    ours = Network(LAYERS, (TIME, CHANNELS), np.float64).parameters
    ours.vector[:] = rng.uniform(0.5, 1.5, len(ours.vector))
    for name, view in ours.named().items():
        if name.endswith("weight"):
            view[...] = rng.normal(0, 1 / np.sqrt(view.shape[1]), view.shape)
    reference |= {f"start.{name}": view.copy() for name, view in ours.named().items()}

    class Swap(nn.Module):
        """Exchange time and channels: PyTorch normalises the second axis."""

        def forward(self, x: Any) -> Any:
            return x.transpose(1, 2)

    def model() -> tuple[nn.Sequential, dict[str, Any]]:
        """Build the network in PyTorch, and its tensors under our names."""
        net = nn.Sequential(
            nn.Sequential(Swap(), nn.BatchNorm1d(CHANNELS), Swap()),
            nn.Tanh(),
            nn.Flatten(),
            nn.Linear(TIME * CHANNELS, 10, bias=False),
            nn.BatchNorm1d(10),
            nn.ReLU(),
            nn.Linear(10, 6),
            nn.Tanh(),
            nn.Linear(6, CLASSES),
        ).double()
        tensors: dict[str, Any] = {}
        for position, norm in ((0, net[0][1]), (4, net[4])):
            parts = (norm.weight, norm.bias, norm.running_mean, norm.running_var)
            names = ("scale", "shift", "mean", "variance")
            tensors |= {f"{position}.BatchNorm.{name}": part for name, part in zip(names, parts, strict=True)}
        tensors["3.Dense.weight"] = net[3].weight
        for position in (6, 8):
            tensors |= {f"{position}.Dense.weight": net[position].weight, f"{position}.Dense.bias": net[position].bias}
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
    batches, labels = torch.tensor(reference["x"]), torch.tensor(reference["labels"])
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


@pytest.fixture(scope="module", params=["stored", "computed"])
def reference(request: pytest.FixtureRequest) -> dict[str, np.ndarray]:
    if request.param == "stored":
        with np.load(STORED, allow_pickle=False) as file:
            return dict(file)
    pytest.importorskip("torch", reason="PyTorch is not installed; the stored numbers are compared all the same")
    return torch_reference(seed=1)


# In double precision both libraries must agree to rounding; in single precision Adam's division by the root of a small
# square enlarges the rounding.
PRECISIONS = pytest.mark.parametrize(
    ("dtype", "tolerance"), [(np.float64, 1e-9), (np.float32, 2e-4)], ids=["double", "single"]
)


@PRECISIONS
def test_forward_and_backward_agree(reference: dict[str, np.ndarray], dtype: type, tolerance: float) -> None:
    network = build(reference, dtype)
    x = reference["x"][0]
    np.testing.assert_allclose(network.logits(x), reference["inference"], rtol=tolerance, atol=tolerance)
    targets = one_hot(reference["labels"][0], CLASSES, SMOOTHING)
    loss, logits = network.loss_and_gradient(x, targets, np.random.default_rng(0))
    assert loss == pytest.approx(float(reference["loss"]), rel=tolerance)
    np.testing.assert_allclose(logits, reference["logits"], rtol=tolerance, atol=tolerance)
    gradients = network.parameters.named(network.parameters.gradient)
    compared = [name for name in gradients if f"gradient.{name}" in reference]
    assert len(compared) == 9
    for name in compared:
        expected = reference[f"gradient.{name}"]
        np.testing.assert_allclose(gradients[name], expected, rtol=tolerance, atol=tolerance * np.abs(expected).max())


@PRECISIONS
@pytest.mark.parametrize("steps", [1, STEPS])
@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_optimisers_and_running_statistics_agree(
    reference: dict[str, np.ndarray], kind: str, steps: int, dtype: type, tolerance: float
) -> None:
    network = build(reference, dtype)
    trainer = Trainer(network, OPTIMIZERS[kind], Constant(RATES[kind]), SMOOTHING)
    for step in range(steps):
        trainer.step(reference["x"][step], reference["labels"][step], 0.0, np.random.default_rng(0))
    for name, view in network.parameters.named().items():
        expected = reference[f"{kind}.{steps}.{name}"]
        assert np.abs(expected - reference[f"start.{name}"]).max() > tolerance, "the reference has moved"
        np.testing.assert_allclose(view, expected, rtol=tolerance, atol=tolerance, err_msg=name)


if __name__ == "__main__":
    np.savez_compressed(STORED, **torch_reference(0))
