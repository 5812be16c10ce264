"""Intervals by resampling units: as wide as what belongs together demands, and never too narrow."""

import numpy as np
import pytest

from cases import case
from sayso.evaluation.intervals import (
    poisson_interval,
    rate_interval,
    ratio_interval,
    resampled_interval,
    share_interval,
    wilson_interval,
)


def width(interval: tuple[float, float]) -> float:
    return interval[1] - interval[0]


def test_units_that_are_independent_give_the_interval_of_independent_events() -> None:
    rng = np.random.default_rng(0)
    hits = rng.random(400) < 0.8
    found = ratio_interval(hits.tolist(), [1] * 400)
    assert found == pytest.approx(wilson_interval(int(hits.sum()), 400), abs=0.01)


def test_the_interval_is_wider_if_the_words_of_a_speaker_are_alike() -> None:
    # 20 speakers with 20 words each: of every fourth, no word is heard.
    alike = [0 if speaker % 4 == 0 else 20 for speaker in range(20)]
    spread = [15] * 20
    assert width(share_interval(alike, [20] * 20)) > 3 * width(share_interval(spread, [20] * 20))


def test_units_count_by_their_size() -> None:
    # In the long recordings something happens once an hour, in the short ones never.
    low, high = ratio_interval([10, 0] * 20, [10.0, 0.1] * 20)
    assert 0.95 < low < 20 * 10 / (20 * 10.1) < high < 1


def test_few_units_or_events_do_not_make_an_interval_too_narrow() -> None:
    cases = {
        "one recording": ([3], [2.0]),
        "no alarm": ([0, 0, 0], [1.0, 0.5, 0.5]),
        "the same in each": ([1, 1], [1.0, 1.0]),
    }
    for name, (counts, hours) in cases.items():
        with case(name):
            low, high = rate_interval(counts, hours)
            least, most = poisson_interval(sum(counts))
            assert low <= least / 2
            assert high >= most / 2
    assert rate_interval([0], [1.0])[1] == pytest.approx(3, abs=0.01)
    assert share_interval([5, 5], [5, 5])[0] == pytest.approx(wilson_interval(10, 10)[0])
    assert share_interval([], []) == (0, 1)


def test_any_statistic_of_the_units_can_be_resampled() -> None:
    delays = np.arange(101.0)
    low, high = resampled_interval(lambda drawn: float(np.median(delays[drawn])), 101)
    assert 30 < low < 50 < high < 70
    assert resampled_interval(lambda drawn: float(np.median(delays[drawn])), 101) == (low, high)
