"""One training step, its shards, and the state from step to step."""

import itertools

import numpy as np
import pytest

from cases import case
from nn_cases import SMALL_TDNN
from sayso.nn import SGD, AdamW, BatchNorm, Constant, CosineWithWarmup, Dense, Dropout, Network, ReLU, Tanh, one_hot
from sayso.nn.trainer import Trainer

LAYERS = [Dense(16, bias=False), BatchNorm(), ReLU(), Dropout(0.3), Dense(3)]
X = np.random.default_rng(0).normal(size=(30, 5)).astype(np.float32)
LABELS = np.random.default_rng(1).integers(3, size=30)


whole_and_sharded = pytest.mark.parametrize("shard_size", [0, 8], ids=["whole", "sharded"])


def trainer(average_decay: float = 0.9, shard_size: int = 0) -> Trainer:
    network = Network(LAYERS, (5,)).initialise(np.random.default_rng(2))
    return Trainer(network, AdamW(weight_decay=0.01), CosineWithWarmup(0.01), 0.1, average_decay, shard_size)


def run(trainer: Trainer, first: int, last: int) -> None:
    for step in range(first, last):
        trainer.step(X, LABELS, step / 20, np.random.default_rng(step))


def test_a_step_reports_loss_correct_predictions_and_gradient_norm() -> None:
    network = Network([Dense(3), BatchNorm()], (5,)).initialise(np.random.default_rng(2))
    # In training mode, the statistics of the batch are used.
    logits = network.loss_and_gradient(X, one_hot(LABELS, 3), np.random.default_rng(0))[1]
    result = Trainer(network, SGD(), Constant(0.1)).step(X, LABELS, 0.0, np.random.default_rng(0))
    assert result.correct == np.sum(logits.argmax(axis=1) == LABELS)
    learned = network.parameters.gradient[: network.parameter_count]
    assert result.gradient_norm == pytest.approx(float(np.linalg.norm(learned)))
    after = Trainer(network, SGD(), Constant(0.1)).step(X, LABELS, 0.0, np.random.default_rng(0))
    assert after.loss < result.loss


@whole_and_sharded
def test_a_restored_training_continues_with_the_same_bits(shard_size: int) -> None:
    straight = trainer(shard_size=shard_size)
    run(straight, 0, 20)
    first = trainer(shard_size=shard_size)
    run(first, 0, 8)
    state = {name: array.copy() for name, array in first.state().items()}
    run(first, 8, 11)
    second = trainer(shard_size=shard_size)
    second.restore(state)
    run(second, 8, 20)
    for name, array in straight.state().items():
        np.testing.assert_array_equal(second.state()[name], array, err_msg=name)


def test_the_average_starts_short_and_differs_from_the_current_values() -> None:
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


@whole_and_sharded
def test_everything_stays_in_single_precision_whatever_the_schedule_returns(shard_size: int) -> None:
    learning = trainer(shard_size=shard_size)
    learning.schedule = lambda progress: np.float64(0.01)
    run(learning, 0, 2)
    assert all(vector.dtype == np.float32 for name, vector in learning.state().items() if "steps" not in name)


