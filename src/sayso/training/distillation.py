"""Distillation: a network learns from a larger one as well, which knows how much one word sounds like another."""

import hashlib
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from sayso.config import SILENCE, UNKNOWN, Settings
from sayso.errors import SettingsError
from sayso.features.standardizer import Standardizer
from sayso.model.model_file import Model
from sayso.nn import Network, one_hot, softmax
from sayso.training.batches import TrainingSet

FloatArray = NDArray[np.float32]


class Distillation:
    """The target probabilities that a larger model gives.

    G. Hinton et al., "Distilling the knowledge in a neural network", 2015, with temperature 1: the larger network saw
    augmented clips as well, and is not certain of them.

    Parameters
    ----------
    model : Model
        The larger model.
    data : TrainingSet
        What is to be learned. Words that only the model knows are unknown speech, if that is learned.
    standardizer : Standardizer
        That of `data`.
    settings : Settings
        How much the model counts beside the labels, and how often unknown speech and silence are drawn.

    Raises
    ------
    SettingsError
        If the model hears other features, or does not know one of the labels.
    """

    def __init__(self, model: Model, data: TrainingSet, standardizer: Standardizer, settings: Settings) -> None:
        theirs, ours = asdict(model.features), asdict(settings.features)
        if other := [f"{name} {value}, not {ours[name]}" for name, value in theirs.items() if value != ours[name]]:
            raise SettingsError(
                f"the model to learn from has other [features] than the recipe ({'; '.join(other)}); they must be the "
                "same: choose its recipe, or one with its features"
            )
        known = (*model.labels, *model.parts)
        if missing := [label for label in data.labels if label not in known]:
            raise SettingsError(
                f"the model to learn from does not know {missing[0]!r}; it knows {', '.join(model.labels)}"
            )
        self._model, self._standardizer, self._training = model, standardizer, settings.training
        self._classes = (*data.labels, *data.parts)
        # The class that each of the model's classes is here, where it is one.
        told = [UNKNOWN if name not in self._classes and name != SILENCE else name for name in known]
        self._kept = [place for place, name in enumerate(told) if name in self._classes]
        self._places = [self._classes.index(told[place]) for place in self._kept]
        # Its classes before unknown speech is added up.
        self._network = Network(model.network.chain.layers[: model.network.last + 1], model.network.input_shape)
        self._network.parameters.vector[:] = model.network.parameters.vector
        # As often as they are drawn here, in comparison with there; by Bayes' rule the logarithm of that is part of the
        # logit. A part of the model's unknown speech that is a label here is as likely as any other.
        draws = {UNKNOWN: self._training.unknown_draws, SILENCE: self._training.silence_draws}
        part = {name: 1 / model.parts[name] if name in data.labels else draws[UNKNOWN] for name in model.parts}
        self._prior = np.log(np.array([(draws | part).get(name, 1) for name in known], np.float32))

    @property
    def digest(self) -> str:
        """Identifies the weights of the model."""
        return hashlib.sha256(self._model.network.parameters.vector.tobytes()).hexdigest()

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
        heard = self._model.standardizer.apply(features * self._standardizer.deviation + self._standardizer.mean)
        given = softmax((self._network.logits(heard) + self._prior)[:, self._kept].T)
        share = np.float32(self._training.distillation)
        targets = one_hot(classes, len(self._classes), self._training.label_smoothing) * (1 - share)
        np.add.at(targets, self._places, share * given)
        return targets
