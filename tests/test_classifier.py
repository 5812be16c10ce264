"""The general classifier follows scikit-learn's conventions, and it learns."""

import doctest
import pickle

import numpy as np
import pytest
from sklearn.datasets import load_digits, load_wine, make_moons
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import sayso.classifier
from cases import case
from sayso import FeedForwardClassifier
from sayso.errors import SettingsError

MOONS = make_moons(600, noise=0.2, random_state=0)


@parametrize_with_checks(
    [
        FeedForwardClassifier(),
        FeedForwardClassifier(
            (20, 20), activation="tanh", batch_norm=False, dropout=0.1, optimizer="sgd", learning_rate=0.01
        ),
    ],
    # An example of weight 2 is not drawn like two examples: the batches differ.
    expected_failed_checks=lambda estimator: {
        "check_sample_weight_equivalence_on_dense_data": "weights change the gradient, copies also the batches"
    },
)
def test_it_passes_scikit_learns_estimator_checks(estimator, check) -> None:
    check(estimator)


def test_it_classifies_digits() -> None:
    X, y = load_digits(return_X_y=True)
    scores = []
    for seed in range(3):
        X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=1 / 3, stratify=y, random_state=seed)
        scores.append(FeedForwardClassifier(random_state=seed).fit(X_train, y_train).score(X_test, y_test))
    assert np.mean(scores) >= 0.97


def test_two_moons_are_separated_with_all_kinds_of_settings() -> None:
    X, y = MOONS
    for settings in (
        {},
        {"optimizer": "sgd", "learning_rate": 0.05},
        {"activation": "tanh", "batch_norm": False, "learning_rate": 0.02},
        {"schedule": "one-cycle"},
        {"schedule": "constant"},
        {"schedule": "step"},
        {"weight_decay": 0.01, "label_smoothing": 0.1},
        {"hidden_layer_sizes": [50, 50], "dropout": 0.1, "validation_fraction": 0.2},
    ):
        with case(settings):
            classifier = FeedForwardClassifier(random_state=0, **settings).fit(X[:400], y[:400])
            assert classifier.score(X[400:], y[400:]) > 0.95


def test_without_hidden_layers_it_is_logistic_regression() -> None:
    X, y = MOONS
    classifier = FeedForwardClassifier((), learning_rate=0.05, random_state=0).fit(X, y)
    assert len(classifier.network_.chain.layers) == 1
    assert 0.8 < classifier.score(X, y) < 0.9


def test_it_learns_exclusive_or_with_string_classes() -> None:
    X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]] * 10)
    y = np.array(["same", "different", "different", "same"] * 10)
    classifier = FeedForwardClassifier((16,), random_state=0).fit(X, y)
    assert classifier.classes_.tolist() == ["different", "same"]
    assert (classifier.predict(X) == y).all()


