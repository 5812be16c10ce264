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


def pink_noise(samples: int, seed: int = 0) -> FloatArray:
    """Return noise whose power falls with frequency as 1/f, as in many natural sounds; its peak is 0.5."""
    rng = np.random.default_rng(seed)
    frequencies = np.fft.rfftfreq(samples)
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    # Below 20 Hz (at 16 kHz) noise is inaudible, but would have most of the power.
    spectrum *= np.where(frequencies < 1 / 800, 0, 1 / np.sqrt(np.maximum(frequencies, 1 / 800)))
    noise = np.fft.irfft(spectrum, samples)
    return np.asarray(0.5 * noise / np.abs(noise).max(), np.float32)
