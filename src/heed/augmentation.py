"""Variations of training clips: what is said stays, how it sounds changes.

Every function takes its randomness as `rng`, so that a batch can be made again from its seed alone.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from heed.config import AugmentationSettings, FeatureSettings

FloatArray = NDArray[np.float32]


def vary(
    clip: FloatArray,
    noises: Sequence[FloatArray],
    settings: AugmentationSettings,
    sample_rate: int,
    rng: np.random.Generator,
) -> FloatArray:
    """Vary one clip in speed, position, level and background.

    Parameters
    ----------
    clip : ndarray of float32, shape (samples,)
        The clip.
    noises : sequence of ndarray of float32, shape (n,)
        Recordings of background noise, each at least as long as the clip.
    settings : AugmentationSettings
        How far to go.
    sample_rate : int
        Samples a second.
    rng : Generator
        Source of randomness.

    Returns
    -------
    varied : ndarray of float32, shape (samples,)
        A new array of the same length.
    """
    length = len(clip)
    if settings.speed:
        clip = change_speed(clip, 1 + rng.uniform(-settings.speed, settings.speed), sample_rate)
    limit = round(settings.shift * sample_rate)
    clip = place(clip, length, int(rng.integers(-limit, limit + 1)))
    clip *= np.float32(10 ** (rng.uniform(-settings.gain, settings.gain) / 20))
    if noises and rng.random() < settings.noise_probability:
        noise = random_slice(noises, length, rng)
        clip += scaled_to_snr(clip, noise, rng.uniform(*settings.noise_snr))
    return clip


def change_speed(clip: FloatArray, factor: float, sample_rate: int) -> FloatArray:
    """Play a clip `factor` times as fast; pitch rises with speed, as from a smaller throat."""
    import soxr

    changed: FloatArray = soxr.resample(clip, sample_rate * factor, sample_rate, quality="QQ")
    return changed


def place(clip: FloatArray, length: int, shift: int) -> FloatArray:
    """Put a clip into `length` samples of silence, its middle `shift` samples behind theirs."""
    start = (length - len(clip)) // 2 + shift
    placed = np.zeros(length, np.float32)
    placed[max(start, 0) : max(start + len(clip), 0)] = clip[max(-start, 0) : max(length - start, 0)]
    return placed


def random_slice(noises: Sequence[FloatArray], length: int, rng: np.random.Generator) -> FloatArray:
    """Cut `length` samples out of a randomly chosen recording at a random place."""
    noise = noises[int(rng.integers(len(noises)))]
    start = rng.integers(len(noise) - length + 1)
    return noise[start : start + length]


def scaled_to_snr(clip: FloatArray, noise: FloatArray, snr: float) -> FloatArray:
    """Scale noise so that the clip's mean power stands `snr` decibels above that of the noise."""
    clip_power, noise_power = np.dot(clip, clip), np.dot(noise, noise)
    if noise_power == 0:
        return noise
    scaled: FloatArray = noise * np.float32(np.sqrt(clip_power / noise_power) * 10 ** (-snr / 20))
    return scaled


def mask(
    log_mel: FloatArray, settings: AugmentationSettings, features: FeatureSettings, rng: np.random.Generator
) -> None:
    """Blank random stretches of time and ranges of frequency, in place.

    D. Park et al., "SpecAugment", 2019; what is blanked becomes the clip's mean, so it says nothing.

    Parameters
    ----------
    log_mel : ndarray of float32, shape (batch, frames, mel_bands)
        Log-mel energies; overwritten.
    settings, features : AugmentationSettings, FeatureSettings
        How much to blank; how long a frame is.
    rng : Generator
        Source of randomness.
    """
    frames, bands = log_mel.shape[1:]
    longest = min(round(settings.time_mask_length / features.hop), frames)
    widest = min(settings.frequency_mask_bands, bands)
    means = log_mel.mean(axis=(1, 2))
    for clip, mean in zip(log_mel, means, strict=True):
        for _ in range(settings.time_masks):
            length = rng.integers(longest + 1)
            start = rng.integers(frames - length + 1)
            clip[start : start + length] = mean
        for _ in range(settings.frequency_masks):
            width = rng.integers(widest + 1)
            start = rng.integers(bands - width + 1)
            clip[:, start : start + width] = mean
