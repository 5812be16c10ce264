"""Detections: when a word fires, when it does not, and that later scores never change earlier detections."""

import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases import case
from sayso.config import SILENCE, UNKNOWN, DecisionSettings
from sayso.recognition.decision import Decision, Detection, ranking

LABELS = ("yes", "no", UNKNOWN, SILENCE)
RATE = 100
STEP = 10
# Each step decides alone: no smoothing, no refractory time, and a margin that the newer half never reaches.
BARE = DecisionSettings(smoothing=1, threshold=0.6, margin=1.0, rearm=0.4, refractory=0.0)


def scores(**probabilities: float) -> np.ndarray:
    """Return probabilities of the labels; silence has the rest."""
    names = {"yes": 0, "no": 1, "unknown": 2}
    values = np.zeros(len(LABELS))
    for name, probability in probabilities.items():
        values[names[name]] = probability
    values[3] = 1 - values.sum()
    return values


def detections(steps: list[np.ndarray], settings: DecisionSettings = BARE) -> list[tuple[str, int]]:
    """Return the detected words, and at which step."""
    decision = Decision(settings, LABELS, RATE, 1.0)
    results = [decision.update(probabilities, STEP * number) for number, probabilities in enumerate(steps)]
    return [(result.label, number) for number, result in enumerate(results) if result]


def test_a_held_word_fires_once() -> None:
    assert detections([scores()] * 3 + [scores(yes=0.9)] * 50) == [("yes", 3)]
    assert detections([scores(yes=0.99)] * 1_000, DecisionSettings()) == [("yes", 0)]


def test_a_word_fires_again_only_after_its_score_has_fallen() -> None:
    assert detections([scores(yes=p) for p in (0.9, 0.39, 0.9)]) == [("yes", 0), ("yes", 2)]
    assert detections([scores(yes=p) for p in (0.9, 0.41, 0.9)]) == [("yes", 0)]
    # A score of exactly `rearm` is not below it.
    assert detections([scores(yes=p) for p in (0.9, 0.4, 0.9)]) == [("yes", 0)]


def test_a_word_fires_at_exactly_the_threshold_and_not_below() -> None:
    for threshold, dtype in itertools.product((0.1, 0.3, 0.5, 0.6, 0.7, 0.9, 1.0), (np.float32, np.float64)):
        with case(threshold, dtype.__name__):
            settings = dataclasses.replace(BARE, threshold=threshold, rearm=0.0)
            exactly = np.array([threshold, 0, 0, 0], dtype)
            below = np.array([np.nextafter(dtype(threshold), dtype(0)), 0, 0, 0], dtype)
            assert detections([exactly], settings) == [("yes", 0)]
            assert detections([below], settings) == []


def test_silence_and_unknown_never_fire() -> None:
    for label in (2, 3):
        with case(LABELS[label]):
            certain = np.eye(4)[label]
            assert detections([certain] * 20 + [scores()] * 5 + [certain] * 5) == []


def test_a_word_fires_even_if_unknown_is_more_probable() -> None:
    settings = dataclasses.replace(BARE, threshold=0.3, rearm=0.2)
    assert detections([scores(yes=0.35, unknown=0.6)], settings) == [("yes", 0)]


def test_a_word_may_have_its_own_threshold() -> None:
    settings = dataclasses.replace(BARE, words={"yes": 0.9, "somebody": 0.1})
    assert detections([scores(yes=0.89), scores(no=0.6), scores(yes=0.9)], settings) == [("no", 1), ("yes", 2)]
    # Its rearm level is scaled in proportion: 0.6, not 0.4.
    assert detections([scores(yes=p) for p in (0.95, 0.61, 0.95, 0.59, 0.95)], settings) == [("yes", 0), ("yes", 4)]


def test_another_word_fires_right_after_the_first() -> None:
    assert detections([scores(yes=0.9), scores(no=0.9), scores(yes=0.9)]) == [("yes", 0), ("no", 1), ("yes", 2)]
    assert detections([scores(yes=0.9)] * 3 + [scores(no=0.9)] * 3) == [("yes", 0), ("no", 3)]


