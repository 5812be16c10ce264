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
# Each step decides by itself: no smoothing, no refractory time, no pauses; half a nat of hysteresis.
BARE = DecisionSettings(smoothing=1, threshold=0.6, alone=False, hysteresis=0.5, refractory=0.0)


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
    # A threshold of 0.6 is 0.41 nats; half a nat below that is a probability of 0.476.
    assert detections([scores(yes=p) for p in (0.9, 0.47, 0.9)]) == [("yes", 0), ("yes", 2)]
    assert detections([scores(yes=p) for p in (0.9, 0.48, 0.9)]) == [("yes", 0)]


def test_a_word_fires_at_exactly_the_threshold_and_not_below() -> None:
    for threshold, dtype in itertools.product((0.1, 0.3, 0.5, 0.6, 0.7, 0.9, 0.99), (np.float32, np.float64)):
        with case(threshold, dtype.__name__):
            settings = dataclasses.replace(BARE, threshold=threshold)
            exactly = np.array([threshold, 0, 0, 0], dtype)
            below = np.array([threshold * (1 - 1e-6), 0, 0, 0], dtype)
            assert detections([exactly], settings) == [("yes", 0)]
            assert detections([below], settings) == []


def test_silence_and_unknown_never_fire() -> None:
    for label in (2, 3):
        with case(LABELS[label]):
            certain = np.eye(4)[label]
            assert detections([certain] * 20 + [scores()] * 5 + [certain] * 5) == []


def test_a_word_fires_even_if_unknown_is_more_probable() -> None:
    settings = dataclasses.replace(BARE, threshold=0.3)
    assert detections([scores(yes=0.35, unknown=0.6)], settings) == [("yes", 0)]


def test_a_word_may_have_its_own_threshold() -> None:
    settings = dataclasses.replace(BARE, words={"yes": 0.9, "somebody": 0.1})
    assert detections([scores(yes=0.89), scores(no=0.6), scores(yes=0.9)], settings) == [("no", 1), ("yes", 2)]
    # It rearms half a nat below its own threshold, at 0.845.
    assert detections([scores(yes=p) for p in (0.95, 0.85, 0.95, 0.84, 0.95)], settings) == [("yes", 0), ("yes", 4)]


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


def test_the_log_odds_of_the_steps_are_averaged() -> None:
    settings = dataclasses.replace(BARE, smoothing=3)
    # One step without the word outweighs two with it, unless they are as certain.
    assert detections([scores(yes=p) for p in (0.1, 0.7, 0.7)], settings) == []
    assert detections([scores(yes=p) for p in (0.1, 0.95, 0.95)], settings) == [("yes", 2)]
    # No step is more certain than `LARGEST`: three steps with the word are needed after a certain silence.
    assert detections([scores(), scores(yes=1.0), scores(yes=1.0), scores(yes=1.0)], settings) == [("yes", 2)]
    # At the beginning there are fewer steps to average.
    assert detections([scores(yes=0.7)], settings) == [("yes", 0)]
    # The average goes on through a detection: one weak step in a held word does not rearm it.
    assert detections([scores(yes=p) for p in (0.9, 0.9, 0.9, 0.3, 0.9, 0.9)], settings) == [("yes", 0)]
    decision = Decision(settings, LABELS, RATE, 1.0)
    for number, probability in enumerate((0.1, 0.7, 0.6)):
        assert decision.update(scores(yes=probability), STEP * number) is None
    detection = decision.update(scores(yes=0.8), 3 * STEP)
    assert detection is not None
    odds = np.prod([0.7 / 0.3, 0.6 / 0.4, 0.8 / 0.2]) ** (1 / 3)
    assert detection.confidence == pytest.approx(odds / (1 + odds))


def test_a_detection_has_its_word_probability_window_and_runners_up() -> None:
    detection = Decision(BARE, LABELS, RATE, 0.8).update(scores(yes=0.7, no=0.1, unknown=0.15), 250)
    assert detection == Detection(
        "yes",
        pytest.approx(0.7),
        pytest.approx(1.7),
        2.5,
        ((UNKNOWN, pytest.approx(0.15)), ("no", pytest.approx(0.1)), (SILENCE, pytest.approx(0.05))),
    )


def test_the_runners_up_never_include_the_word_itself() -> None:
    labels = ("a", "b", "c", "d", UNKNOWN, SILENCE)
    settings = DecisionSettings(smoothing=1, threshold=0.1, alone=False)
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
    brief = [(scores(), scores())] * 5 + [(scores(yes=0.9), scores(yes=0.9))] * 3
    nothing, no = (scores(), scores()), (scores(no=0.9), scores(no=0.9))
    assert said([*brief, *[nothing] * 20]) == []
    assert said([*brief, *[no] * 8, *[nothing] * 20]) == ["yes", "no"]
    # Too long before it.
    assert said([*brief, *[nothing] * 20, *[no] * 8, *[nothing] * 20]) == ["no"]


