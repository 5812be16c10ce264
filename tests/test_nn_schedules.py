"""Schedules of the learning rate: where they start, peak and end, and that only the step schedule jumps."""

import numpy as np
import pytest

from cases import case
from sayso.nn import Constant, CosineWithWarmup, OneCycle, StepDecay

PROGRESS = np.linspace(0, 1, 1001)


def test_warmup_and_cosine() -> None:
    for schedule, start, peak_at, end in (
        (CosineWithWarmup(0.2, warmup=0.1), 0, 0.1, 0),
        (CosineWithWarmup(0.2, warmup=0), 0.2, 0, 0),
        (OneCycle(0.2, warmup=0.3), 0.2 / 25, 0.3, 0.2 / 10_000),
        (OneCycle(0.2, warmup=0), 0.2, 0, 0.2 / 10_000),
    ):
        with case(schedule):
            rates = np.array([schedule(progress) for progress in PROGRESS])
            assert rates[0] == pytest.approx(start)
            assert rates[-1] == pytest.approx(end, abs=1e-12)
            assert rates.max() == pytest.approx(0.2)
            assert PROGRESS[rates.argmax()] == pytest.approx(peak_at)
            top = rates.argmax()
            assert (np.diff(rates[: top + 1]) > 0).all()
            assert (np.diff(rates[top:]) < 0).all()
            assert np.abs(np.diff(rates)).max() < 0.005, "no jumps"
            assert schedule((1 + peak_at) / 2) == pytest.approx((0.2 + end) / 2), "half way down at half time"


def test_constant_is_constant() -> None:
    assert {Constant(0.1)(progress) for progress in PROGRESS} == {0.1}


def test_step_decay_falls_at_evenly_spaced_points() -> None:
    schedule = StepDecay(1.0, drops=3, factor=0.1)
    rates = [schedule(progress) for progress in (0, 0.249, 0.25, 0.499, 0.5, 0.749, 0.75, 1.0)]
    np.testing.assert_allclose(rates, [1, 1, 0.1, 0.1, 0.01, 0.01, 0.001, 0.001])