def test_probabilities_and_decisions_agree_with_the_predictions() -> None:
    X, y = load_wine(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    classifier = FeedForwardClassifier(random_state=0).fit(X, y)
    probabilities, decisions = classifier.predict_proba(X), classifier.decision_function(X)
    assert probabilities.shape == decisions.shape == (178, 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    for scores in (probabilities, decisions):
        np.testing.assert_array_equal(scores.argmax(axis=1), classifier.predict(X))
    binary = FeedForwardClassifier(random_state=0).fit(X, y == 1)
    first, second = binary.predict_proba(X).T
    np.testing.assert_allclose(binary.decision_function(X), np.log(second) - np.log(first))


def test_the_seed_determines_the_result_and_fit_starts_from_scratch() -> None:
    X, y = MOONS

    def probabilities(seed: object) -> np.ndarray:
        settings = {"dropout": 0.2, "max_epochs": 5, "validation_fraction": 0.1}
        return FeedForwardClassifier(random_state=seed, **settings).fit(X, y).predict_proba(X)

    np.testing.assert_array_equal(probabilities(1), probabilities(1))
    np.testing.assert_array_equal(probabilities(np.random.RandomState(1)), probabilities(np.random.RandomState(1)))
    assert not np.array_equal(probabilities(1), probabilities(2))
    classifier = FeedForwardClassifier(max_epochs=3, random_state=0)
    np.testing.assert_array_equal(classifier.fit(X, y).predict_proba(X), classifier.fit(X, y).predict_proba(X))


def test_the_global_random_state_is_not_used() -> None:
    np.random.seed(0)  # noqa: NPY002 - the state that must not change
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    FeedForwardClassifier(max_epochs=1, random_state=0).fit(*MOONS)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_training_stops_without_improvement() -> None:
    X, y = MOONS
    noise = np.random.default_rng(0).integers(2, size=len(y))
    classifier = FeedForwardClassifier(validation_fraction=0.3, patience=3, random_state=0).fit(X, noise)
    assert classifier.n_iter_ < 50
    assert len(classifier.loss_curve_) == len(classifier.validation_curve_) == classifier.n_iter_
    assert np.argmin(classifier.validation_curve_) == classifier.n_iter_ - 4
    assert FeedForwardClassifier(patience=4, tolerance=10.0, random_state=0).fit(X, y).n_iter_ == 5
    plain = FeedForwardClassifier(max_epochs=7, random_state=0).fit(X, y)
    assert plain.n_iter_ == len(plain.loss_curve_) == 7
    assert plain.validation_curve_ == []
    assert plain.loss_curve_[-1] < plain.loss_curve_[0]


def test_the_best_epoch_is_kept() -> None:
    X, y = MOONS
    noise = np.random.default_rng(0).integers(2, size=len(y))
    settings = {"validation_fraction": 0.3, "schedule": "constant", "tolerance": 0.0, "random_state": 0}
    long = FeedForwardClassifier(max_epochs=30, patience=30, **settings).fit(X, noise)
    best = int(np.argmin(long.validation_curve_)) + 1
    assert best < 30
    short = FeedForwardClassifier(max_epochs=best, **settings).fit(X, noise)
    np.testing.assert_array_equal(long.predict_proba(X), short.predict_proba(X))


def test_no_batch_holds_a_single_example_unless_it_is_the_only_one() -> None:
    X, y = MOONS
    pair, three = (FeedForwardClassifier(batch_size=size, max_epochs=5, random_state=0) for size in (2, 3))
    np.testing.assert_array_equal(pair.fit(X[:3], y[:3]).predict_proba(X), three.fit(X[:3], y[:3]).predict_proba(X))
    assert np.isfinite(three.fit(X[:1], y[:1]).predict_proba(X)).all()


def test_it_works_in_pipelines_searches_and_pickles() -> None:
    X, y = load_wine(return_X_y=True)
    model = make_pipeline(StandardScaler(), FeedForwardClassifier(learning_rate=0.02, max_epochs=20, random_state=0))
    search = GridSearchCV(model, {"feedforwardclassifier__hidden_layer_sizes": [(5,), (20, 20)]}, cv=3).fit(X, y)
    assert search.best_score_ > 0.9
    again = pickle.loads(pickle.dumps(search.best_estimator_))
    np.testing.assert_array_equal(again.predict_proba(X), search.predict_proba(X))


def test_impossible_settings_are_refused() -> None:
    for settings, message in (
        ({"hidden_layer_sizes": (0,)}, "hidden_layer_sizes is"),
        ({"hidden_layer_sizes": 100}, "hidden_layer_sizes is 100; expected whole numbers above 0"),
        ({"hidden_layer_sizes": (2.5,)}, "hidden_layer_sizes is"),
        ({"activation": "sine"}, "activation is 'sine'; expected 'relu' or 'tanh'"),
        ({"batch_norm": "no"}, "batch_norm is"),
        ({"dropout": 1.0}, "dropout is"),
        ({"optimizer": "newton"}, "optimizer is"),
        ({"learning_rate": 0}, "learning_rate is"),
        ({"learning_rate": float("nan")}, "learning_rate is"),
        ({"schedule": "never"}, "schedule is"),
        ({"weight_decay": -1}, "weight_decay is"),
        ({"optimizer": "sgd", "weight_decay": 0.1}, "use 'adam'"),
        ({"label_smoothing": 1}, "label_smoothing is"),
        ({"batch_size": 0}, "batch_size is"),
        ({"batch_size": 1}, "batch_size is 1; expected at least 2"),
        ({"max_epochs": 1.5}, "max_epochs is"),
        ({"validation_fraction": 1}, "validation_fraction is"),
        ({"patience": 0}, "patience is"),
        ({"tolerance": None}, "tolerance is"),
    ):
        with case(settings), pytest.raises(SettingsError, match=message):
            FeedForwardClassifier(**settings).fit(*MOONS)


def test_the_example_in_the_docstring_holds() -> None:
    results = doctest.testmod(sayso.classifier)
    assert results.attempted >= 4
    assert results.failed == 0


def test_weights_count_like_copies() -> None:
    X, y = MOONS[0][:60], MOONS[1][:60]
    weights = np.random.default_rng(0).integers(0, 4, 60)
    # In one batch, without batch normalisation, nothing differs but the order of the sum.
    settings = {"batch_norm": False, "batch_size": 10_000, "max_epochs": 20, "random_state": 0}
    weighted = FeedForwardClassifier(**settings).fit(X, y, sample_weight=weights)
    copied = FeedForwardClassifier(**settings).fit(X.repeat(weights, axis=0), y.repeat(weights))
    np.testing.assert_allclose(weighted.predict_proba(X), copied.predict_proba(X), atol=1e-9)
    scaled = FeedForwardClassifier(**settings).fit(X, y, sample_weight=weights * 1e300)
    np.testing.assert_allclose(scaled.predict_proba(X), weighted.predict_proba(X), atol=1e-9)
    for bad, message in (
        (np.zeros(60), "zero"),
        (-weights, "negative"),
        (weights[:5], "sample_weight"),
        ([np.nan] * 60, "NaN"),
    ):
        with case(message), pytest.raises(ValueError, match=message):
            FeedForwardClassifier().fit(X, y, sample_weight=bad)


def test_rare_classes_are_found_when_they_weigh_more() -> None:
    X, y = MOONS
    few = np.concatenate([np.flatnonzero(y == 0), np.flatnonzero(y == 1)[:6]])
    plain = FeedForwardClassifier((), random_state=0).fit(X[few], y[few])
    weights = np.where(y[few] == 1, 50, 1)
    heavy = FeedForwardClassifier((), random_state=0).fit(X[few], y[few], sample_weight=weights)
    rare = y == 1
    assert np.mean(heavy.predict(X[rare]) == 1) > np.mean(plain.predict(X[rare]) == 1) + 0.2


def test_numbers_beyond_all_bounds_are_an_error_that_says_what_to_do() -> None:
    X, y = MOONS
    for settings, data in (
        ({"optimizer": "sgd", "learning_rate": 1e6, "activation": "tanh", "hidden_layer_sizes": (50, 50)}, X * 1e154),
        ({"optimizer": "sgd", "learning_rate": 1e200}, X),
        ({"learning_rate": 1e308, "batch_norm": False}, X),
        ({"validation_fraction": 0.2, "optimizer": "sgd", "learning_rate": 1e150}, X),
    ):
        with case(settings):
            classifier = FeedForwardClassifier(random_state=0, **settings)
            with pytest.raises(
                SettingsError, match=r"diverged in epoch .* smaller learning_rate than .*StandardScaler"
            ):
                classifier.fit(data, y)
            with pytest.raises(NotFittedError):
                classifier.predict(data)


def test_numbers_too_large_for_a_fitted_network_are_an_error() -> None:
    classifier = FeedForwardClassifier((50, 50), batch_norm=False, random_state=0, max_epochs=3).fit(*MOONS)
    with pytest.raises(ValueError, match="too large for the network; standardise"):
        classifier.predict_proba(np.full((3, 2), 1.7e308))


def test_it_learns_part_by_part() -> None:
    X, y = load_digits(return_X_y=True)
    names = np.array([f"digit {number}" for number in y])
    classifier = FeedForwardClassifier(random_state=0)
    for _ in range(5):
        for start in range(0, 1_200, 300):
            part = slice(start, start + 300)
            classifier.partial_fit(X[part], names[part], classes=np.unique(names))
    assert classifier.score(X[1_200:], names[1_200:]) > 0.9
    assert classifier.n_iter_ == len(classifier.loss_curve_) == 20
    # After fit, and after a pickle, it goes on from what was learned.
    fitted = pickle.loads(
        pickle.dumps(FeedForwardClassifier(random_state=0, max_epochs=10).fit(X[:1_200], names[:1_200]))
    )
    before = fitted.score(X[1_200:], names[1_200:])
    fitted.partial_fit(X[:300], names[:300])
    assert fitted.score(X[1_200:], names[1_200:]) > before - 0.05


def test_parts_that_cannot_be_learned_leave_what_was_learned() -> None:
    X, y = MOONS
    classifier = FeedForwardClassifier(random_state=0).partial_fit(X, y, classes=[0, 1])
    before = classifier.predict_proba(X)
    for arguments, message in (
        ((X * 1e306, y), "diverged"),
        ((X, y + 5), "none of the classes"),
        ((X, y, [0, 1, 2]), "expected those of the first call"),
        ((X[:1], y[:1]), "batch_norm needs at least 2"),
        ((X[:, :1], y), "features"),
    ):
        with case(message), pytest.raises(ValueError, match=message):
            classifier.partial_fit(*arguments)
        np.testing.assert_array_equal(classifier.predict_proba(X), before)
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        FeedForwardClassifier().partial_fit(X, y)