def looks_of(*parts: tuple[int, np.ndarray, np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return what the whole window and its newest part say, each for a number of steps."""
    return [(whole, newest) for count, whole, newest in parts for _ in range(count)]


def decided(looks: list[tuple[np.ndarray, np.ndarray]], **changes: object) -> list[tuple[str, int]]:
    """Return the detected words, and at which step, with settings that differ from the default."""
    decision = Decision(dataclasses.replace(DecisionSettings(), **changes), LABELS, RATE, 1.0)  # type: ignore[arg-type]
    found = [decision.update(whole, STEP * number, newest) for number, (whole, newest) in enumerate(looks)]
    return [(result.label, number) for number, result in enumerate(found) if result]


def test_a_word_counts_only_if_a_pause_or_another_word_is_before_it() -> None:
    talk, clear = scores(unknown=0.99), scores(yes=0.98)
    spoken = looks_of((8, clear, clear), (12, scores(), scores()))
    in_talk = [*looks_of((20, talk, talk)), *spoken]
    after_pause = [*looks_of((20, talk, talk), (10, scores(), scores())), *spoken]
    assert [word for word, _ in decided(spoken)] == ["yes"]  # nothing was before it
    assert decided(in_talk) == []
    assert [word for word, _ in decided(in_talk, alone=False)] == ["yes"]
    assert [word for word, _ in decided(after_pause)] == ["yes"]
    no = scores(no=0.98)
    both = looks_of((20, talk, talk), (10, scores(), scores()), (8, no, no), (2, talk, talk))
    assert [word for word, _ in decided([*both, *spoken])] == ["no", "yes"]
    # Far from it, that word does not count.
    assert [word for word, _ in decided([*both, *looks_of((30, talk, talk)), *spoken])] == ["no"]


def test_a_word_that_is_said_again_at_once_may_be_less_clear() -> None:
    clear, weak = scores(yes=0.99), scores(yes=0.7)
    again = looks_of((8, clear, clear), (3, clear, scores()), (3, clear, weak), (20, scores(), scores()))
    assert [word for word, _ in decided(again, threshold=0.97)] == ["yes", "yes"]
    later = looks_of((8, clear, clear), (20, scores(), scores()), (3, weak, weak), (20, scores(), scores()))
    assert [word for word, _ in decided(later, threshold=0.97)] == ["yes"]


def test_words_that_count_anywhere_do_so_at_their_threshold_only() -> None:
    talk, clear = scores(unknown=0.99), scores(yes=0.98)
    in_talk = looks_of((20, talk, talk), (8, clear, clear), (12, talk, talk))
    assert decided(in_talk) == []
    assert [word for word, _ in decided(in_talk, anywhere=("yes",))] == ["yes"]
    assert decided(in_talk, anywhere=("no",)) == []
    # Neither a pause after it nor another word makes up for a lower score.
    faint, no = scores(yes=0.6, unknown=0.399), scores(no=0.98)
    before_pause = looks_of((10, scores(), scores()), (6, faint, faint), (4, faint, scores()), (20, scores(), scores()))
    assert [word for word, _ in decided(before_pause)] == ["yes"]
    assert decided(before_pause, anywhere=("yes",)) == []
    beside = looks_of(
        (10, scores(), scores()), (8, no, no), (4, talk, talk), (4, faint, faint), (20, scores(), scores())
    )
    assert [word for word, _ in decided(beside)] == ["no", "yes"]
    assert [word for word, _ in decided(beside, anywhere=("yes",))] == ["no"]


def test_a_faint_word_is_detected_when_a_pause_follows_and_a_clear_one_at_once() -> None:
    talk = scores(unknown=0.99)
    for probability, pause, patient, expected in (
        (0.98, True, False, "at once"),
        (0.98, False, False, "at once"),
        (0.6, True, False, "after"),
        (0.6, False, False, "never"),
        (0.15, True, False, "never"),
        (0.98, True, True, "after"),
        (0.98, False, True, "never"),
    ):
        with case(probability, pause, patient):
            word = scores(yes=probability, unknown=(1 - probability) * 0.999)
            rest = scores() if pause else talk
            # The newest part of the window falls silent, or goes on, after six steps.
            looks = looks_of((10, scores(), scores()), (6, word, word), (4, word, rest), (30, rest, rest))
            found = decided(looks, patient=patient)
            times = {"at once": range(11, 16), "after": range(16, 18), "never": ()}[expected]
            assert [word for word, _ in found] == ["yes"] * bool(times)
            assert all(step in times for _, step in found)


def test_a_detection_ends_when_it_is_certain() -> None:
    word = scores(yes=0.6, unknown=0.399)
    looks = looks_of((10, scores(), scores()), (6, word, word), (4, word, scores()))
    decision = Decision(DecisionSettings(), LABELS, RATE, 1.0)
    found = [decision.update(whole, STEP * number, newest) for number, (whole, newest) in enumerate(looks)]
    ((step, detection),) = [(number, result) for number, result in enumerate(found) if result]
    assert detection.end == pytest.approx(step * STEP / RATE)


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
