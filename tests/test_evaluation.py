"""Figures of quality, compared with SciPy's and scikit-learn's."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support

from heed.config import SILENCE, UNKNOWN
from heed.corpus import scan
from heed.errors import CorpusError
from heed.evaluation import Evaluation, evaluate_corpus, wilson_interval
from heed.recognizer import Recognizer

LABELS = ("yes", "no", "up", UNKNOWN)


@settings(deadline=None)
@given(st.integers(1, 20_000).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total))))
def test_the_interval_is_that_of_scipy(counts: tuple[int, int]) -> None:
    right, total = counts
    reference = binomtest(right, total).proportion_ci(0.95, method="wilson")
    low, high = wilson_interval(right, total)
    assert low == pytest.approx(reference.low, abs=1e-7)
    assert high == pytest.approx(reference.high, abs=1e-7)
    assert low <= right / total + 1e-12
    assert high >= right / total - 1e-12


def test_the_interval_of_nothing_is_everything() -> None:
    assert wilson_interval(0, 0) == (0.0, 1.0)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=80))
def test_scores_are_those_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    truth, said = np.array(pairs).T
    evaluation = Evaluation.of(LABELS, truth, said)
    np.testing.assert_array_equal(evaluation.confusion, confusion_matrix(truth, said, labels=range(4)))
    assert evaluation.accuracy == pytest.approx(accuracy_score(truth, said))
    assert evaluation.clips == len(pairs)
    assert evaluation.interval == wilson_interval(evaluation.right, len(pairs))
    # Zero where there is nothing to divide by.
    reference = precision_recall_fscore_support(truth, said, labels=range(4), zero_division=0)
    for row, score in zip(zip(*reference, strict=True), evaluation.words.values(), strict=True):
        assert (score.precision, score.recall, score.f1, score.clips) == pytest.approx(row)


def test_of_nothing_nothing_is_right() -> None:
    nothing = np.array([], np.int64)
    evaluation = Evaluation.of(LABELS, nothing, nothing)
    assert (evaluation.clips, evaluation.accuracy, evaluation.interval) == (0, 0.0, (0.0, 1.0))
    assert all(score.f1 == 0 for score in evaluation.words.values())


def test_plain_values_are_json() -> None:
    evaluation = Evaluation.of(("a", "b"), np.array([0, 0, 1]), np.array([0, 1, 1]))
    assert json.loads(json.dumps(evaluation.to_dict())) == {
        "accuracy": pytest.approx(2 / 3),
        "interval": list(evaluation.interval),
        "clips": 3,
        "words": {
            "a": {"precision": 1.0, "recall": 0.5, "f1": pytest.approx(2 / 3), "clips": 2},
            "b": {"precision": 0.5, "recall": 1.0, "f1": pytest.approx(2 / 3), "clips": 1},
        },
        "labels": ["a", "b"],
        "confusion": [[1, 1], [0, 1]],
    }


@pytest.mark.parametrize("split", ["training", "validation", "testing"])
def test_the_tiny_model_knows_its_corpus(split: str, tiny_corpus: Path, tiny_recognizer: Recognizer) -> None:
    evaluation, skipped = evaluate_corpus(tiny_recognizer, scan(tiny_corpus), split)
    each = 16 if split == "training" else 4
    np.testing.assert_array_equal(evaluation.confusion, each * np.eye(5))
    assert evaluation.labels == tiny_recognizer.labels
    assert skipped == ()


def test_of_a_test_archive_every_clip_counts(tiny_corpus: Path, tiny_recognizer: Recognizer, tmp_path: Path) -> None:
    for label, word, count in (("yes", "yes", 5), ("other", "no", 4), (UNKNOWN, "zero", 9), (SILENCE, "no", 3)):
        (tmp_path / label).mkdir()
        for path in sorted((tiny_corpus / word).iterdir())[:count]:
            shutil.copy(path, tmp_path / label)
    evaluation, _ = evaluate_corpus(tiny_recognizer, scan(tmp_path), "validation")
    words = evaluation.words
    # Words that the model does not know deserve to be called unknown.
    assert [words[label].clips for label in tiny_recognizer.labels] == [5, 0, 0, 13, 3]
    no, unknown, silence = (tiny_recognizer.labels.index(label) for label in ("no", UNKNOWN, SILENCE))
    assert evaluation.confusion[unknown, no] == 4
    assert evaluation.confusion[silence, no] == 3
    assert evaluation.right == 14


def test_bad_files_are_named_and_the_rest_is_measured(
    tiny_corpus: Path, tiny_recognizer: Recognizer, tmp_path: Path
) -> None:
    root = shutil.copytree(tiny_corpus, tmp_path / "corpus")
    bad = [scan(root).by_split("testing")[0].path, root / "_background_noise_" / "white.wav"]
    for path in bad:
        path.write_bytes(b"damaged")
    evaluation, skipped = evaluate_corpus(tiny_recognizer, scan(root), "testing")
    assert [entry.path for entry in skipped] == bad
    assert evaluation.words["no"].clips == 3


def test_nothing_to_measure_on_is_an_error(tiny_corpus: Path, tiny_recognizer: Recognizer, tmp_path: Path) -> None:
    (tmp_path / "yes").mkdir()
    clip = scan(tiny_corpus).by_split("training")[0].path
    shutil.copy(clip, tmp_path / "yes")
    with pytest.raises(CorpusError, match=r"no usable testing clip of the model's labels \(yes, no, up, "):
        evaluate_corpus(tiny_recognizer, scan(tmp_path), "testing")
