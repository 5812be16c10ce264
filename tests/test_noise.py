"""Noise: gains give exact ratios, slices come from everywhere, and pink noise is pink."""

import numpy as np
import pytest

import sounds
from sayso.sound.noise import coloured_noise, random_slice, snr_gain


def power(samples: np.ndarray) -> float:
    return float(np.mean(samples.astype(np.float64) ** 2))


def test_the_ratio_of_signal_to_noise_is_exact() -> None:
    clip = sounds.clip("yes")
    noise = sounds.hiss(sounds.RATE, np.random.default_rng(1), 0.1)
    for snr in (-30.0, 0.0, 12.5, 100.0):
        gain = snr_gain(power(clip), power(noise), snr)
        assert 10 * np.log10(power(clip) / power(np.sqrt(gain) * noise)) == pytest.approx(snr, abs=1e-3), snr


def test_the_gain_for_silence_is_zero() -> None:
    assert snr_gain(1.0, 0.0, 0.0) == 0
    # Relative to silence, any noise would be infinitely loud.
    assert snr_gain(0.0, 1.0, 0.0) == 0
    assert snr_gain(0.0, 0.0, 0.0) == 0


def test_random_slices_come_from_all_positions() -> None:
    short, long = np.array([100.0, 101.0], np.float32), np.arange(4, dtype=np.float32)
    rng = np.random.default_rng(0)
    drawn = {tuple(random_slice([short, long], 2, rng).tolist()) for _ in range(200)}
    assert drawn == {(100, 101), (0, 1), (1, 2), (2, 3)}


def test_pink_noise_has_the_same_power_in_each_octave() -> None:
    noise = coloured_noise(160_000)
    power = np.abs(np.fft.rfft(noise)) ** 2
    frequencies = np.fft.rfftfreq(len(noise), 1 / 16_000)
    octaves = [power[(frequencies >= low) & (frequencies < 2 * low)].sum() for low in (125, 250, 500, 1000, 2000)]
    np.testing.assert_allclose(octaves, np.mean(octaves), rtol=0.15)
    assert np.abs(noise).max() == pytest.approx(0.5)
