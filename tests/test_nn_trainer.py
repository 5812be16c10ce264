"""One step of learning and the memory from step to step."""

import numpy as np
import pytest

from heed.nn import SGD, AdamW, BatchNorm, Constant, CosineWithWarmup, Dense, Dropout, Network, ReLU, one_hot
from heed.nn.trainer import Trainer

LAYERS = [Dense(16, bias=False), BatchNorm(), ReLU(), Dropout(0.3), Dense(3)]
X = np.random.default_rng(0).normal(size=(30, 5)).astype(np.float32)
LABELS = np.random.default_rng(1).integers(3, size=30)


def trainer(average_decay: float = 0.9) -> Trainer:
    network = Network(LAYERS, (5,)).initialise(np.random.default_rng(2))
    return Trainer(network, AdamW(weight_decay=0.01), CosineWithWarmup(0.01), 0.1, average_decay)


def run(trainer: Trainer, first: int, last: int) -> None:
    for step in range(first, last):
        trainer.step(X, LABELS, step / 20, np.random.default_rng(step))


def test_a_step_reports_what_it_saw() -> None:
    network = Network([Dense(3), BatchNorm()], (5,)).initialise(np.random.default_rng(2))
    # While training, the batch's own statistics count.
    said = network.loss_and_gradient(X, one_hot(LABELS, 3), np.random.default_rng(0))[1]
    result = Trainer(network, SGD(), Constant(0.1)).step(X, LABELS, 0.0, np.random.default_rng(0))
    assert result.correct == np.sum(said.argmax(axis=1) == LABELS)
    learned = network.parameters.gradient[: network.parameter_count]
    assert result.gradient_norm == pytest.approx(float(np.linalg.norm(learned)))
    after = Trainer(network, SGD(), Constant(0.1)).step(X, LABELS, 0.0, np.random.default_rng(0))
    assert after.loss < result.loss


def test_going_back_and_on_gives_the_same_bits() -> None:
    straight = trainer()
    run(straight, 0, 20)
    first = trainer()
    run(first, 0, 8)
    state = {name: array.copy() for name, array in first.state().items()}
    run(first, 8, 11)
    second = trainer()
    second.restore(state)
    run(second, 8, 20)
    for name, array in straight.state().items():
        np.testing.assert_array_equal(second.state()[name], array, err_msg=name)


def test_the_average_is_short_at_first_and_never_the_last_values() -> None:
    averaging = trainer(average_decay=0.9)
    history = []
    expected = averaging.averaged.copy()
    for step in range(20):
        run(averaging, step, step + 1)
        history.append(averaging.network.parameters.vector.copy())
        decay = min(0.9, (step + 1) / (step + 11))
        expected = decay * expected + (1 - decay) * history[-1]
    np.testing.assert_allclose(averaging.averaged, expected, rtol=1e-4, atol=1e-6)
    assert averaging.averaged.dtype == np.float32
    assert not np.array_equal(averaging.averaged, history[-1])
    plain = trainer(average_decay=0)
    assert plain.averaged is plain.network.parameters.vector


def test_everything_stays_in_single_precision_whatever_the_schedule_returns() -> None:
    learning = trainer()
    learning.schedule = lambda progress: np.float64(0.01)
    run(learning, 0, 2)
    assert all(vector.dtype == np.float32 for name, vector in learning.state().items() if "steps" not in name)
