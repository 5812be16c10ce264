"""What a model file tells for people to read: every value is typed and bounded, whatever the file holds."""

import itertools
from dataclasses import asdict
from typing import Any

from cases import case
from sayso.model import plain
from sayso.model.metadata import MOST_SCORES, Score, scores_of, training_of, versions_of
from sayso.model.model_file import Model

DEEP: list[Any] = []
for _ in range(2_000):
    DEEP = [DEEP]
ODD: tuple[Any, ...] = (
    None, True, 0, -1, 2**63, 10**400, -(10**400), 0.5, 1e308, float("nan"), float("inf"), "", "x", "\x1b[2J", "\ud800",
    "y" * 100_000, [], {}, [1], [[]], DEEP, [None, None], {"a": 1}, {1: 2}, [float("nan")] * 2, [10**400] * 2,
)  # fmt: skip


def leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [leaf for pair in value.items() for part in pair for leaf in leaves(part)]
    if isinstance(value, list | tuple):
        return [leaf for part in value for leaf in leaves(part)]
    return [value]


def check(value: Any) -> None:
    """Check that all that is in a value can be formatted, drawn and printed."""
    for leaf in leaves(value):
        assert leaf is None or isinstance(leaf, str | int | float)
        if isinstance(leaf, str):
            assert leaf.isprintable()
            assert len(leaf) <= 10 * plain.LONGEST_TEXT
        elif leaf is not None:
            assert -plain.LARGEST <= leaf <= plain.LARGEST
            f"{leaf:,}"


def test_what_a_training_records_is_read(tiny_model: Model) -> None:
    record = training_of(tiny_model.training)
    assert record.corpus == tiny_model.training["data"]["corpus"]
    assert record.clips == tiny_model.training["data"]["clips"]
    assert record.seed == tiny_model.training["settings"]["training"]["seed"]
    assert record.sha256 == tiny_model.training["data"]["sha256"]
    assert record.best_epoch == tiny_model.training["best_epoch"]
    assert record.validation_accuracy == tiny_model.training["validation_accuracy"]
    assert [asdict(row) for row in record.history] == tiny_model.training["history"]
    assert record.layers == tiny_model.training["layers"]
    assert record.validated
    assert dict(record.settings)["augmentation.noise_snr"] == "10.0, 30.0"
    assert dict(record.settings)["training.optimizer"] == tiny_model.training["settings"]["training"]["optimizer"]


def test_no_value_in_the_record_of_a_training_does_harm(tiny_model: Model) -> None:
    good = tiny_model.training
    for name, odd in itertools.product(good, ODD):
        with case(name, repr(odd)[:40] if odd is not DEEP else "deep"):
            check(asdict(training_of({**good, name: odd})))
    for table in ("data", "settings"):
        for name, odd in itertools.product(good[table], ODD):
            with case(table, name, type(odd)):
                check(asdict(training_of({**good, table: {**good[table], name: odd}})))
    first, *others = good["history"]
    for name, odd in itertools.product(first, ODD):
        with case("history", name, type(odd)):
            check(asdict(training_of({**good, "history": [{**first, name: odd}, *others]})))


def test_a_history_that_is_no_course_of_epochs_is_none(tiny_model: Model) -> None:
    first, second, *_ = tiny_model.training["history"]
    for rows in (
        [second, first], [first, first], [{**first, "epoch": 0}], [{**first, "epoch": 10_001}], [first] * 10_001,
        [{**first, "loss": -1.0}], [{**first, "training_accuracy": 1.5}], [{**first, "loss": "1"}], [{**first, "x": 1}],
        [{**first, "layer_gradient_norms": [-1.0]}], [{**first, "validation_loss": "low"}], [list(first)],
    ):  # fmt: skip
        with case(str(rows)[:80]):
            assert training_of({"history": rows}).history == []


def test_scores_are_read_as_far_as_they_are_scores() -> None:
    good = {"accuracy": 0.5, "interval": [0.4, 0.6], "clips": 10}
    assert scores_of({"test": good}) == {"test": Score(0.5, (0.4, 0.6), 10)}
    for odd in ODD:
        with case(type(odd)):
            check(list(scores_of({"test": odd}).items()))
            for name in good:
                (score,) = scores_of({"test": {**good, name: odd}}).values()
                check(list(score))
    for interval in ([0.6, 0.4], [0.1], [0.1, 0.2, 0.3], [-1, 2], "ab"):
        with case(interval):
            assert scores_of({"test": {**good, "interval": interval}})["test"].interval is None
    assert len(scores_of({str(number): good for number in range(20_000)})) == MOST_SCORES


def test_versions_are_read_from_anything() -> None:
    assert versions_of({"numpy": "2.0"}) == {"numpy": "2.0"}
    for odd in ODD:
        check(versions_of(odd))
        check(versions_of({"numpy": odd}))


def test_plain_values_are_typed_and_bounded() -> None:
    for read, odd in itertools.product((plain.number, plain.whole, plain.text, plain.display), ODD):
        with case(read.__name__, type(odd)):
            check(read(odd))
