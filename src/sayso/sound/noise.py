"""Noise: random slices of recordings, their gain for a signal-to-noise ratio, and generated noise."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]

# Power below this counts as silence; scaled up to that of speech it would overflow.
SILENT = 1e-20


def random_slice(noises: Sequence[FloatArray], length: int, rng: np.random.Generator) -> FloatArray:
    """Return `length` samples, or frames, of a randomly chosen recording from a random position."""
    noise = noises[int(rng.integers(len(noises)))]
    start = rng.integers(len(noise) - length + 1)
    return noise[start : start + length]


def snr_gain(power: float, noise_power: float, snr: float) -> float:
    """Return the factor for the power of a noise that puts it `snr` decibels below `power`; 0 for a silent noise."""
    return power / noise_power * 10 ** (-snr / 10) if noise_power > SILENT else 0.0


def generated_noises(sample_rate: int) -> list[FloatArray]:
    """Return a minute each of white, pink and brown noise, as of electronics, of wind and of traffic far away."""
    return [coloured_noise(60 * sample_rate, exponent) for exponent in (0.0, 1.0, 2.0)]


def coloured_noise(samples: int, exponent: float = 1.0, seed: int = 0) -> FloatArray:
    """Return noise whose power falls with frequency f as 1/f^exponent; its peak is 0.5.

    It is white for 0, pink for 1, as are many natural sounds, and brown for 2.
    """
    rng = np.random.default_rng(seed)
    frequencies = np.fft.rfftfreq(samples)
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    # Below 20 Hz (at 16 kHz) noise is inaudible, but would have most of the power.
    spectrum *= np.where(frequencies < 1 / 800, 0, np.maximum(frequencies, 1 / 800) ** (-exponent / 2))
    noise = np.fft.irfft(spectrum, samples)
    return np.asarray(0.5 * noise / np.abs(noise).max(), np.float32)
