"""Variations of training clips: what is said stays, how it sounds changes.

Some are made on samples (speed, position, room), the others on mel energies, where they cost next to nothing: sounds
that have nothing to do with each other add up in power, so noise is added there. Every function takes its randomness as
`rng`, so that a batch can be made again from its seed alone.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sayso.config import AugmentationSettings, FeatureSettings
from sayso.sound.noise import random_slice, snr_gain
from sayso.training.reverberation import Rooms

FloatArray = NDArray[np.float32]


def vary(
    clip: FloatArray,
    length: int,
    offset: int,
    rooms: Rooms | None,
    settings: AugmentationSettings,
    sample_rate: int,
    rng: np.random.Generator,
) -> FloatArray:
    """Vary one clip in speed, position and room.

    Parameters
    ----------
    clip : ndarray of float32, shape (samples,)
        The clip.
    length : int
        Samples of the result, in whose middle the clip stands.
    offset : int
        Largest displacement from there, in samples.
    rooms : Rooms or None
        Rooms to hear clips of that length in.
    settings : AugmentationSettings
        How far to go.
    sample_rate : int
        Samples a second.
    rng : Generator
        Source of randomness.

    Returns
    -------
    varied : ndarray of float32, shape (length,)
        A new array.
    """
    if settings.speed:
        clip = change_speed(clip, 1 + rng.uniform(-settings.speed, settings.speed), sample_rate)
    clip = place(clip, length, int(rng.integers(-offset, offset + 1)))
    if rooms and rng.random() < settings.reverberation_probability:
        clip = rooms.put(clip, rng)
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


def add_noise(
    energies: FloatArray,
    noises: Sequence[FloatArray],
    band_widths: FloatArray,
    settings: AugmentationSettings,
    rng: np.random.Generator,
) -> None:
    """Vary the level of clips and add noise to some of them, in place.

    Parameters
    ----------
    energies : ndarray of float32, shape (batch, frames, mel_bands)
        Mel energies of the clips; overwritten.
    noises : sequence of ndarray of float32, shape (n, mel_bands)
        Mel energies of background noise, each of at least as many frames as the clips.
    band_widths : ndarray of float32, shape (mel_bands,)
        See `MfccExtractor.band_widths`.
    settings : AugmentationSettings
        How much.
    rng : Generator
        Source of randomness.
    """
    batch, frames, _ = energies.shape
    gains = np.power(10, rng.uniform(-settings.gain, settings.gain, (batch, 1, 1)) / 10)
    energies *= gains.astype(np.float32)
    if not noises:
        return
    ratios = rng.uniform(settings.noise_snr[0], settings.noise_snr[1], (batch,))
    powers: FloatArray = energies.sum(axis=1) @ band_widths
    for clip in np.flatnonzero(rng.random(batch) < settings.noise_probability):
        noise = random_slice(noises, frames, rng)
        gain = snr_gain(powers[clip], float(noise.sum(axis=0) @ band_widths), ratios[clip])
        energies[clip] += np.float32(gain) * noise


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
    batch, frames, bands = log_mel.shape
    times = _stretches(frames, round(settings.time_mask_length / features.hop), (batch, settings.time_masks), rng)
    ranges = _stretches(bands, settings.frequency_mask_bands, (batch, settings.frequency_masks), rng)
    means = log_mel.mean(axis=(1, 2))
    for clip, mean, stretches, masked in zip(log_mel, means, times.tolist(), ranges.tolist(), strict=True):
        for start, end in stretches:
            clip[start:end] = mean
        for start, end in masked:
            clip[:, start:end] = mean


def _stretches(whole: int, longest: int, shape: tuple[int, int], rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw stretches of up to `longest` within `whole`, shape (*shape, 2): start and end."""
    lengths = rng.integers(min(longest, whole) + 1, size=shape)
    starts = rng.integers(whole - lengths + 1)
    return np.stack([starts, starts + lengths], axis=-1)