def test_no_word_fires_during_the_refractory_time() -> None:
    # 0.5 seconds are 5 steps; at the fifth it is over.
    settings = dataclasses.replace(BARE, refractory=0.5)
    for gap in range(1, 8):
        steps = [scores(yes=0.9)] + [scores()] * (gap - 1) + [scores(no=0.9)]
        assert len(detections(steps, settings)) == (2 if gap >= 5 else 1), gap


def test_a_word_that_lasts_beyond_the_refractory_time_fires_at_its_end() -> None:
    settings = dataclasses.replace(BARE, refractory=0.5)
    assert detections([scores(yes=0.9)] + [scores(no=0.9)] * 9, settings) == [("yes", 0), ("no", 5)]


def test_a_word_rearms_during_the_refractory_time() -> None:
    settings = dataclasses.replace(BARE, refractory=0.5)
    assert detections([scores(yes=0.9), scores(), *[scores(yes=0.9)] * 6], settings) == [("yes", 0), ("yes", 5)]


def test_steps_are_averaged_with_the_largest_weight_on_the_newest() -> None:
    settings = dataclasses.replace(BARE, smoothing=3)
    assert detections([scores(), scores(), scores(yes=0.9), scores(), scores()], settings) == []
    assert detections([scores(), scores(), scores(yes=0.9), scores(yes=0.9), scores(yes=0.1)], settings) == [("yes", 3)]
    # The average goes on through a detection: one weak step in a held word does not rearm it.
    assert detections([scores(yes=p) for p in (0.9, 0.9, 0.9, 0.3, 0.9, 0.9)], settings) == [("yes", 0)]
    decision = Decision(settings, LABELS, RATE, 1.0)
    for number, probability in enumerate((0.0, 0.7, 0.6)):
        assert decision.update(scores(yes=probability), STEP * number) is None
    detection = decision.update(scores(yes=0.8), 3 * STEP)
    assert detection is not None
    assert detection.confidence == pytest.approx((3 * 0.8 + 2 * 0.6 + 0.7) / 6)


def test_a_clear_word_fires_on_the_newer_half_alone() -> None:
    settings = dataclasses.replace(BARE, smoothing=4, margin=0.2)
    silence = [scores()] * 4
    # The newest three have 0.9 of the weights 4, 3, 2, 1; the newest two have all of 2, 1 but only 0.7 of the four.
    assert detections([*silence, *[scores(yes=0.75)] * 4], settings) == [("yes", 6)]
    assert detections([*silence, *[scores(yes=0.85)] * 4], settings) == [("yes", 5)]
    # It fires only once, although the average over all steps reaches the threshold later.
    assert detections([*silence, *[scores(yes=0.85)] * 20, *silence, *[scores(yes=0.85)] * 20], settings) == [
        ("yes", 5), ("yes", 29),
    ]  # fmt: skip
    # And it is not rearmed by that average, which is still low when the word fires.
    hasty = dataclasses.replace(BARE, smoothing=7, margin=0.05, rearm=0.6)
    assert detections([*[scores()] * 7, *[scores(yes=0.73)] * 20], hasty) == [("yes", 9)]
    decision = Decision(settings, LABELS, RATE, 1.0)
    *_, detection = (decision.update(each, number) for number, each in enumerate([*silence, *[scores(yes=0.85)] * 2]))
    assert detection is not None
    assert detection.confidence == pytest.approx(0.85)


def test_a_detection_has_its_word_probability_window_and_runners_up() -> None:
    detection = Decision(BARE, LABELS, RATE, 0.8).update(scores(yes=0.7, no=0.1, unknown=0.15), 250)
    assert detection == Detection(
        "yes", 0.7, pytest.approx(1.7), 2.5, ((UNKNOWN, 0.15), ("no", 0.1), (SILENCE, pytest.approx(0.05)))
    )


def test_the_runners_up_never_include_the_word_itself() -> None:
    labels = ("a", "b", "c", "d", UNKNOWN, SILENCE)
    settings = DecisionSettings(smoothing=1, threshold=0.1, rearm=0.05)
    # Unknown and silence are more probable than the word that fires.
    for probabilities in ([0.1, 0, 0, 0, 0.3, 0.6], [0.15, 0.14, 0.11, 0.1, 0.26, 0.24]):
        detection = Decision(settings, labels, RATE, 1.0).update(np.array(probabilities), 10)
        assert detection is not None
        assert detection.label == "a"
        assert len(detection.runners_up) == 3
        assert "a" not in [label for label, _ in detection.runners_up]


