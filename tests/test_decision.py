"""Detections: when a word fires, when it does not, and that nothing seen before is ever changed."""

import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sayso.config import SILENCE, UNKNOWN, DecisionSettings
from sayso.recognition.decision import Decision, Detection, ranking

LABELS = ("yes", "no", UNKNOWN, SILENCE)
RATE = 100
STEP = 10
# One look is one decision: no smoothing, no time of quiet, no haste.
BARE = DecisionSettings(smoothing=1, threshold=0.6, margin=1.0, rearm=0.4, refractory=0.0)


def look(**probabilities: float) -> np.ndarray:
    """Return probabilities of labels; what is left falls to silence."""
    names = {"yes": 0, "no": 1, "unknown": 2}
    values = np.zeros(len(LABELS))
    for name, probability in probabilities.items():
        values[names[name]] = probability
    values[3] = 1 - values.sum()
    return values


def detections(looks: list[np.ndarray], settings: DecisionSettings = BARE) -> list[tuple[str, int]]:
    """Return what was detected, and at which look."""
    decision = Decision(settings, LABELS, RATE, 1.0)
    results = [decision.update(probabilities, STEP * number) for number, probabilities in enumerate(looks)]
    return [(result.label, number) for number, result in enumerate(results) if result]


def test_a_held_word_fires_once() -> None:
    assert detections([look()] * 3 + [look(yes=0.9)] * 50) == [("yes", 3)]
    assert detections([look(yes=0.99)] * 1_000, DecisionSettings()) == [("yes", 0)]


def test_a_word_fires_again_only_after_it_died_away() -> None:
    assert detections([look(yes=p) for p in (0.9, 0.39, 0.9)]) == [("yes", 0), ("yes", 2)]
    assert detections([look(yes=p) for p in (0.9, 0.41, 0.9)]) == [("yes", 0)]
    # At the very limit it has not fallen below.
    assert detections([look(yes=p) for p in (0.9, 0.4, 0.9)]) == [("yes", 0)]


