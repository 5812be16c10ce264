"""Distillation: a network learns from a larger one as well, which knows how much one word sounds like another."""

import hashlib
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sayso.config import SILENCE, UNKNOWN, Settings
from sayso.errors import SettingsError
from sayso.features.standardizer import Standardizer
from sayso.model.model_file import Model
from sayso.nn import Network, one_hot, softmax
from sayso.training.batches import TrainingSet

FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class Distillation:
    """The target probabilities that a larger model gives.

    G. Hinton et al., "Distilling the knowledge in a neural network", 2015, with temperature 1: the larger network saw
    augmented clips as well, and is not certain of them.

    Parameters
    ----------
    model : Model
        The larger model.
    data : TrainingSet
        What is to be learned. Words that only the model knows one by one are unknown speech.
    standardizer : Standardizer
        That of `data`.
    settings : Settings
        How much the model counts beside the labels, and how often unknown speech and silence are drawn.

    Raises
    ------
    SettingsError
        If the model hears other features, or does not know one of the labels.
    """

    model: Model
    data: TrainingSet
    standardizer: Standardizer
    settings: Settings
    _network: Network = field(init=False)
    _prior: FloatArray = field(init=False)
    _places: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        model, training = self.model, self.settings.training
        if model.features != self.settings.features:
            raise SettingsError("the model to learn from has other [features] than the recipe; they must be the same")
        classes = (*self.data.labels, *self.data.parts)
        known = (*model.labels, *model.parts)
        if missing := [label for label in self.data.labels if label not in known]:
            raise SettingsError(
                f"the model to learn from does not know {missing[0]!r}; it knows {', '.join(model.labels)}"
            )
        # Its classes before unknown speech is added up.
        network = Network(model.network.chain.layers[: model.network.last + 1], model.network.input_shape)
        network.parameters.vector[:] = model.network.parameters.vector
        # As often as they are drawn here; by Bayes' rule the logarithm of that is part of the logit.
        draws = {UNKNOWN: training.unknown_draws, SILENCE: training.silence_draws}
        prior = [draws[UNKNOWN] if name in model.parts else draws.get(name, 1) for name in known]
        places = [classes.index(name if name in classes else UNKNOWN) for name in known]
        object.__setattr__(self, "_network", network)
        object.__setattr__(self, "_prior", np.log(np.array(prior, np.float32)))
        object.__setattr__(self, "_places", np.array(places, np.int64))

    @property
    def digest(self) -> str:
        """Identifies the weights of the model."""
        return hashlib.sha256(self.model.network.parameters.vector.tobytes()).hexdigest()

    def targets(self, features: FloatArray, classes: NDArray[np.int64]) -> FloatArray:
        """Return target probabilities, of which `distillation` are the model's and the rest are the label's.

        Parameters
        ----------
        features : ndarray of float32, shape (batch, frames, width)
            Features, as standardised for the network that learns.
        classes : ndarray of int, shape (batch,)
            The true class of each.

        Returns
        -------
        targets : ndarray of float32, shape (classes, batch)
            Probabilities of the labels and the parts of unknown speech.
        """
        heard = self.model.standardizer.apply(features * self.standardizer.deviation + self.standardizer.mean)
        given = softmax((self._network.logits(heard) + self._prior).T)
        share = self.settings.training.distillation
        targets = one_hot(classes, len(self.data.labels) + len(self.data.parts)) * np.float32(1 - share)
        np.add.at(targets, self._places, np.float32(share) * given)
        return targets
