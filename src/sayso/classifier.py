"""A feed-forward network as a general classifier, following scikit-learn's conventions.

It is trained by `sayso.nn` on any table of numbers with a class for each row, and is independent of sound.
"""

import math
from collections.abc import Callable, Iterable
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sayso.errors import SettingsError
from sayso.extras import require
from sayso.nn import SGD, AdamW, Constant, CosineWithWarmup, Dense, Network, OneCycle, Schedule, StepDecay, softmax
from sayso.nn.architectures import hidden_layers
from sayso.nn.parameters import FloatArray
from sayso.nn.trainer import Examples, Trainer

require("FeedForwardClassifier", "train")

from sklearn.base import BaseEstimator, ClassifierMixin  # noqa: E402
from sklearn.model_selection import train_test_split  # noqa: E402
from sklearn.utils import check_random_state, multiclass, validation  # noqa: E402

_SCHEDULES: dict[str, Callable[[float], Schedule]] = {
    "constant": Constant,
    "cosine": CosineWithWarmup,
    "one-cycle": OneCycle,
    "step": StepDecay,
}
_MOMENTUM = 0.9


def _is_positive_integer(number: Any) -> bool:
    return isinstance(number, Integral) and int(number) >= 1


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
    "label_smoothing": (Real, lambda part: 0 <= part < 1, "at least 0 and below 1"),
    "batch_size": (Integral, _is_positive_integer, "a whole number above 0"),
    "max_epochs": (Integral, _is_positive_integer, "a whole number above 0"),
    "validation_fraction": (Real, lambda part: 0 <= part < 1, "at least 0 and below 1"),
    "patience": (Integral, _is_positive_integer, "a whole number above 0"),
    "tolerance": (Real, lambda size: 0 <= size < math.inf, "0 or more"),
}


