"""What follows from predictions for clips: the worst clips, calibration, and the trade-off of a threshold."""

import numpy as np
import pytest
from sklearn.metrics import log_loss

from sayso.evaluation.predictions import Predictions

LABELS = ("yes", "no", "_unknown_", "_silence_")


@pytest.fixture(scope="module")
def random() -> Predictions:
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.full(4, 0.3), 500)
    return Predictions(LABELS, np.array([rng.choice(4, p=row) for row in probabilities]), probabilities)


def test_the_worst_clips_are_those_whose_label_is_least_probable(random: Predictions) -> None:
    assert np.mean(random.losses) == pytest.approx(log_loss(random.truth, random.probabilities, labels=range(4)))
    worst = random.worst(5)
    of_truth = random.probabilities[np.arange(500), random.truth]
    assert of_truth[worst].tolist() == sorted(of_truth)[:5]


def test_a_certain_mistake_has_a_finite_loss() -> None:
    assert Predictions(LABELS, np.array([1]), np.array([[1.0, 0.0, 0.0, 0.0]])).losses == pytest.approx(27.6, abs=0.1)


def test_confidence_that_matches_accuracy_is_calibrated(random: Predictions) -> None:
    assert sum(part.clips for part in random.calibration()) == 500
    assert random.calibration_error < 0.06
    overconfident = Predictions(LABELS, random.truth, np.eye(4)[random.predicted])
    assert overconfident.calibration_error == pytest.approx(1 - overconfident.evaluation.accuracy)
    assert overconfident.calibration() == [(1.0, overconfident.evaluation.accuracy, 500)]


def test_a_threshold_trades_misses_for_false_alarms() -> None:
    probabilities = [
        [0.9, 0.1, 0.0, 0.0],  # yes, detected
        [0.3, 0.2, 0.5, 0.0],  # yes, detected up to a threshold of 0.3
        [0.6, 0.4, 0.0, 0.0],  # no, detected as yes
        [0.5, 0.1, 0.4, 0.0],  # unknown, detected as yes up to 0.5
        [0.1, 0.0, 0.0, 0.9],  # silence
    ]
    predictions = Predictions(LABELS, np.array([0, 0, 1, 2, 3]), np.array(probabilities))
    assert predictions.trade_off((0.2, 0.4, 0.6, 0.95)) == [
        (0.2, pytest.approx(1 / 3), 0.5), (0.4, pytest.approx(2 / 3), 0.5), (0.6, pytest.approx(2 / 3), 0.0),
        (0.95, 1.0, 0.0),
    ]  # fmt: skip
    assert predictions.detection(0.2, {"yes": 0.55}) == (0.2, pytest.approx(2 / 3), 0.0)
    assert Predictions(LABELS, np.array([0]), np.array(probabilities[:1])).trade_off((0.5,)) == []
    assert Predictions(LABELS, np.array([3]), np.array(probabilities[4:])).trade_off((0.5,)) == []
