"""Generated rooms: physics as the image-source method has it, and convolution as NumPy does it."""

import numpy as np
import pytest
from scipy import signal

import sounds
from sayso.training import reverberation
from sayso.training.reverberation import ImpulseResponses, impulse_response

RATE = sounds.RATE


def decay_time(response: np.ndarray) -> float:
    """Measure T60 by Schroeder's backward integration, from the fall between -5 and -25 dB."""
    # A microphone hears nothing of what lies below 100 Hz, and so does speech.
    heard = signal.sosfilt(signal.butter(4, 100, "highpass", fs=RATE, output="sos"), response.astype(np.float64))
    left = np.cumsum(heard[::-1] ** 2)[::-1]
    level = 10 * np.log10(left / left[0])
    fall = np.flatnonzero((level <= -5) & (level >= -25))
    return -60 / np.polyfit(fall / RATE, level[fall], 1)[0]


def images(size: float, source: float, furthest: float) -> tuple[np.ndarray, np.ndarray]:
    """Reflect a source between two walls again and again; return its images and how often each was reflected."""
    found, latest = {source: 0}, {source}
    for bounces in range(1, int(furthest / size) + 3):
        mirrored = {round(2 * wall - place, 9) for place in latest for wall in (0, size)}
        latest = {place for place in mirrored if not np.isclose(list(found), place).any()}
        found |= dict.fromkeys(latest, bounces)
    return np.array(list(found)), np.array(list(found.values()))


@pytest.mark.parametrize("seed", range(3))
def test_a_response_is_the_sum_of_all_images(seed: int) -> None:
    time = 0.06
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
    grid = np.meshgrid(*(place - ear for place, ear in zip(places, microphone, strict=True)))
    distances = np.linalg.norm(grid, axis=0)
    delays = np.rint((distances - direct) / reverberation.SPEED_OF_SOUND * RATE).astype(int)
    expected = np.zeros(delays.max() + 1)
    np.add.at(expected, delays, (-np.sqrt(kept)) ** sum(np.meshgrid(*bounces)) / distances)
    expected = expected[: round(time * RATE)]
    np.testing.assert_allclose(response, expected / np.linalg.norm(expected), atol=1e-6)


@pytest.mark.parametrize("time", [0.05, 0.2, 0.6, 2.0])
def test_a_response_begins_with_the_direct_sound_and_has_energy_one(time: float) -> None:
    for seed in range(5):
        response = impulse_response(time, RATE, np.random.default_rng(seed))
        assert response.dtype == np.float32
        assert len(response) == round(min(time, reverberation.LONGEST) * RATE)
        assert response[0] > 0
        assert np.square(response, dtype=np.float64).sum() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("time", [0.15, 0.3, 0.6])
def test_the_sound_decays_within_the_time_asked_for(time: float) -> None:
    ratios = [decay_time(impulse_response(time, RATE, np.random.default_rng(seed))) / time for seed in range(8)]
    # Between parallel walls sound lives somewhat longer than Eyring's formula says, which holds for a diffuse field.
    assert 0.9 < np.median(ratios) < 1.5
    assert min(ratios) > 0.4
    assert max(ratios) < 1.8


def test_the_seed_decides_the_room() -> None:
    first, again, other = (impulse_response(0.1, RATE, np.random.default_rng(seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    many, same = (ImpulseResponses.generate(3, (0.1, 0.2), 500, RATE, np.random.default_rng(7)) for _ in range(2))
    np.testing.assert_array_equal(many.spectra, same.spectra)
    assert not np.array_equal(many.spectra[0], many.spectra[1])


@pytest.mark.parametrize(("samples", "time"), [(16_000, 0.4), (1_000, 0.3), (37, 0.1)])
def test_a_room_is_a_convolution(samples: int, time: float) -> None:
    room = ImpulseResponses.generate(1, (time, time), samples, RATE, np.random.default_rng(5))
    rng = np.random.default_rng(5)
    response = impulse_response(rng.uniform(time, time), RATE, rng)
    # As loud at its end as at its beginning: what goes past the end must not come back at the start.
    clip = sounds.hiss(samples, np.random.default_rng(0), 0.1)
    clip.setflags(write=False)
    heard = room.convolve(clip, np.random.default_rng(0))
    assert heard.dtype == np.float32
    np.testing.assert_allclose(heard, np.convolve(clip, response)[:samples], atol=1e-6)


def test_a_room_delays_nothing() -> None:
    click = np.zeros(2_000, np.float32)
    click[500] = 1
    room = ImpulseResponses.generate(1, (0.2, 0.2), 2_000, RATE, np.random.default_rng(0))
    heard = room.convolve(click, np.random.default_rng(0))
    assert np.abs(heard[:500]).max() < 1e-6
    assert heard[500] > 0.01


def test_a_room_hardly_changes_the_level() -> None:
    clip = sounds.hiss(RATE, np.random.default_rng(1), 0.1)
    many = ImpulseResponses.generate(10, (0.1, 0.6), RATE, RATE, np.random.default_rng(2))
    rng = np.random.default_rng(3)
    levels = [10 * np.log10(np.mean(many.convolve(clip, rng) ** 2) / np.mean(clip**2)) for _ in range(30)]
    assert np.abs(levels).max() < 1.5


def test_every_room_is_used() -> None:
    few = ImpulseResponses.generate(3, (0.1, 0.2), 400, RATE, np.random.default_rng(0))
    clip, rng = sounds.hiss(400, np.random.default_rng(1)), np.random.default_rng(2)
    assert len({few.convolve(clip, rng).tobytes() for _ in range(50)}) == 3
