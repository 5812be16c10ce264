"""Weights worked by hand: every step of the chain rule follows from the step before, and ends at the gradient."""

import numpy as np
import pytest

from cases import case
from sayso.explanation.by_hand import HiddenChain, hidden_chain, last_weight
from sayso.nn import Convolution, Dense, Flatten, Network, ReLU, StatisticsPooling, one_hot, softmax_cross_entropy
from sayso.nn.architectures import DenseArchitecture, TdnnArchitecture
from sayso.nn.tracing import trace

CLASSES, SHAPE = 5, (9, 4)


def chain_of(layers: list, seed: int = 1) -> tuple[HiddenChain | None, Network]:
    """Return the chain of an untrained network with different parameters and statistics, on a random example."""
    rng = np.random.default_rng(seed)
    network = Network(layers, SHAPE, np.float64).initialise(rng)
    network.parameters.vector += rng.uniform(0.05, 0.3, len(network.parameters.vector))
    x, targets = rng.standard_normal(SHAPE), one_hot(np.array([2]), CLASSES)[:, 0]

    def loss_of(changed: Network) -> float:
        return softmax_cross_entropy(changed.logits(x[None]).T, targets[:, None])[0]

    traced = trace(network, x, targets)
    assert last_weight(network, traced, loss_of) is not None
    return hidden_chain(network, traced, loss_of), network


def test_every_step_of_the_chain_follows_from_the_one_before() -> None:
    tdnn = {"stem": 6, "stem_kernel": 3, "dropout": 0.1}
    networks = {
        "ReLU": DenseArchitecture((7, 6), batch_norm=False),
        "tanh, batch normalisation": DenseArchitecture((7, 6), "tanh"),
        "residual block": TdnnArchitecture(**tdnn, channels=(6,), kernels=(3,), strides=(1,)),
        "residual block with a shortcut": TdnnArchitecture(**tdnn, channels=(8,), kernels=(3,), strides=(2,)),
    }
    for name, architecture in networks.items():
        with case(name):
            chain, _ = chain_of(architecture.layers(CLASSES))
            assert chain is not None
            for total in chain.sums:
                assert sum(term.product for term in total.terms) == pytest.approx(total.total)
                sizes = [abs(term.product) for term in total.terms]
                assert sizes == sorted(sizes, reverse=True)
            gradient = chain.sums[0].total
            if chain.pooled:
                at = chain.pooled
                spread = chain.sums[1].total * (at.value - at.mean) / at.deviation
                gradient = (gradient + spread) / at.frames
                assert gradient == pytest.approx(at.gradient)
            for step in chain.steps:
                gradient *= step.slope
                assert gradient == pytest.approx(step.gradient), step
            weight = chain.weight
            assert gradient == pytest.approx(weight.error)
            assert weight.slope == pytest.approx(weight.gradient, rel=1e-4)
            if chain.frames == 1:
                assert weight.error * weight.signal == pytest.approx(weight.gradient)
            assert ("pooled", chain.pooled is not None) == ("pooled", "residual" in name)


def test_the_layers_of_a_chain_have_the_numbers_of_the_page() -> None:
    chain, network = chain_of(
        TdnnArchitecture(stem=6, stem_kernel=3, channels=(6,), kernels=(3,), strides=(1,)).layers(CLASSES)
    )
    assert chain is not None
    kinds = [type(layer).__name__ for layer in network.chain.layers]
    block = kinds.index("Residual") + 1
    # The last pointwise layer of the block is followed by a normalisation.
    assert chain.number == f"{block}.6"
    assert [step.number for step in chain.steps] == [str(block + 2), str(block + 1), str(block), f"{block}.7"]


def test_networks_without_a_chain_that_can_be_followed_have_none() -> None:
    for layers in (
        [Flatten(), Dense(CLASSES)],
        [Convolution(channels=6, kernel=3), ReLU(), StatisticsPooling(), Dense(CLASSES)],
    ):
        with case(*map(type, layers)):
            assert chain_of(layers)[0] is None
