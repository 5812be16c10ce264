"""Reverberation: impulse responses agree with the image-source method, and convolution with that of NumPy."""

import itertools

import numpy as np
import pytest
from scipy import signal

import sounds
from cases import case
from sayso.training import reverberation
from sayso.training.reverberation import ImpulseResponses, impulse_response

RATE = sounds.RATE


def decay_time(response: np.ndarray) -> float:
    """Measure T60 by Schroeder's backward integration, from the fall between -5 and -25 dB."""
    # Speech has no energy below 100 Hz.
    filtered = signal.sosfilt(signal.butter(4, 100, "highpass", fs=RATE, output="sos"), response.astype(np.float64))
    left = np.cumsum(filtered[::-1] ** 2)[::-1]
    level = 10 * np.log10(left / left[0])
    fall = np.flatnonzero((level <= -5) & (level >= -25))
    return -60 / np.polyfit(fall / RATE, level[fall], 1)[0]


def images(size: float, source: float, furthest: float) -> tuple[np.ndarray, np.ndarray]:
    """Reflect a source between two walls repeatedly; return its images and the number of reflections of each."""
    found, latest = {source: 0}, {source}
    for bounces in range(1, int(furthest / size) + 3):
        mirrored = {round(2 * wall - place, 9) for place in latest for wall in (0, size)}
        latest = {place for place in mirrored if not np.isclose(list(found), place).any()}
        found |= dict.fromkeys(latest, bounces)
    return np.array(list(found)), np.array(list(found.values()))


def test_a_response_is_the_sum_of_all_images() -> None:
    time = 0.06
    for seed in range(3):
        with case(seed):
            response = impulse_response(time, RATE, np.random.default_rng(seed))
            rng = np.random.default_rng(seed)
            size = rng.uniform(reverberation.SMALLEST, reverberation.LARGEST)
            speaker, microphone = (rng.uniform(reverberation.WALL, size - reverberation.WALL) for _ in range(2))
            # Eyring: T60 = 0.161 V / (-S ln(1 - absorption)), in metric units.
            width, depth, height = size
            surface = 2 * (width * depth + width * height + depth * height)
            kept = np.exp(-0.161 * width * depth * height / (surface * time))
            direct = np.linalg.norm(speaker - microphone)
            furthest = time * reverberation.SPEED_OF_SOUND + direct
            places, bounces = zip(*(images(size[axis], speaker[axis], furthest) for axis in range(3)), strict=True)
            grid = np.meshgrid(*(position - ear for position, ear in zip(places, microphone, strict=True)))
            distances = np.linalg.norm(grid, axis=0)
            delays = np.rint((distances - direct) / reverberation.SPEED_OF_SOUND * RATE).astype(int)
            expected = np.zeros(delays.max() + 1)
            np.add.at(expected, delays, (-np.sqrt(kept)) ** sum(np.meshgrid(*bounces)) / distances)
            expected = expected[: round(time * RATE)]
            np.testing.assert_allclose(response, expected / np.linalg.norm(expected), atol=1e-6)


def test_a_response_starts_with_the_direct_sound_and_has_energy_one() -> None:
    for time, seed in itertools.product((0.05, 0.2, 0.6, 2.0), range(5)):
        with case(time, seed):
            response = impulse_response(time, RATE, np.random.default_rng(seed))
            assert response.dtype == np.float32
            assert len(response) == round(min(time, reverberation.LONGEST) * RATE)
            assert response[0] > 0
            assert np.square(response, dtype=np.float64).sum() == pytest.approx(1, abs=1e-5)


def test_the_sound_decays_in_the_reverberation_time() -> None:
    for time in (0.15, 0.3, 0.6):
        with case(time):
            responses = [impulse_response(time, RATE, np.random.default_rng(seed)) for seed in range(8)]
            ratios = [decay_time(response) / time for response in responses]
            # Between parallel walls sound decays more slowly than by Eyring's formula, which assumes a diffuse field.
            assert 0.9 < np.median(ratios) < 1.5
            assert min(ratios) > 0.4
            assert max(ratios) < 1.8


def test_the_seed_determines_the_room() -> None:
    first, again, other = (impulse_response(0.1, RATE, np.random.default_rng(seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    many, same = (ImpulseResponses.generate(3, (0.1, 0.2), 500, RATE, np.random.default_rng(7)) for _ in range(2))
    np.testing.assert_array_equal(many.spectra, same.spectra)
    assert not np.array_equal(many.spectra[0], many.spectra[1])


def test_reverberation_is_a_convolution() -> None:
    for samples, time in ((16_000, 0.4), (1_000, 0.3), (37, 0.1)):
        with case(samples, time):
            responses = ImpulseResponses.generate(1, (time, time), samples, RATE, np.random.default_rng(5))
            rng = np.random.default_rng(5)
            response = impulse_response(rng.uniform(time, time), RATE, rng)
            # The clip is as loud at its end as at its start: what extends beyond the end must not wrap around.
            clip = sounds.hiss(samples, np.random.default_rng(0), 0.1)
            clip.setflags(write=False)
            reverberant = responses.convolve(clip, np.random.default_rng(0))
            assert reverberant.dtype == np.float32
            np.testing.assert_allclose(reverberant, np.convolve(clip, response)[:samples], atol=1e-6)


def test_reverberation_adds_no_delay() -> None:
    click = np.zeros(2_000, np.float32)
    click[500] = 1
    responses = ImpulseResponses.generate(1, (0.2, 0.2), 2_000, RATE, np.random.default_rng(0))
    reverberant = responses.convolve(click, np.random.default_rng(0))
    assert np.abs(reverberant[:500]).max() < 1e-6
    assert reverberant[500] > 0.01


def test_reverberation_hardly_changes_the_level() -> None:
    clip = sounds.hiss(RATE, np.random.default_rng(1), 0.1)
    many = ImpulseResponses.generate(10, (0.1, 0.6), RATE, RATE, np.random.default_rng(2))
    rng = np.random.default_rng(3)
    levels = [10 * np.log10(np.mean(many.convolve(clip, rng) ** 2) / np.mean(clip**2)) for _ in range(30)]
    assert np.abs(levels).max() < 1.5


def test_every_response_is_used() -> None:
    few = ImpulseResponses.generate(3, (0.1, 0.2), 400, RATE, np.random.default_rng(0))
    clip, rng = sounds.hiss(400, np.random.default_rng(1)), np.random.default_rng(2)
    assert len({few.convolve(clip, rng).tobytes() for _ in range(50)}) == 3
