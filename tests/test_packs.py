"""Packs: what a network makes of other sounds, in bytes; found for a model, they decide thresholds of new words."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest

from cases import case
from sayso.config import DecisionSettings, FeatureSettings
from sayso.errors import ModelError
from sayso.evaluation.false_alarms import CHOSEN, Listened, Tail, highest_threshold, listened, tail_of
from sayso.model import checksums, pack, shipped
from sayso.model.model_file import Model
from sayso.model.pack import Pack, Space
from sayso.training import teacher
from sayso.training.body import Body
from sayso.training.teaching import teach
from test_teaching import clip, recordings


def pack_of(model: Model, *words: str, seconds: int = 40) -> Pack:
    """Make a pack in which each recording is one clip of a word, heard and learned."""
    body = Body(model)
    spoken = [(word, clip(word, seed)) for seed in range(100, 100 + seconds) for word in words]
    parts = [body.steps(samples) for _, samples in spoken]
    number = np.repeat(np.arange(len(spoken)), [len(whole) for whole, _ in parts]).astype(np.uint16)
    inputs = np.concatenate([whole for whole, _ in parts])
    kinds = np.array([words.index(word) for word, _ in spoken])[number]
    space = Space.fitted(inputs, inputs, kinds)
    scale, (steps,) = pack.in_bytes([space.coordinates(inputs)])
    silent = np.full(len(number), 255, np.uint8)
    texts = tuple(word for word, _ in spoken)
    return Pack(
        pack.body_digest(model), model.labels, texts, space, scale, steps[::3], number[::3], steps, number, silent
    )


@pytest.fixture(scope="module")
def three(tiny_model: Model) -> Pack:
    return pack_of(tiny_model, "three", "zero")


def test_coordinates_have_unit_variance_within_words_and_lead_back() -> None:
    rng = np.random.default_rng(0)
    words = np.repeat(np.arange(20), 50)
    examples = (3 * rng.standard_normal((20, 6)))[words] + rng.standard_normal((1_000, 6)) * [9, 1, 1, 1, 1, 0.1]
    space = Space.fitted(examples, examples, words)
    coordinates = space.coordinates(examples.astype(np.float32))
    within = np.concatenate(
        [coordinates[words == word] - coordinates[words == word].mean(axis=0) for word in range(20)]
    )
    spread = np.linalg.eigvalsh(within.T @ within / len(within))
    # No direction in which recordings of one word differ much is left, and small differences are not blown up.
    assert spread.max() < 1.05
    np.testing.assert_allclose(space.inputs(coordinates), examples, atol=1e-3)
    # Four bits are enough where they cover the usual range; what lies beyond is cut off.
    inside = (np.abs(coordinates) < np.quantile(np.abs(coordinates), 1 - pack.CUT, axis=0)).all(axis=1)
    for width in (6, 5):
        scale, (packed,) = pack.in_bytes([coordinates[:, :width]])
        again = pack_with(scale).coordinates(packed)
        assert packed.shape == (1_000, 3)
        assert (np.abs(again - coordinates[:, :width])[inside] <= 0.51 * scale).all()


def pack_with(scale: np.ndarray) -> Pack:
    empty = np.empty((0, 1), np.uint8)
    space = Space(scale, np.eye(len(scale), dtype=np.float32))
    none = np.empty(0, np.uint16)
    return Pack("", (), (), space, scale, empty, none, empty, none, np.empty(0, np.uint8))


def test_a_pack_is_saved_and_found_for_its_model_and_for_taught_ones(
    tiny_model: Model, three: Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipped, "bundled", lambda kind: tmp_path)
    assert pack.matching(tiny_model) is None
    path = tmp_path / "tiny.pack"
    three.save(path)
    with pytest.raises(ModelError, match="is not the pack that came with sayso"):
        pack.load(path)
    import hashlib

    monkeypatch.setitem(checksums.SHIPPED, "tiny.pack", hashlib.sha256(path.read_bytes()).hexdigest())
    found = pack.matching(tiny_model)
    assert found is not None
    for field in dataclasses.fields(Pack):
        one, other = getattr(three, field.name), getattr(found, field.name)
        with case(field.name):
            np.testing.assert_equal(other, one)
    taught = teach(tiny_model, recordings(tmp_path / "words", left=4), pack=found).model
    assert pack.matching(taught) is not None
    other_body = dataclasses.replace(tiny_model, standardizer=type(tiny_model.standardizer)(
        tiny_model.standardizer.mean + 1, tiny_model.standardizer.deviation))  # fmt: skip
    assert pack.matching(other_body) is None


def test_a_damaged_pack_is_refused(three: Pack, tmp_path: Path) -> None:
    path = tmp_path / "own.pack"
    dataclasses.replace(three, pauses=three.pauses[1:]).save(path)
    damaged = {"no file": tmp_path / "none.pack", "arrays that do not fit": path}
    (tmp_path / "text.pack").write_text("pack")
    for name, file in {**damaged, "no pack": tmp_path / "text.pack"}.items():
        with case(name), pytest.raises(ModelError, match="no pack or is damaged"):
            pack.load(file)


def test_the_rate_of_alarms_decides_the_threshold(
    tiny_model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(teacher, "PLAIN", 60)
    monkeypatch.setattr(teacher, "AUGMENTED", 120)
    corpus = recordings(tmp_path, left=8)
    other = pack_of(tiny_model, "three", "zero")
    rare = teach(tiny_model, corpus, pack=other, false_alarms_per_hour=0.01)
    often = teach(tiny_model, corpus, pack=other, false_alarms_per_hour=50.0)
    assert rare.model.decision.words["left"] >= often.model.decision.words["left"]
    assert rare.expected["left"].threshold == rare.model.decision.words["left"]
    rates = [taught.expected["left"].false_alarms_per_hour for taught in (rare, often)]
    assert all(rate is not None and rate <= most for rate, most in zip(rates, (0.011, 51.0), strict=True))
    # What is said in a recording counts: the word itself is no false alarm.
    assert other.without(["three"]).sum() == len(other.texts) / 2
    assert other.without(["thre", "hree", "Three zero"]).all()


def test_a_tail_extrapolates_beyond_the_largest_score() -> None:
    rng = np.random.default_rng(1)
    scores = tuple(sorted((rng.exponential(0.8, 400) - 2).tolist(), reverse=True))
    tail = Tail(2.0, scores[:40])
    for rate in (0.1, 0.5, 5.0):
        # 200 an hour exceed -2, and the excess has the mean 0.8.
        expected = max(-2 + 0.8 * math.log(200 / rate), CHOSEN[0])
        with case(f"{rate}"):
            assert tail.threshold(rate) == pytest.approx(expected, abs=1.5)
            assert tail.rate(tail.threshold(rate)) <= rate * 1.001
    assert tail.threshold(1e-9) == CHOSEN[1]
    assert Tail(1.0, ()).threshold(0.5) == CHOSEN[0]
    assert Tail(1.0, ()).rate(0.0) == 0


def test_the_highest_threshold_is_that_at_which_the_decision_still_detects() -> None:
    settings, labels = DecisionSettings(alone=False), ("lamp", "_unknown_", "_silence_")
    steps = np.tile(np.array([0.0, 1.0, 0.0], np.float32), (30, 1))
    steps[10:20, 0], steps[10:20, 1] = 0.9, 0.1
    quiet = np.tile(np.array([0.0, 1.0, 0.0], np.float32), (30, 1))
    features = FeatureSettings()
    found = highest_threshold(Listened(steps, steps), "lamp", labels, settings, features)
    assert found == pytest.approx(math.log(9), abs=0.2)
    tail = tail_of([Listened(steps, steps), Listened(quiet, quiet)], "lamp", labels, settings, features)
    assert tail.scores == (found,)
    assert tail.hours == pytest.approx(6 / 3600)


def test_pauses_take_the_place_of_the_newest_parts() -> None:
    labels = ("lamp", "_unknown_", "_silence_")
    whole = np.array([[0.8, 0.1, 0.1], [0.8, 0.2, 0.0]], np.float32)
    newest = listened(whole, np.array([0.0, 0.9], np.float32), 2, labels).newest
    np.testing.assert_allclose(newest.sum(axis=1), 1, atol=1e-6)
    assert newest[0, 0] > 0.85
    assert newest[1, 2] == pytest.approx(0.9, abs=0.01)
