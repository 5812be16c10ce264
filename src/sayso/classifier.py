"""A feed-forward network for anybody's numbers, in scikit-learn's conventions.

It learns by `sayso.nn` from any table of numbers with a class for each row, and knows nothing of sound.
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


def _whole(number: Any) -> bool:
    return isinstance(number, Integral) and int(number) >= 1


def _part(number: float) -> bool:
    return 0 <= number < 1


# Type and test of each parameter, and the words for it in an error; NaN fails every comparison.
_POSSIBLE: dict[str, tuple[Any, Callable[[Any], bool], str]] = {
    "hidden_layer_sizes": (Iterable, lambda sizes: all(map(_whole, sizes)), "whole numbers above 0, such as (100,)"),
    "activation": (str, lambda name: name in ("relu", "tanh"), "'relu' or 'tanh'"),
    "batch_norm": (bool | np.bool_, lambda _: True, "True or False"),
    "dropout": (Real, lambda part: 0 <= part < 0.99, "at least 0 and below 0.99"),
    "optimizer": (str, lambda name: name in ("adam", "sgd"), "'adam' or 'sgd'"),
    "learning_rate": (Real, lambda rate: 0 < rate < math.inf, "a number above 0"),
    "schedule": (str, lambda name: name in _SCHEDULES, f"one of {', '.join(map(repr, _SCHEDULES))}"),
    "weight_decay": (Real, lambda decay: 0 <= decay < math.inf, "0 or more"),
    "label_smoothing": (Real, _part, "at least 0 and below 1"),
    "batch_size": (Integral, _whole, "a whole number above 0"),
    "max_epochs": (Integral, _whole, "a whole number above 0"),
    "validation_fraction": (Real, _part, "at least 0 and below 1"),
    "patience": (Integral, _whole, "a whole number above 0"),
    "tolerance": (Real, lambda size: 0 <= size < math.inf, "0 or more"),
}


class FeedForwardClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Multi-layer perceptron, trained by the backpropagation of `sayso.nn`.

    It computes in double precision. Columns of very different scale are best standardised before, for instance by
    scikit-learn's `StandardScaler` in a pipeline.

    Parameters
    ----------
    hidden_layer_sizes : sequence of int, default (100,)
        Units of the hidden layers; an empty sequence makes the model logistic regression.
    activation : {"relu", "tanh"}, default "relu"
        What follows each hidden layer.
    batch_norm : bool, default True
        Whether batch normalisation stands before each activation; the scale of the data then matters less.
    dropout : float, default 0.0
        Part of each hidden layer's outputs that is silenced while learning, below 0.99.
    optimizer : {"adam", "sgd"}, default "adam"
        The rule of gradient descent; "sgd" has the momentum 0.9.
    learning_rate : float, default 0.003
        Highest learning rate.
    schedule : {"constant", "cosine", "one-cycle", "step"}, default "cosine"
        Course of the learning rate over `max_epochs`.
    weight_decay : float, default 0.0
        Decoupled weight decay ("adam" only).
    label_smoothing : float, default 0.0
        Probability that the target moves from the right class to all classes alike, below 1.
    batch_size : int, default 32
        Examples for one step of gradient descent; all steps of an epoch get nearly the same number, at least this one.
    max_epochs : int, default 100
        Most passes over the examples.
    validation_fraction : float, default 0.0
        Part of the examples that is held out to choose the best epoch by; 0 learns from all and keeps the last epoch.
    patience : int, default 10
        Epochs after which learning stops if the loss (of the held-out examples, if there are any) did not improve.
    tolerance : float, default 1e-4
        Smaller improvements of the loss do not count.
    random_state : int, RandomState or None, default None
        Source of randomness; a number makes the result reproducible.

    Attributes
    ----------
    classes_ : ndarray, shape (classes,)
        The classes, sorted.
    n_features_in_ : int
        Number of columns seen in `fit`.
    feature_names_in_ : ndarray of str, shape (n_features_in_,)
        Names of the columns, if they had names in `fit`.
    n_iter_ : int
        Epochs done.
    loss_curve_ : list of float
        Mean loss of each epoch in nats, on the examples learned from.
    validation_curve_ : list of float
        Mean loss after each epoch on the held-out examples; empty if there are none.
    network_ : sayso.nn.Network
        The network with what it learned.

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
        """Learn from examples, from scratch each time.

        Parameters
        ----------
        X : array-like, shape (examples, features)
            Examples.
        y : array-like, shape (examples,)
            The class of each, as numbers or strings.

        Returns
        -------
        self : FeedForwardClassifier
            The classifier itself.

        Raises
        ------
        SettingsError
            If a parameter has an impossible value.
        ValueError
            If the data cannot be learned from.
        """
        self._check_parameters()
        x, y = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(y)
        self.classes_, labels = np.unique(y, return_inverse=True)
        rng = np.random.default_rng(check_random_state(self.random_state).randint(2**32, size=4, dtype=np.uint32))
        learned, held_out = self._split(labels, rng)
        sizes = tuple(int(units) for units in self.hidden_layer_sizes)
        layers = hidden_layers(sizes, self.activation, self.batch_norm, float(self.dropout))
        self.network_ = Network([*layers, Dense(len(self.classes_))], x.shape[1:], np.float64).initialise(rng)
        self._learn(x[learned], labels[learned], x[held_out], labels[held_out], rng)
        return self

    def _split(self, labels: NDArray[np.intp], rng: np.random.Generator) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Choose the examples to learn from and those held out, with the same share of each class."""
        everything = np.arange(len(labels))
        if not self.validation_fraction:
            return everything, everything[:0]
        seed = int(rng.integers(2**31))
        learned, held_out = train_test_split(
            everything, test_size=self.validation_fraction, stratify=labels, random_state=seed
        )
        return learned, held_out

    def _learn(
        self,
        x: FloatArray,
        labels: NDArray[np.intp],
        validation_x: FloatArray,
        validation_labels: NDArray[np.intp],
        rng: np.random.Generator,
    ) -> None:
        """Train the network until the epochs or the patience are used up."""
        optimizer = SGD(_MOMENTUM) if self.optimizer == "sgd" else AdamW(weight_decay=float(self.weight_decay))
        schedule = _SCHEDULES[self.schedule](float(self.learning_rate))
        trainer = Trainer(self.network_, optimizer, schedule, self.label_smoothing)
        vector = self.network_.parameters.vector
        # No small batch is left over: one of a single example would spoil a batch normalisation's statistics.
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
                right = probabilities[np.arange(len(validation_x)), validation_labels]
                loss = float(-np.log(np.maximum(right, np.finfo(np.float64).tiny)).mean())
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
        """Return the likeliest class of each example, shape (examples,)."""
        labels = self._logits(X).argmax(axis=1)
        return np.asarray(self.classes_[labels])

    def predict_proba(self, X: ArrayLike) -> FloatArray:
        """Return the probability of each class, shape (examples, classes), in the order of `classes_`."""
        return softmax(self._logits(X).T).T

    def decision_function(self, X: ArrayLike) -> FloatArray:
        """Return the logits, shape (examples, classes); of two classes, the difference in favour of the second."""
        logits = self._logits(X)
        return logits[:, 1] - logits[:, 0] if len(self.classes_) == 2 else logits

    def _check_parameters(self) -> None:
        """Raise SettingsError unless every parameter has a possible value."""
        for name, (kind, possible, expected) in _POSSIBLE.items():
            value = getattr(self, name)
            if not isinstance(value, kind) or not possible(value):
                raise SettingsError(f"{name} is {value!r}; expected {expected}")
        if self.weight_decay and self.optimizer == "sgd":
            raise SettingsError(f"weight_decay is {self.weight_decay!r}; expected 0 for 'sgd', or take 'adam'")
        if self.batch_size == 1 and self.batch_norm:
            raise SettingsError("batch_size is 1; expected at least 2 with batch_norm, or turn that off")
