"""Accuracy, precision, recall and their intervals, compared with SciPy's and scikit-learn's."""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    confusion_matrix,
    precision_recall_fscore_support,
)

from sayso.cli.tables import word_table
from sayso.config import SILENCE, UNKNOWN
from sayso.corpus.corpus import Clip
from sayso.evaluation.accuracy import Evaluation, doubtful
from sayso.evaluation.intervals import wilson_interval

LABELS = ("yes", "no", "up", UNKNOWN)


@given(st.integers(1, 20_000).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total))))
def test_the_interval_is_that_of_scipy(counts: tuple[int, int]) -> None:
    correct, total = counts
    reference = binomtest(correct, total).proportion_ci(0.95, method="wilson")
    low, high = wilson_interval(correct, total)
    assert low == pytest.approx(reference.low, abs=1e-7)
    assert high == pytest.approx(reference.high, abs=1e-7)
    assert low <= correct / total + 1e-12
    assert high >= correct / total - 1e-12


def test_without_clips_the_interval_is_from_0_to_1() -> None:
    assert wilson_interval(0, 0) == (0.0, 1.0)


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=80))
def test_scores_are_those_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    truth, predicted = np.array(pairs).T
    evaluation = Evaluation.of(LABELS, truth, predicted)
    np.testing.assert_array_equal(evaluation.confusion, confusion_matrix(truth, predicted, labels=range(4)))
    assert evaluation.accuracy == pytest.approx(accuracy_score(truth, predicted))
    with warnings.catch_warnings():
        # scikit-learn warns of predicted labels without clips, which do not count.
        warnings.simplefilter("ignore")
        assert evaluation.balanced_accuracy == pytest.approx(balanced_accuracy_score(truth, predicted))
    assert evaluation.clips == len(pairs)
    assert evaluation.interval == wilson_interval(evaluation.correct, len(pairs))
    reference = precision_recall_fscore_support(truth, predicted, labels=range(4), zero_division=0)
    for row, score in zip(zip(*reference, strict=True), evaluation.words.values(), strict=True):
        assert (score.precision, score.recall, score.f1, score.clips) == pytest.approx(row)


def test_without_clips_all_scores_are_zero() -> None:
    nothing = np.array([], np.int64)
    evaluation = Evaluation.of(LABELS, nothing, nothing)
    assert (evaluation.clips, evaluation.accuracy, evaluation.interval) == (0, 0.0, (0.0, 1.0))
    assert evaluation.balanced_accuracy == 0
    assert all(score.f1 == 0 for score in evaluation.words.values())


def test_the_balanced_accuracy_gives_each_label_the_same_weight() -> None:
    truth = np.array([0] * 98 + [1, 1])
    evaluation = Evaluation.of(LABELS, truth, np.zeros(100, np.int64))
    assert evaluation.accuracy == 0.98
    assert evaluation.balanced_accuracy == 0.5


def test_plain_values_are_json() -> None:
    evaluation = Evaluation.of(("a", "b"), np.array([0, 0, 1]), np.array([0, 1, 1]))
    assert json.loads(json.dumps(evaluation.to_dict())) == {
        "accuracy": pytest.approx(2 / 3),
        "interval": list(evaluation.interval),
        "clips": 3,
        "words": {
            "a": {"precision": 1.0, "recall": 0.5, "f1": pytest.approx(2 / 3), "clips": 2, "predicted": 1},
            "b": {"precision": 0.5, "recall": 1.0, "f1": pytest.approx(2 / 3), "clips": 1, "predicted": 2},
        },
        "labels": ["a", "b"],
        "confusion": [[1, 1], [0, 1]],
    }


def test_mistakes_are_listed_by_frequency() -> None:
    confusion = np.array([[5, 1, 0, 0], [3, 9, 0, 0], [0, 0, 4, 0], [0, 0, 2, 1]])
    assert Evaluation(LABELS, confusion).mistakes == [("no", "yes", 3), (UNKNOWN, "up", 2), ("yes", "no", 1)]
    assert not Evaluation(LABELS, np.diag([1, 2, 3, 4])).mistakes


def test_doubtful_recordings_are_listed_by_their_loss() -> None:
    clips = [
        Clip(Path(f"{word}.wav"), word, None, "training") for word in ("yes", "no", "up", "tree", "house", SILENCE)
    ]
    probabilities = np.array(
        [
            [0.9, 0.1, 0, 0, 0],
            [0.8, 0.2, 0, 0, 0],
            [0.51, 0, 0.49, 0, 0],
            [0, 0, 0.1, 0.9, 0],
            [0, 1, 0, 0, 0],
            [0, 0, 0, 0, 1],
        ]
    )
    found = doubtful(clips, probabilities, (*LABELS, SILENCE))
    assert [(entry.clip.word, entry.predicted) for entry in found] == [("house", "no"), ("no", "yes"), ("up", "yes")]
    assert found[1].loss == pytest.approx(-np.log(0.2))
    assert doubtful(clips, probabilities, (*LABELS, SILENCE), most=1) == found[:1]


def test_without_clips_or_predictions_of_a_label_its_scores_are_dashes() -> None:
    truth, predicted = np.array([0, 0, 1, 1]), np.array([0, 2, 2, 0])
    lines = word_table(Evaluation.of(("all", "never", "absent"), truth, predicted)).splitlines()
    assert lines[1].split() == ["all", "50.0", "%", "50.0", "%", "50.0", "%", "2"]
    assert lines[2].split() == ["never", "–", "0.0", "%", "0.0", "%", "2"]
    assert lines[3].split() == ["absent", "–", "–", "–", "0"]
