"""Live recognition: computing time and level are measured, which does not change the detections."""

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

import sounds
from cases import case
from sayso.live.listening import SILENT, Level, Listening, Pace
from sayso.recognition.recognizer import Recognizer


def test_measuring_and_recording_do_not_change_the_detections(tiny_recognizer: Recognizer) -> None:
    samples, _ = sounds.stream(["yes", "no"])
    recorded: list[np.ndarray] = []
    listening = Listening(tiny_recognizer, np.array_split(samples, 50), recorded.append)
    threads = set()
    found = []
    with threadpool_limits(2, "blas"):
        for window in listening.scores():
            threads |= {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}
            found += [window.detection] if window.detection else []
    assert found == list(tiny_recognizer.detect([samples]))
    assert [detection.label for detection in found] == ["yes", "no"]
    np.testing.assert_array_equal(np.concatenate(recorded), samples)
    assert threads == {1}
    assert listening.pace.steps == len(listening.pace.seconds) == len(list(tiny_recognizer.scores([samples])))
    assert 0 < listening.pace.quantile(0.5) <= listening.pace.quantile(0.99)


def test_the_pace_keeps_a_bounded_number_of_steps() -> None:
    pace = Pace()
    assert pace.quantile(0.99) == 0
    for step in range(10_000):
        pace.add(step)
    assert pace.steps == 10_000
    assert len(pace.seconds) == 6_000
    assert pace.quantile(0.0) == 4_000


def test_the_level_is_the_root_mean_square_and_its_problems_are_named() -> None:
    level, times = Level(), np.arange(1_600) / 16_000
    level.update((0.1 * np.sin(2 * np.pi * 100 * times)).astype(np.float32), 16_000)
    assert level.decibels == pytest.approx(-23.0, abs=0.05)
    assert not level.clipped
    level.update(np.tile(np.float32([1, -1]), 50), 16_000)
    assert level.clipped
    assert level.decibels == pytest.approx(0)
    level.update(np.full(800, 0.02, np.float32), 16_000)
    assert level.offset == pytest.approx(0.02)
    assert level.decibels < -80
    for _ in range(3):
        level.update(np.zeros(8_000, np.float32), 16_000)
    assert level.decibels == SILENT
    assert level.silent == 1.5
    assert not level.problem
    for _ in range(3):
        level.update(np.zeros(8_000, np.float32), 16_000)
    assert level.problem.startswith("no signal")
    level.update(np.ones(100, np.float32), 16_000)
    assert level.problem.startswith("clipping")
    level.update(np.full(10, 1e-4, np.float32), 16_000)
    assert level.silent == 0
    level.update(np.zeros(0, np.float32), 16_000)


def speech(level: float, noise: float, seconds: float = 6.0) -> np.ndarray:
    """Return words at a level in dBFS, one a second, over noise at another."""
    rng = np.random.default_rng(0)
    sound = sounds.hiss(round(seconds * sounds.RATE), rng, 10 ** (noise / 20))
    word = sounds.spoken("yes") / np.sqrt(np.mean(np.square(sounds.spoken("yes")))) * 10 ** (level / 20)
    for start in range(0, len(sound) - len(word), sounds.RATE):
        sound[start : start + len(word)] += word.astype(np.float32)
    return sound


def test_speech_that_is_very_quiet_is_told_and_silence_is_not() -> None:
    for level, noise, quiet in (
        (-66, -110, True), (-60, -80, True), (-50, -75, True),
        (-26, -70, False), (-40, -70, False), (-26, -45, False),
        (-150, -70, False), (-150, -50, False),
    ):  # fmt: skip
        for size in (800, 1_600, 70_000):
            with case(level, noise, size):
                judged, sound = Level(), speech(level, noise)
                for start in range(0, len(sound), size):
                    judged.update(sound[start : start + size], sounds.RATE)
                assert judged.problem.startswith("very quiet: raise the gain") == quiet


def test_once_something_loud_was_heard_a_quiet_room_is_no_problem() -> None:
    level = Level()
    for sound in (speech(-60, -80), speech(-30, -80), speech(-60, -80)):
        level.update(sound, sounds.RATE)
    assert not level.problem


def test_a_gain_is_applied_before_everything_else(tiny_recognizer: Recognizer) -> None:
    samples, _ = sounds.stream(["yes", "no"])
    faint = samples * np.float32(10 ** (-40 / 20))
    recorded: list[np.ndarray] = []
    listening = Listening(tiny_recognizer, [faint], recorded.append, gain=40)
    found = [window.detection.label for window in listening.scores() if window.detection]
    assert found == ["yes", "no"]
    np.testing.assert_allclose(np.concatenate(recorded), samples, atol=1e-5)
    assert not listening.level.problem
    loud = Listening(tiny_recognizer, [samples], recorded.append, gain=40)
    list(loud.scores())
    assert np.abs(recorded[-1]).max() == 1