def _examples(x: FloatArray, labels: NDArray[np.intp], sample_weight: ArrayLike | None) -> Examples:
    """Check weights and scale them to a mean of 1; examples of weight 0 are left out, as if they were not there."""
    if sample_weight is None:
        return Examples(x, labels)
    weights = validation._check_sample_weight(sample_weight, x, dtype=np.float64)
    if (weights < 0).any() or not weights.any():
        raise ValueError("sample_weight is negative or only zeros; expected 0 or more, and some above 0")
    used = weights > 0
    weights = weights[used] / weights.max()  # first by the largest, so that the sum stays finite
    return Examples(x[used], labels[used], weights / weights.mean())


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

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Train on examples, from scratch each time.

        Parameters
        ----------
        X : array-like, shape (examples, features)
            Examples.
        y : array-like, shape (examples,)
            Their classes, as numbers or strings.
        sample_weight : array-like, shape (examples,), optional
            By how much each example counts in the loss, relative to the others; by default all count the same.

        Returns
        -------
        self : FeedForwardClassifier

        Raises
        ------
        SettingsError
            If a parameter has an impossible value, or training diverges.
        ValueError
            If the data cannot be used for training.
        """
        self._check_parameters()
        x, y = validation.validate_data(self, X, y, dtype=np.float64)
        multiclass.check_classification_targets(y)
        self.classes_, labels = np.unique(y, return_inverse=True)
        examples = _examples(x, labels, sample_weight)
        self._initialise(x.shape[1:])
        training, held_out = self._split(examples.labels, self._rng)
        self._train(examples.at(training), examples.at(held_out))
        return self

    def _initialise(self, shape: tuple[int, ...]) -> None:
        """Make a network with random weights for `classes_`."""
        self._rng = np.random.default_rng(check_random_state(self.random_state).randint(2**32, size=4, dtype=np.uint32))
        sizes = tuple(int(units) for units in self.hidden_layer_sizes)
        layers = hidden_layers(sizes, self.activation, self.batch_norm, float(self.dropout))
        self.network_ = Network([*layers, Dense(len(self.classes_))], shape, np.float64).initialise(self._rng)
        self._trainer: Trainer | None = None
        self.loss_curve_: list[float] = []
        self.validation_curve_: list[float] = []

    def partial_fit(
        self, X: ArrayLike, y: ArrayLike, classes: ArrayLike | None = None, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Continue training with one pass over some examples, at the constant `learning_rate`.

        Parameters
        ----------
        X, y, sample_weight : array-like
            As for `fit`. If training diverges, what was learned before is kept.
        classes : array-like, shape (classes,), optional
            All classes that will ever occur; needed in the first call, unless `fit` was called before.

        Returns
        -------
        self : FeedForwardClassifier
        """
        self._check_parameters()
        fitted = hasattr(self, "network_")
        if not fitted:
            multiclass._check_partial_fit_first_call(self, classes)
        elif classes is not None and not np.array_equal(self.classes_, np.unique(np.asarray(classes))):
            raise ValueError(f"classes are {classes!r}; expected those of the first call, {self.classes_!r}")
        x, y = validation.validate_data(self, X, y, dtype=np.float64, reset=not fitted)
        multiclass.check_classification_targets(y)
        if not (known := np.isin(y, self.classes_)).all():
            raise ValueError(f"y holds {np.asarray(y)[~known][0]!r}, which is none of the classes {self.classes_!r}")
        examples = _examples(x, np.searchsorted(self.classes_, y), sample_weight)
        if len(examples.x) < 2 and self.batch_norm:
            raise ValueError(f"n_samples={len(examples.x)}; batch_norm needs at least 2 examples at a time")
        if not fitted:
            self._initialise(x.shape[1:])
        if self._trainer is None:
            self._trainer = self._new_trainer(Constant(float(self.learning_rate)))
        vector = self.network_.parameters.vector
        before = vector.copy()
        try:
            self._epoch(self._trainer, examples, 0.0, 0.0)
        except SettingsError:
            vector[:], self._trainer = before, None
            raise
        self.n_iter_ = len(self.loss_curve_)
        return self

    def _new_trainer(self, schedule: Schedule) -> Trainer:
        optimizer = SGD(_MOMENTUM) if self.optimizer == "sgd" else AdamW(weight_decay=float(self.weight_decay))
        return Trainer(self.network_, optimizer, schedule, self.label_smoothing)

    def _split(
        self, labels: NDArray[np.integer], rng: np.random.Generator
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return the positions of the training and of the held-out examples, stratified by class."""
        positions = np.arange(len(labels))
        if not self.validation_fraction:
            return positions, positions[:0]
        seed = int(rng.integers(2**31))
        training, held_out = train_test_split(
            positions, test_size=self.validation_fraction, stratify=labels, random_state=seed
        )
        return training, held_out

    def _train(self, training: Examples, held_out: Examples) -> None:
        """Train the network until `max_epochs` or `patience` is reached."""
        trainer = self._new_trainer(_SCHEDULES[self.schedule](float(self.learning_rate)))
        vector = self.network_.parameters.vector
        best, best_vector, best_epoch = math.inf, vector.copy(), 0
        for epoch in range(self.max_epochs):
            try:
                loss = self._epoch(trainer, training, epoch / self.max_epochs, (epoch + 1) / self.max_epochs)
            except SettingsError:
                del self.network_  # not fitted, rather than wrong
                raise
            if len(held_out.x):
                probabilities = self.network_.probabilities(held_out.x)
                correct = probabilities[np.arange(len(held_out.x)), held_out.labels]
                losses = -np.log(np.maximum(correct, np.finfo(np.float64).tiny))
                loss = float(np.average(losses, weights=held_out.weights))
                self.validation_curve_.append(loss)
            if loss < best - self.tolerance:
                best, best_epoch = loss, epoch
                best_vector = vector.copy() if len(held_out.x) else best_vector
            elif epoch - best_epoch >= self.patience:
                break
        if len(held_out.x):
            vector[:] = best_vector
        self.n_iter_ = len(self.loss_curve_)

    @np.errstate(over="ignore", invalid="ignore", divide="ignore")
    def _epoch(self, trainer: Trainer, examples: Examples, start: float, end: float) -> float:
        """Do one pass over examples and return its mean loss; raise SettingsError if the numbers are not finite."""
        # No small batch is left over: a single example would distort the statistics of batch normalisation.
        loss = trainer.epoch(examples, max(len(examples.x) // self.batch_size, 1), start, end, self._rng)
        if not (np.isfinite(loss) and np.isfinite(self.network_.parameters.vector).all()):
            raise SettingsError(
                f"training diverged in epoch {len(self.loss_curve_) + 1}, as its numbers are no longer finite; take a "
                f"smaller learning_rate than {self.learning_rate:g}, or standardise the columns of X (StandardScaler)"
            )
        self.loss_curve_.append(loss)
        return loss

    def _logits(self, X: ArrayLike) -> FloatArray:
        validation.check_is_fitted(self, "network_")
        with np.errstate(over="ignore", invalid="ignore"):
            logits: FloatArray = self.network_.logits(validation.validate_data(self, X, dtype=np.float64, reset=False))
        if not np.isfinite(logits).all():
            raise ValueError("X holds numbers too large for the network; standardise its columns (StandardScaler)")
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
