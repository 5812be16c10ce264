"""The layers that the tests of heed.nn go through: every registered kind has its cases here."""

import numpy as np

from heed.nn import BatchNorm, Chain, Dense, Dropout, Flatten, ReLU, Tanh
from heed.nn.layer import Layer
from heed.nn.parameters import Parameters, Shape

Case = tuple[Layer, Shape]

CASES: dict[str, list[Case]] = {
    "Dense": [(Dense(4), (3,)), (Dense(1), (7,)), (Dense(6, bias=False), (1,)), (Dense(40), (90,))],
    "Flatten": [(Flatten(), (3, 4)), (Flatten(), (1, 5))],
    "ReLU": [(ReLU(), (5,)), (ReLU(), (3, 4)), (ReLU(), (40, 50))],
    "Tanh": [(Tanh(), (5,)), (Tanh(), (3, 4))],
    "Dropout": [(Dropout(0.3), (5,)), (Dropout(0.7), (3, 4)), (Dropout(0.0), (4,))],
    "BatchNorm": [(BatchNorm(), (5,)), (BatchNorm(), (3, 4)), (BatchNorm(epsilon=0.1), (2, 6))],
}

# Chains are layers too, and show whether layers respect each other's arrays.
CHAINS: list[Case] = [
    (Chain((Flatten(), Dense(8, bias=False), BatchNorm(), ReLU(), Dropout(0.4), Dense(3))), (3, 4)),
    (Chain((BatchNorm(), Tanh(), Flatten(), Tanh(), Dense(5), Tanh(), ReLU(), Dropout(0.2), ReLU())), (2, 5)),
    (Chain((ReLU(), Chain((Dense(6), Tanh(), Chain((Dropout(0.5), Dense(4))))))), (4,)),
    (Chain((Dense(4), BatchNorm())), (3,)),
]

ALL: list[Case] = [case for cases in CASES.values() for case in cases] + CHAINS


def name(value: object) -> str:
    """Name a case in pytest's output."""
    if isinstance(value, Chain):
        return "+".join(type(layer).__name__ for layer in value.layers)
    return repr(value).replace(" ", "")


def filled(layer: Layer, shape: Shape, dtype: type = np.float32, seed: int = 0) -> Parameters:
    """Return parameters that are all different from each other and positive, as a variance has to be."""
    parameters = Parameters(layer.parameters(shape), dtype)
    parameters.vector[:] = np.random.default_rng(seed).uniform(0.5, 1.5, len(parameters.vector))
    return parameters


def examples(shape: Shape, batch: int = 6, dtype: type = np.float32, seed: int = 1) -> np.ndarray:
    """Return an input in the layout inside a network, batch last."""
    return np.random.default_rng(seed).normal(size=(*shape, batch)).astype(dtype)
