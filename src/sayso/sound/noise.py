"""Noise: cut at random out of recordings, scaled to a signal-to-noise ratio, or generated."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]

# Power below this is no sound, and would overflow when it is scaled up to one.
SILENT = 1e-20


def random_slice(noises: Sequence[FloatArray], length: int, rng: np.random.Generator) -> FloatArray:
    """Cut `length` samples, or frames, out of a randomly chosen recording at a random place."""
    noise = noises[int(rng.integers(len(noises)))]
    start = rng.integers(len(noise) - length + 1)
    return noise[start : start + length]


def snr_gain(power: float, noise_power: float, snr: float) -> float:
    """Return by how much to multiply the power of a noise so that it lies `snr` decibels below `power`.

    Silence, digital or as good as that, stays silence.
    """
    return power / noise_power * 10 ** (-snr / 10) if noise_power > SILENT else 0.0


def pink_noise(samples: int, seed: int = 0) -> FloatArray:
    """Make noise whose power falls with frequency as 1/f, as that of many natural sounds; its peak is 0.5."""
    rng = np.random.default_rng(seed)
    frequencies = np.fft.rfftfreq(samples)
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    # Below 20 Hz at 16 kHz there is nothing to hear, and most of the power.
    spectrum *= np.where(frequencies < 1 / 800, 0, 1 / np.sqrt(np.maximum(frequencies, 1 / 800)))
    noise = np.fft.irfft(spectrum, samples)
    return np.asarray(0.5 * noise / np.abs(noise).max(), np.float32)
