"""Courses of the learning rate: where they start, peak and end, and that only the step schedule jumps."""

import numpy as np
import pytest

from sayso.nn import Constant, CosineWithWarmup, OneCycle, Schedule, StepDecay

MOMENTS = np.linspace(0, 1, 1001)


@pytest.mark.parametrize(
    ("schedule", "start", "peak_at", "end"),
    [
        (CosineWithWarmup(0.2, warmup=0.1), 0, 0.1, 0),
        (CosineWithWarmup(0.2, warmup=0), 0.2, 0, 0),
        (OneCycle(0.2, warmup=0.3), 0.2 / 25, 0.3, 0.2 / 10_000),
        (OneCycle(0.2, warmup=0), 0.2, 0, 0.2 / 10_000),
    ],
    ids=repr,
)
def test_warmup_and_cosine(schedule: Schedule, start: float, peak_at: float, end: float) -> None:
    rates = np.array([schedule(moment) for moment in MOMENTS])
    assert rates[0] == pytest.approx(start)
    assert rates[-1] == pytest.approx(end, abs=1e-12)
    assert rates.max() == pytest.approx(0.2)
    assert MOMENTS[rates.argmax()] == pytest.approx(peak_at)
    top = rates.argmax()
    assert (np.diff(rates[: top + 1]) > 0).all()
    assert (np.diff(rates[top:]) < 0).all()
    assert np.abs(np.diff(rates)).max() < 0.005, "no jumps"
    assert schedule((1 + peak_at) / 2) == pytest.approx((0.2 + end) / 2), "half way down at half time"


def test_constant_is_constant() -> None:
    assert {Constant(0.1)(moment) for moment in MOMENTS} == {0.1}


def test_steps_fall_at_even_distances() -> None:
    schedule = StepDecay(1.0, drops=3, factor=0.1)
    rates = [schedule(moment) for moment in (0, 0.249, 0.25, 0.499, 0.5, 0.749, 0.75, 1.0)]
    np.testing.assert_allclose(rates, [1, 1, 0.1, 0.1, 0.01, 0.01, 0.001, 0.001])