def breath(*words: tuple[str, int, int], length: int = 40) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return what the whole of a window of 10 steps and its newest 4 steps say, of words from a step up to another."""
    looks = []
    for now in range(length):
        both = []
        for seen in (10, 4):
            # A word is known once two steps of it are in the window; of two, the one of which there is more.
            parts = {}
            for word, start, end in words:
                part = min(now, end) - max(now - seen, start)
                parts[word] = max(part, parts.get(word, 0))
            known = {word: part for word, part in parts.items() if part >= 2}
            both.append(scores(**{max(known, key=lambda word: known[word]): 0.9}) if known else scores())
        looks.append((both[0], both[1]))
    return looks


def said(looks: list[tuple[np.ndarray, np.ndarray]]) -> list[str]:
    """Return the detected words of such looks."""
    decision = Decision(DecisionSettings(), LABELS, RATE, 1.0)
    found = [decision.update(whole, STEP * number, newest) for number, (whole, newest) in enumerate(looks)]
    ends = [detection.end for detection in found if detection]
    assert ends == sorted(ends)
    return [detection.label for detection in found if detection]


def test_a_word_said_several_times_in_one_breath_fires_as_often() -> None:
    for pause, times in itertools.product((3, 4, 6, 12), (1, 2, 3, 5)):
        with case(pause, times):
            words = [("yes", 2 + number * (4 + pause), 6 + number * (4 + pause)) for number in range(times)]
            assert said(breath(*words, length=words[-1][2] + 30)) == ["yes"] * times


def test_different_words_in_one_breath_fire_in_order() -> None:
    for words in (
        [("yes", 2, 6), ("no", 7, 11)],
        [("yes", 2, 6), ("no", 7, 11), ("yes", 12, 16)],
        [("no", 2, 8), ("yes", 9, 12)],
    ):
        with case(words):
            assert said(breath(*words)) == [word for word, _, _ in words]


def test_a_held_word_fires_once_though_its_newest_part_alone_is_not_understood() -> None:
    for length in (6, 12, 25):
        with case(length):
            assert said(breath(("yes", 2, 2 + length))) == ["yes"]
            # Its vowel, held, is no word.
            looks = breath(("yes", 2, 2 + length))
            held = [
                (whole, scores(unknown=0.9) if number > 8 else newest) for number, (whole, newest) in enumerate(looks)
            ]
            assert said(held) == ["yes"]


def test_a_brief_word_alone_is_not_enough_but_beside_another_it_is() -> None:
    brief = [(scores(), scores())] * 5 + [(scores(yes=0.9), scores(yes=0.9))] * 2
    nothing, no = (scores(), scores()), (scores(no=0.9), scores(no=0.9))
    assert said([*brief, *[nothing] * 20]) == []
    assert said([*brief, *[no] * 8, *[nothing] * 20]) == ["yes", "no"]
    # Too long before it.
    assert said([*brief, *[nothing] * 20, *[no] * 8, *[nothing] * 20]) == ["no"]


def test_a_ranking_is_in_descending_order_and_keeps_the_order_of_ties() -> None:
    assert ranking("abc", np.array([0.2, 0.5, 0.3])) == [("b", 0.5), ("c", 0.3), ("a", 0.2)]
    assert ranking("abc", np.array([0.25, 0.5, 0.25]), 2) == [("b", 0.5), ("a", 0.25)]


@given(st.lists(st.lists(st.floats(0, 1), min_size=4, max_size=4), max_size=60), st.integers(1, 5))
def test_later_steps_never_change_earlier_detections_and_scores_are_not_modified(
    rows: list[list[float]], smoothing: int
) -> None:
    settings = dataclasses.replace(BARE, smoothing=smoothing, refractory=0.2)
    steps = [np.array(row) for row in rows]
    for array in steps:
        array.setflags(write=False)
    whole = detections(steps, settings)
    for length in range(len(steps)):
        assert detections(steps[:length], settings) == [entry for entry in whole if entry[1] < length]
    assert all(later[1] - earlier[1] >= 2 for earlier, later in itertools.pairwise(whole))
