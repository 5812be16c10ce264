"""Scores of streams: how detections are counted, the intervals, and the thresholds that are chosen."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from threadpoolctl import threadpool_limits

import sounds
from cases import case
from sayso.config import UNKNOWN
from sayso.corpus.corpus import scan
from sayso.evaluation.intervals import poisson_interval
from sayso.evaluation.stream_scores import LATEST, Fault, StreamScore, listen_to, listen_to_parts, match, score
from sayso.evaluation.streams import Spoken, StreamMaker
from sayso.evaluation.thresholds import choose_thresholds, trade_off
from sayso.recognition.decision import Detection
from sayso.recognition.recognizer import Recognizer

TRUTH = [Spoken("yes", 1.0, 1.5), Spoken(UNKNOWN, 4.0, 5.0), Spoken("no", 8.0, 8.5)]


def detections(*found: tuple[str, float]) -> list[Detection]:
    return [Detection(label, 0.9, end - 1, end) for label, end in found]


def test_a_detection_counts_for_the_word_before_it_or_as_a_false_alarm() -> None:
    cases: dict[str, tuple[list[tuple[str, float]], int, int, int, int]] = {
        "nothing detected": ([], 0, 0, 0, 0),
        "both words": ([("yes", 1.6), ("no", 8.4)], 2, 0, 0, 0),
        "just in time": ([("yes", 1.5 + LATEST)], 1, 0, 0, 0),
        "too late": ([("yes", 1.6 + LATEST)], 0, 0, 1, 0),
        "before the first word": ([("yes", 0.9)], 0, 0, 1, 0),
        "one word detected twice": ([("yes", 1.6), ("yes", 2.1)], 1, 0, 1, 0),
        "another word": ([("no", 1.6)], 0, 1, 0, 0),
        "first another word, then the right one": ([("no", 1.3), ("yes", 1.7)], 1, 1, 0, 0),
        "in unknown speech": ([("yes", 4.5)], 0, 0, 1, 1),
        "in a pause": ([("yes", 7.0)], 0, 0, 1, 0),
    }
    for name, (found, hits, wrong, alarms, in_speech) in cases.items():
        with case(name):
            result = match(TRUTH, detections(*found), 0.5)
            assert (result.words, result.hits, result.wrong) == (2, hits, wrong)
            assert (result.false_alarms, result.in_speech) == (alarms, in_speech)
            assert result.misses == 2 - hits
            assert result.false_alarm_rate == 2 * alarms


def test_the_delay_is_from_the_end_of_the_word_to_its_detection() -> None:
    result = match(TRUTH, detections(("yes", 1.6), ("no", 8.4)), 1.0)
    assert result.delays == pytest.approx((0.1, -0.1))
    assert result.to_dict()["delay_median"] == pytest.approx(0.0)


def test_scores_of_parts_add_up() -> None:
    one = match(TRUTH, detections(("yes", 1.6)), 0.5)
    two = match(TRUTH, detections(("no", 4.2), ("no", 8.6)), 0.25)
    both = one + two
    assert (both.words, both.hits, both.false_alarms, both.hours) == (4, 2, 1, 0.75)
    assert both.delays == one.delays + two.delays
    assert both.miss_rate == 0.5


def test_the_interval_of_a_count_is_exact() -> None:
    for count in (1, 2, 7, 150):
        low, high = poisson_interval(count)
        assert stats.poisson.sf(count - 1, low) == pytest.approx(0.025), count
        assert stats.poisson.cdf(count, high) == pytest.approx(0.025), count


def test_a_count_of_zero_has_an_upper_bound_of_three() -> None:
    low, high = poisson_interval(0)
    assert low == 0
    assert high == pytest.approx(3.0, abs=0.01)


def scored(hit: dict[str, int], alarms: dict[str, int]) -> StreamScore:
    return StreamScore(Counter(up=10, stop=10), Counter(hit), Counter(alarms), hours=2.0)


def test_the_thresholds_chosen_miss_the_fewest_words_within_the_limit() -> None:
    curve = [
        (0.3, scored({"up": 10, "stop": 10}, {"up": 90, "stop": 2})),
        (0.5, scored({"up": 9, "stop": 9}, {"up": 4})),
        (0.7, scored({"up": 7, "stop": 9}, {"up": 2})),
        (0.9, scored({"up": 4, "stop": 2}, {})),
    ]
    # Of a threshold's alarms, each of the two words is expected to give a quarter, and half of its own.
    assert choose_thresholds(curve, 0.0) == {"up": 0.9, "stop": 0.9}
    assert choose_thresholds(curve, 0.25) == {"up": 0.9, "stop": 0.7}
    assert choose_thresholds(curve, 1.0) == {"up": 0.7, "stop": 0.7}
    assert choose_thresholds(curve, 1.75) == {"up": 0.5, "stop": 0.7}
    assert choose_thresholds(list(reversed(curve)), 1.74) == {"up": 0.7, "stop": 0.7}
    assert choose_thresholds(curve[:3], 0.4) is None


def test_a_word_without_alarms_is_expected_to_have_some_where_others_do() -> None:
    curve = [
        (0.4, scored({"up": 10, "stop": 10}, {"up": 40})),
        (0.6, scored({"up": 9, "stop": 9}, {"up": 1})),
        (0.8, scored({"up": 8, "stop": 8}, {})),
    ]
    assert choose_thresholds(curve, 3.0) == {"up": 0.6, "stop": 0.6}


def test_of_equally_good_thresholds_the_middle_one_is_chosen() -> None:
    curve = [(threshold, scored({"up": 9, "stop": 9}, {})) for threshold in (0.5, 0.6, 0.7)]
    assert choose_thresholds(curve, 1.0) == {"up": 0.6, "stop": 0.6}


@pytest.fixture(scope="module")
def maker(tiny_corpus: Path) -> StreamMaker:
    clips = scan(tiny_corpus).by_split("testing")
    return StreamMaker(clips, [], [], 0.0, ("yes", "no", "up", "_unknown_", "_silence_"), sounds.RATE)


def test_a_stream_is_scored_as_in_live_recognition(maker: StreamMaker, tiny_recognizer: Recognizer) -> None:
    stream = maker.part(0, 180)
    posteriors = listen_to(tiny_recognizer, stream)
    settings = tiny_recognizer.model.decision
    live = match(stream.truth, tiny_recognizer.detect([stream.samples]), 180 / 3600)
    assert posteriors.score(settings) == live
    assert live.words > 5
    assert live.miss_rate < 0.2
    # The samples are not kept, as a stream may last for days.
    assert not len(posteriors.stream.samples)
    assert posteriors.stream.samples.base is None


def test_parts_scored_in_parallel_are_those_scored_alone(maker: StreamMaker, tiny_recognizer: Recognizer) -> None:
    advances: list[float] = []
    # As where the tests have several threads for matrix products: the parts take one each.
    with threadpool_limits(2, "blas"):
        parts = listen_to_parts(tiny_recognizer, maker, 1230 / 3600, 2, advances.append)
    settings = tiny_recognizer.model.decision
    result = score(parts, settings)
    assert result.hours == pytest.approx(1230 / 3600)
    assert sum(advances) == pytest.approx(1230 / 3600)
    assert len(parts) == 3
    alone = listen_to(tiny_recognizer, maker.part(2, 30))
    # BLAS may sum in another order with more threads.
    np.testing.assert_allclose(parts[2].probabilities, alone.probabilities, atol=1e-6)
    curve = trade_off(parts, settings, (0.65, 0.7, 0.95))
    assert curve[1][1] == result
    assert curve[0][1].hits >= curve[1][1].hits >= curve[2][1].hits


def test_errors_are_counted_by_recording() -> None:
    yes, zero, no = Path("yes/1.wav"), Path("zero/2.wav"), Path("no/3.wav")
    truth = [
        Spoken("yes", 1.0, 1.5, yes), Spoken(UNKNOWN, 4.0, 5.0, zero), Spoken("no", 8.0, 8.5, no),
        Spoken("yes", 11.0, 11.5, yes), Spoken(UNKNOWN, 14.0, 15.0, zero), Spoken("yes", 18.0, 18.5),
    ]  # fmt: skip
    found = detections(("no", 1.6), ("go", 4.5), ("no", 8.6), ("go", 14.5), ("no", 14.9), ("up", 17.0))
    half = match(truth, found, 0.5)
    assert half.faults == {
        Fault("missed", "yes", yes): 2, Fault("false alarm", "go", zero): 2, Fault("false alarm", "no", zero): 1
    }  # fmt: skip
    assert (half + half).faults[Fault("false alarm", "go", zero)] == 4