@pytest.mark.parametrize("threshold", [0.1, 0.3, 0.5, 0.6, 0.7, 0.9, 1.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_threshold_is_reached_exactly(threshold: float, dtype: type) -> None:
    settings = dataclasses.replace(BARE, threshold=threshold, rearm=0.0)
    just = np.array([threshold, 0, 0, 0], dtype)
    below = np.array([np.nextafter(dtype(threshold), dtype(0)), 0, 0, 0], dtype)
    assert detections([just], settings) == [("yes", 0)]
    assert detections([below], settings) == []


@pytest.mark.parametrize("label", [2, 3])
def test_silence_and_unknown_never_fire(label: int) -> None:
    certain = np.eye(4)[label]
    assert detections([certain] * 20 + [look()] * 5 + [certain] * 5) == []


def test_a_word_fires_even_where_unknown_is_likelier() -> None:
    settings = dataclasses.replace(BARE, threshold=0.3, rearm=0.2)
    assert detections([look(yes=0.35, unknown=0.6)], settings) == [("yes", 0)]


def test_a_word_may_have_a_threshold_of_its_own() -> None:
    settings = dataclasses.replace(BARE, words={"yes": 0.9, "somebody": 0.1})
    assert detections([look(yes=0.89), look(no=0.6), look(yes=0.9)], settings) == [("no", 1), ("yes", 2)]
    # It is armed again in proportion: below 0.6, not 0.4.
    assert detections([look(yes=p) for p in (0.95, 0.61, 0.95, 0.59, 0.95)], settings) == [("yes", 0), ("yes", 4)]


def test_two_words_one_after_the_other() -> None:
    assert detections([look(yes=0.9), look(no=0.9), look(yes=0.9)]) == [("yes", 0), ("no", 1), ("yes", 2)]
    assert detections([look(yes=0.9)] * 3 + [look(no=0.9)] * 3) == [("yes", 0), ("no", 3)]


def test_after_a_detection_there_is_quiet_for_the_refractory_time() -> None:
    # 0.5 seconds are 5 looks; the fifth is free again.
    settings = dataclasses.replace(BARE, refractory=0.5)
    for gap in range(1, 8):
        looks = [look(yes=0.9)] + [look()] * (gap - 1) + [look(no=0.9)]
        assert len(detections(looks, settings)) == (2 if gap >= 5 else 1), gap


def test_a_word_that_lasts_beyond_the_quiet_fires_then() -> None:
    settings = dataclasses.replace(BARE, refractory=0.5)
    assert detections([look(yes=0.9)] + [look(no=0.9)] * 9, settings) == [("yes", 0), ("no", 5)]


def test_a_word_rearms_during_the_quiet() -> None:
    settings = dataclasses.replace(BARE, refractory=0.5)
    assert detections([look(yes=0.9), look(), *[look(yes=0.9)] * 6], settings) == [("yes", 0), ("yes", 5)]


def test_looks_are_averaged_and_the_newest_counts_most() -> None:
    settings = dataclasses.replace(BARE, smoothing=3)
    assert detections([look(), look(), look(yes=0.9), look(), look()], settings) == []
    assert detections([look(), look(), look(yes=0.9), look(yes=0.9), look(yes=0.1)], settings) == [("yes", 3)]
    # What was averaged before a detection still counts after it: one weak look in a held word rearms nothing.
    assert detections([look(yes=p) for p in (0.9, 0.9, 0.9, 0.3, 0.9, 0.9)], settings) == [("yes", 0)]
    decision = Decision(settings, LABELS, RATE, 1.0)
    for number, probability in enumerate((0.0, 0.7, 0.6)):
        assert decision.update(look(yes=probability), STEP * number) is None
    detection = decision.update(look(yes=0.8), 3 * STEP)
    assert detection is not None
    assert detection.confidence == pytest.approx((3 * 0.8 + 2 * 0.6 + 0.7) / 6)


def test_a_clear_word_does_not_wait_for_the_older_half() -> None:
    settings = dataclasses.replace(BARE, smoothing=4, margin=0.2)
    silence = [look()] * 4
    # Of weights 4, 3, 2, 1 the newest three make 0.9; of 2 and 1 the newest two do, but only 0.6 of the others.
    assert detections([*silence, *[look(yes=0.75)] * 4], settings) == [("yes", 6)]
    assert detections([*silence, *[look(yes=0.85)] * 4], settings) == [("yes", 5)]
    # It fires once, although the average of all looks has not even reached the threshold when it does.
    assert detections([*silence, *[look(yes=0.85)] * 20, *silence, *[look(yes=0.85)] * 20], settings) == [
        ("yes", 5), ("yes", 29),
    ]  # fmt: skip
    # Nor is it armed again because that average is still low.
    hasty = dataclasses.replace(BARE, smoothing=7, margin=0.05, rearm=0.6)
    assert detections([*[look()] * 7, *[look(yes=0.73)] * 20], hasty) == [("yes", 9)]
    decision = Decision(settings, LABELS, RATE, 1.0)
    *_, heard = (decision.update(each, number) for number, each in enumerate([*silence, *[look(yes=0.85)] * 2]))
    assert heard is not None
    assert heard.confidence == pytest.approx(0.85)


def test_what_a_detection_says() -> None:
    detection = Decision(BARE, LABELS, RATE, 0.8).update(look(yes=0.7, no=0.1, unknown=0.15), 250)
    assert detection == Detection(
        "yes", 0.7, pytest.approx(1.7), 2.5, ((UNKNOWN, 0.15), ("no", 0.1), (SILENCE, pytest.approx(0.05)))
    )


def test_runners_up_never_name_the_word_itself() -> None:
    labels = ("a", "b", "c", "d", UNKNOWN, SILENCE)
    settings = DecisionSettings(smoothing=1, threshold=0.1, rearm=0.05)
    # Four labels are likelier than the word that fires, or three.
    for likelier in ([0.1, 0, 0, 0, 0.3, 0.6], [0.15, 0.14, 0.11, 0.1, 0.26, 0.24]):
        detection = Decision(settings, labels, RATE, 1.0).update(np.array(likelier), 10)
        assert detection is not None
        assert detection.label == "a"
        assert len(detection.runners_up) == 3
        assert "a" not in [label for label, _ in detection.runners_up]


def test_ranking() -> None:
    assert ranking("abc", np.array([0.2, 0.5, 0.3])) == [("b", 0.5), ("c", 0.3), ("a", 0.2)]
    assert ranking("abc", np.array([0.25, 0.5, 0.25]), 2) == [("b", 0.5), ("a", 0.25)]


@given(st.lists(st.lists(st.floats(0, 1), min_size=4, max_size=4), max_size=60), st.integers(1, 5))
def test_history_is_never_edited_and_looks_are_not_touched(rows: list[list[float]], smoothing: int) -> None:
    settings = dataclasses.replace(BARE, smoothing=smoothing, refractory=0.2)
    looks = [np.array(row) for row in rows]
    for array in looks:
        array.setflags(write=False)
    whole = detections(looks, settings)
    for length in range(len(looks)):
        assert detections(looks[:length], settings) == [entry for entry in whole if entry[1] < length]
    assert all(later[1] - earlier[1] >= 2 for earlier, later in itertools.pairwise(whole))