def spy(network: Network, monkeypatch: pytest.MonkeyPatch) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return a list that collects the examples and the logits of each call of `loss_and_gradient`."""
    calls: list[tuple[np.ndarray, np.ndarray]] = []
    original = network.loss_and_gradient

    def recorded(x, *arguments, **options):
        loss, logits = original(x, *arguments, **options)
        calls.append((x, logits))
        return loss, logits

    monkeypatch.setattr(network, "loss_and_gradient", recorded)
    return calls


def test_shards_are_of_about_the_size_and_hold_every_example_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for batch, shard_size, expected in (
        (30, 0, [30]),
        (30, 30, [30]),
        (30, 100, [30]),
        (30, 10, [10, 10, 10]),
        (30, 8, [8, 8, 7, 7]),
        (29, 10, [10, 10, 9]),
        (14, 10, [14]),
        (4, 1, [1, 1, 1, 1]),
        (1, 8, [1]),
    ):
        with case(batch, shard_size):
            learning = trainer(shard_size=shard_size)
            calls = spy(learning.network, monkeypatch)
            learning.step(X[:batch], LABELS[:batch], 0.0, np.random.default_rng(0))
            assert sorted((len(x) for x, _ in calls), reverse=True) == expected
            seen = np.concatenate([x for x, _ in calls])
            np.testing.assert_array_equal(np.sort(seen, axis=0), np.sort(X[:batch], axis=0))


def test_without_batch_norm_and_dropout_the_result_does_not_depend_on_the_shards() -> None:
    for batch, shard_size in itertools.product((30, 29, 17), (1, 4, 7, 10, 16)):
        with case(batch, shard_size):
            x, labels = X[:batch].astype(np.float64), LABELS[:batch]
            results, trainers = [], []
            for size in (0, shard_size):
                network = Network([Dense(16), Tanh(), Dense(3)], (5,), np.float64).initialise(np.random.default_rng(2))
                trainers.append(Trainer(network, SGD(0.9), Constant(0.1), 0.1, 0.5, size))
                # A smaller batch follows a larger one, with fewer shards: the unused ones must have no effect.
                trainers[-1].step(X.astype(np.float64), LABELS, 0.0, np.random.default_rng(0))
                results.append(trainers[-1].step(x, labels, 0.0, np.random.default_rng(0)))
            assert results[1].loss == pytest.approx(results[0].loss, rel=1e-12)
            assert results[1].correct == results[0].correct
            assert results[1].gradient_norm == pytest.approx(results[0].gradient_norm, rel=1e-12)
            whole, cut = (trainer.network.parameters for trainer in trainers)
            np.testing.assert_allclose(cut.gradient, whole.gradient, rtol=1e-10, atol=1e-14)
            for name, array in trainers[0].state().items():
                np.testing.assert_allclose(trainers[1].state()[name], array, rtol=1e-10, atol=1e-14, err_msg=name)


def test_shards_give_the_same_bits_on_any_number_of_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    def state_with(processors: int | None) -> dict[str, np.ndarray]:
        monkeypatch.setattr("sayso.nn.trainer.os.cpu_count", lambda: processors)
        learning = trainer(shard_size=4)
        run(learning, 0, 5)
        return learning.state()

    expected = state_with(1)
    for processors in (None, 2, 3, 64):
        with case(processors):
            for name, array in state_with(processors).items():
                np.testing.assert_array_equal(array, expected[name], err_msg=name)


def test_running_statistics_are_the_weighted_mean_over_the_shards() -> None:
    for batch in (30, 29):
        with case(batch):
            x = X[:batch]
            network = Network([BatchNorm(), Dense(3)], (5,)).initialise(np.random.default_rng(2))
            Trainer(network, SGD(), Constant(0.1), shard_size=10).step(x, LABELS[:batch], 0.0, np.random.default_rng(0))
            shards = [x[:10], x[10:20], x[20:]]
            weights = [len(shard) / batch for shard in shards]
            means = np.average([shard.mean(axis=0) for shard in shards], axis=0, weights=weights)
            variances = np.average([shard.var(axis=0, ddof=1) for shard in shards], axis=0, weights=weights)
            norm = network.parameters.values["0.BatchNorm"]
            np.testing.assert_allclose(norm["mean"][:, 0], 0.1 * means, rtol=1e-5, atol=1e-6)
            np.testing.assert_allclose(norm["variance"][:, 0], 0.9 + 0.1 * variances, rtol=1e-5)


def test_each_shard_draws_different_random_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network([Dropout(0.5), Dense(3)], (200,)).initialise(np.random.default_rng(2))
    learning = Trainer(network, SGD(), Constant(0.0), shard_size=1)
    calls, rng = spy(network, monkeypatch), np.random.default_rng(0)
    for _ in range(2):
        learning.step(np.ones((4, 200), np.float32), np.zeros(4, int), 0.0, rng)
    assert len(np.unique([logits[0] for _, logits in calls], axis=0)) == 8


@pytest.mark.parametrize("layers", [LAYERS[:3] + LAYERS[4:], SMALL_TDNN.layers(3)], ids=["dense", "tdnn"])
def test_networks_with_batch_norm_learn_in_shards(layers: list) -> None:
    shape = (5,) if len(layers) == 4 else (9, 5)
    x = np.random.default_rng(0).normal(size=(30, *shape)).astype(np.float32)
    network = Network(layers, shape).initialise(np.random.default_rng(2))
    learning, rng = Trainer(network, AdamW(), Constant(0.02), shard_size=8), np.random.default_rng(0)
    losses = [learning.step(x, LABELS, 0.0, rng).loss for _ in range(60)]
    assert np.mean(losses[-5:]) < 0.3 * losses[0]
    assert all(np.isfinite(array).all() for array in learning.state().values())
