"""Networks that are ready to use: each is a dataclass of sizes that lays out its layers for a number of classes."""

from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

from heed.nn.activations import ReLU, Tanh
from heed.nn.batch_norm import BatchNorm
from heed.nn.dense import Dense, Flatten
from heed.nn.dropout import Dropout
from heed.nn.layer import Layer


class Architecture(Protocol):
    """Sizes of a network, from which its layers follow."""

    name: ClassVar[str]

    def layers(self, classes: int) -> list[Layer]:
        """Lay out the layers that tell `classes` classes apart from an input of shape (time, channels)."""
        ...


@dataclass(frozen=True)
class DenseArchitecture:
    """The classic multi-layer perceptron: all frames as one long vector, then dense layers.

    Attributes
    ----------
    hidden : tuple of int
        Units of the hidden layers.
    activation : {"relu", "tanh"}
        What follows each hidden layer.
    batch_norm : bool
        Whether batch normalisation stands before each activation.
    dropout : float
        Part of each hidden layer's outputs that is silenced while training.
    """

    name: ClassVar[str] = "dense"

    hidden: tuple[int, ...] = (512, 512, 512)
    activation: Literal["relu", "tanh"] = "relu"
    batch_norm: bool = True
    dropout: float = 0.2

    def layers(self, classes: int) -> list[Layer]:
        """Lay out the layers, from the flattened features to the logits."""
        return [Flatten(), *hidden_layers(self.hidden, self.activation, self.batch_norm, self.dropout), Dense(classes)]


def hidden_layers(sizes: tuple[int, ...], activation: str, batch_norm: bool, dropout: float) -> list[Layer]:
    """Lay out dense hidden layers, each with its normalisation, activation and dropout as asked for."""
    layers: list[Layer] = []
    for units in sizes:
        layers.append(Dense(units, bias=not batch_norm))
        if batch_norm:
            layers.append(BatchNorm())
        layers.append({"relu": ReLU, "tanh": Tanh}[activation]())
        if dropout:
            layers.append(Dropout(dropout))
    return layers


ARCHITECTURES: dict[str, type[Architecture]] = {kind.name: kind for kind in (DenseArchitecture,)}
