"""A feed-forward network as a general classifier, following scikit-learn's conventions.

It is trained by `sayso.nn` on any table of numbers with a class for each row, and is independent of sound.
"""

import math
from collections.abc import Callable, Iterable
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from sayso.errors import SettingsError
from sayso.nn import SGD, AdamW, Constant, CosineWithWarmup, Dense, Network, OneCycle, Schedule, StepDecay, softmax
from sayso.nn.architectures import hidden_layers
from sayso.nn.parameters import FloatArray
from sayso.nn.trainer import Trainer

_SCHEDULES: dict[str, Callable[[float], Schedule]] = {
    "constant": Constant,
    "cosine": CosineWithWarmup,
    "one-cycle": OneCycle,
    "step": StepDecay,
}
_MOMENTUM = 0.9


def _is_positive_integer(number: Any) -> bool:
    return isinstance(number, Integral) and int(number) >= 1


def _is_fraction(number: float) -> bool:
    return 0 <= number < 1


# Type and test of each parameter, and how an error describes it; NaN fails every comparison.
_POSSIBLE: dict[str, tuple[Any, Callable[[Any], bool], str]] = {
    "hidden_layer_sizes": (
        Iterable,
        lambda sizes: all(map(_is_positive_integer, sizes)),
        "whole numbers above 0, such as (100,)",
    ),
    "activation": (str, lambda name: name in ("relu", "tanh"), "'relu' or 'tanh'"),
    "batch_norm": (bool | np.bool_, lambda _: True, "True or False"),
    "dropout": (Real, lambda rate: 0 <= rate < 0.99, "at least 0 and below 0.99"),
    "optimizer": (str, lambda name: name in ("adam", "sgd"), "'adam' or 'sgd'"),
    "learning_rate": (Real, lambda rate: 0 < rate < math.inf, "a number above 0"),
    "schedule": (str, lambda name: name in _SCHEDULES, f"one of {', '.join(map(repr, _SCHEDULES))}"),
    "weight_decay": (Real, lambda decay: 0 <= decay < math.inf, "0 or more"),
    "label_smoothing": (Real, _is_fraction, "at least 0 and below 1"),
    "batch_size": (Integral, _is_positive_integer, "a whole number above 0"),
    "max_epochs": (Integral, _is_positive_integer, "a whole number above 0"),
    "validation_fraction": (Real, _is_fraction, "at least 0 and below 1"),
    "patience": (Integral, _is_positive_integer, "a whole number above 0"),
    "tolerance": (Real, lambda size: 0 <= size < math.inf, "0 or more"),
}


class FeedForwardClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Multi-layer perceptron, trained by the backpropagation of `sayso.nn`.

    It computes in double precision. Columns of very different scale should be standardised, for instance by
    scikit-learn's `StandardScaler` in a pipeline.

    Parameters
    ----------
    hidden_layer_sizes : sequence of int, default (100,)
        Units of the hidden layers; an empty sequence makes the model logistic regression.
    activation : {"relu", "tanh"}, default "relu"
        Activation after each hidden layer.
    batch_norm : bool, default True
        Whether batch normalisation precedes each activation; the scale of the data then matters less.
    dropout : float, default 0.0
        Fraction of each hidden layer's outputs that is set to zero during training, below 0.99.
    optimizer : {"adam", "sgd"}, default "adam"
        Optimiser; "sgd" has a momentum of 0.9.
    learning_rate : float, default 0.003
        Highest learning rate of the schedule.
    schedule : {"constant", "cosine", "one-cycle", "step"}, default "cosine"
        Schedule of the learning rate over `max_epochs`.
    weight_decay : float, default 0.0
        Decoupled weight decay ("adam" only).
    label_smoothing : float, default 0.0
        Probability that is moved from the correct class to all classes uniformly, below 1.
    batch_size : int, default 32
        Examples per step of gradient descent; all batches of an epoch have nearly the same size, at least this one.
    max_epochs : int, default 100
        Maximum number of passes over the examples.
    validation_fraction : float, default 0.0
        Fraction of the examples that is held out to select the best epoch; 0 trains on all and keeps the last epoch.
    patience : int, default 10
        Epochs after which training stops if the loss (on the held-out examples, if any) did not improve.
    tolerance : float, default 1e-4
        Smaller improvements of the loss do not count.
    random_state : int, RandomState or None, default None
        Source of randomness; an integer makes the result reproducible.

    Attributes
    ----------
    classes_ : ndarray, shape (classes,)
        The classes, sorted.
    n_features_in_ : int
        Number of columns seen in `fit`.
    feature_names_in_ : ndarray of str, shape (n_features_in_,)
        Names of the columns, if `fit` was given names.
    n_iter_ : int
        Number of epochs run.
    loss_curve_ : list of float
        Mean training loss of each epoch, in nats.
    validation_curve_ : list of float
        Mean loss after each epoch on the held-out examples; empty without any.
    network_ : sayso.nn.Network
        The trained network.

    Examples
    --------
    >>> from sayso import FeedForwardClassifier
    >>> classifier = FeedForwardClassifier(hidden_layer_sizes=(16,), learning_rate=0.01, random_state=0)
    >>> points = [[0, 0], [0, 1], [1, 0], [1, 1]]
    >>> classifier.fit(points, ["same", "different", "different", "same"]).predict(points).tolist()
    ['same', 'different', 'different', 'same']
    """

    def __init__(
        self,
        hidden_layer_sizes: tuple[int, ...] = (100,),
        *,
        activation: str = "relu",
        batch_norm: bool = True,
        dropout: float = 0.0,
        optimizer: str = "adam",
        learning_rate: float = 3e-3,
        schedule: str = "cosine",
        weight_decay: float = 0.0,
        label_smoothing: float = 0.0,
        batch_size: int = 32,
        max_epochs: int = 100,
        validation_fraction: float = 0.0,
        patience: int = 10,
        tolerance: float = 1e-4,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.batch_norm = batch_norm
        self.dropout = dropout
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.weight_decay = weight_decay
        self.label_smoothing = label_smoothing
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.tolerance = tolerance
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Train on examples, from scratch each time.

        Parameters
        ----------
        X : array-like, shape (examples, features)
            Examples.
        y : array-like, shape (examples,)
            Their classes, as numbers or strings.

        Returns
        -------
        self : FeedForwardClassifier
            The classifier itself.

        Raises
        ------
        SettingsError
            If a parameter has an impossible value.
        ValueError
            If the data cannot be used for training.
        """
        self._check_parameters()
        x, y = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(y)
        self.classes_, labels = np.unique(y, return_inverse=True)
        rng = np.random.default_rng(check_random_state(self.random_state).randint(2**32, size=4, dtype=np.uint32))
        training, held_out = self._split(labels, rng)
        sizes = tuple(int(units) for units in self.hidden_layer_sizes)
        layers = hidden_layers(sizes, self.activation, self.batch_norm, float(self.dropout))
        self.network_ = Network([*layers, Dense(len(self.classes_))], x.shape[1:], np.float64).initialise(rng)
        self._train(x[training], labels[training], x[held_out], labels[held_out], rng)
        return self

    def _split(self, labels: NDArray[np.intp], rng: np.random.Generator) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return the positions of the training and of the held-out examples, stratified by class."""
        positions = np.arange(len(labels))
        if not self.validation_fraction:
            return positions, positions[:0]
        seed = int(rng.integers(2**31))
        training, held_out = train_test_split(
            positions, test_size=self.validation_fraction, stratify=labels, random_state=seed
        )
        return training, held_out

    def _train(
        self,
        x: FloatArray,
        labels: NDArray[np.intp],
        validation_x: FloatArray,
        validation_labels: NDArray[np.intp],
        rng: np.random.Generator,
    ) -> None:
        """Train the network until `max_epochs` or `patience` is reached."""
        optimizer = SGD(_MOMENTUM) if self.optimizer == "sgd" else AdamW(weight_decay=float(self.weight_decay))
        schedule = _SCHEDULES[self.schedule](float(self.learning_rate))
        trainer = Trainer(self.network_, optimizer, schedule, self.label_smoothing)
        vector = self.network_.parameters.vector
        # No small batch is left over: a single example would distort the statistics of batch normalisation.
        batches = max(len(x) // self.batch_size, 1)
        best, best_vector, best_epoch = math.inf, vector.copy(), 0
        self.loss_curve_: list[float] = []
        self.validation_curve_: list[float] = []
        for epoch in range(self.max_epochs):
            losses = 0.0
            for number, chosen in enumerate(np.array_split(rng.permutation(len(x)), batches)):
                progress = (epoch + number / batches) / self.max_epochs
                losses += trainer.step(x[chosen], labels[chosen], progress, rng).loss * len(chosen)
            loss = losses / len(x)
            self.loss_curve_.append(loss)
            if len(validation_x):
                probabilities = self.network_.probabilities(validation_x)
                correct = probabilities[np.arange(len(validation_x)), validation_labels]
                loss = float(-np.log(np.maximum(correct, np.finfo(np.float64).tiny)).mean())
                self.validation_curve_.append(loss)
            if loss < best - self.tolerance:
                best, best_epoch = loss, epoch
                best_vector = vector.copy() if len(validation_x) else best_vector
            elif epoch - best_epoch >= self.patience:
                break
        if len(validation_x):
            vector[:] = best_vector
        self.n_iter_ = len(self.loss_curve_)

    def _logits(self, X: ArrayLike) -> FloatArray:
        check_is_fitted(self)
        logits: FloatArray = self.network_.logits(validate_data(self, X, dtype=np.float64, reset=False))
        return logits

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the most probable class of each example, shape (examples,)."""
        labels = self._logits(X).argmax(axis=1)
        return np.asarray(self.classes_[labels])

    def predict_proba(self, X: ArrayLike) -> FloatArray:
        """Return the probability of each class, shape (examples, classes), in the order of `classes_`."""
        return softmax(self._logits(X).T).T

    def decision_function(self, X: ArrayLike) -> FloatArray:
        """Return the logits, shape (examples, classes); for two classes, the second minus the first."""
        logits = self._logits(X)
        return logits[:, 1] - logits[:, 0] if len(self.classes_) == 2 else logits

    def _check_parameters(self) -> None:
        """Raise SettingsError unless every parameter has a possible value."""
        for name, (kind, possible, expected) in _POSSIBLE.items():
            value = getattr(self, name)
            if not isinstance(value, kind) or not possible(value):
                raise SettingsError(f"{name} is {value!r}; expected {expected}")
        if self.weight_decay and self.optimizer == "sgd":
            raise SettingsError(f"weight_decay is {self.weight_decay!r}; expected 0 with 'sgd', or use 'adam'")
        if self.batch_size == 1 and self.batch_norm:
            raise SettingsError("batch_size is 1; expected at least 2 with batch_norm, or turn batch_norm off")
