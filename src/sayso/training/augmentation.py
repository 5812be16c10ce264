"""Augmentation of training clips: what is spoken stays, how it sounds changes.

Speed, position, clipping and reverberation are changed on samples. Level, noise, colour and masks are applied to mel
energies, where they cost almost nothing: the powers of uncorrelated sounds add up, so noise can be added there. Every
function takes its randomness as `rng`, so that a batch can be reproduced from its seed.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sayso.config import AugmentationSettings, FeatureSettings
from sayso.sound.noise import random_slice, snr_gain
from sayso.training.reverberation import ImpulseResponses

FloatArray = NDArray[np.float32]

# Points of the random equaliser, between which its gain is interpolated.
EQUALIZER_POINTS = 5
# Where the edge of a limited band lies, as a fraction of the mel bands, and the slope beyond it in decibels per band:
# the steep edges of telephones and codecs, and the gentle ones of small loudspeakers and microphones.
HIGHEST_EDGE, LOWEST_EDGE, SLOPE = (0.45, 0.95), (0.0, 0.15), (6.0, 20.0)
# Number of speeds at which noise is kept, and by how many decibels one of two noises at once is louder at the most.
NOISE_SPEEDS, PAIR_RATIO = 7, 10.0
# Attenuation far beyond the edge, in decibels.
DEEPEST = 60.0


def augment(
    clip: FloatArray,
    length: int,
    offset: int,
    responses: ImpulseResponses | None,
    settings: AugmentationSettings,
    sample_rate: int,
    rng: np.random.Generator,
) -> FloatArray:
    """Change the speed, position, clipping and reverberation of one clip at random.

    Parameters
    ----------
    clip : ndarray of float32, shape (samples,)
        The clip.
    length : int
        Number of samples of the result; the clip is centred in it before it is shifted.
    offset : int
        Largest shift, in samples.
    responses : ImpulseResponses or None
        Room impulse responses for clips of `length` samples. Without any, no reverberation is added.
    settings : AugmentationSettings
        How much to change.
    sample_rate : int
        Samples per second.
    rng : Generator
        Source of randomness.

    Returns
    -------
    augmented : ndarray of float32, shape (length,)
        A new array.
    """
    if settings.speed:
        clip = change_speed(clip, 1 + rng.uniform(-settings.speed, settings.speed), sample_rate)
    clip = place(clip, length, int(rng.integers(-offset, offset + 1)))
    if settings.clipping_probability and rng.random() < settings.clipping_probability:
        clip = overdrive(clip, rng.uniform(0, settings.clipping))
    if responses and rng.random() < settings.reverberation_probability:
        clip = responses.convolve(clip, rng)
    return clip


def change_speed(clip: FloatArray, factor: float, sample_rate: int) -> FloatArray:
    """Play a clip `factor` times as fast; pitch rises with speed, as for a smaller vocal tract."""
    import soxr

    changed: FloatArray = soxr.resample(clip, sample_rate * factor, sample_rate, quality="QQ")
    return changed


def place(clip: FloatArray, length: int, shift: int) -> FloatArray:
    """Centre a clip in `length` samples of silence, then shift it right by `shift` samples."""
    start = (length - len(clip)) // 2 + shift
    placed = np.zeros(length, np.float32)
    placed[max(start, 0) : max(start + len(clip), 0)] = clip[max(-start, 0) : max(length - start, 0)]
    return placed


def overdrive(clip: FloatArray, decibels: float) -> FloatArray:
    """Cut a clip off at a level this far below its peak, as a microphone does whose gain is too high."""
    limit = np.float32(np.abs(clip).max(initial=0) * 10 ** (-decibels / 20))
    return np.clip(clip, -limit, limit)


def add_noise(
    energies: FloatArray,
    noises: Sequence[FloatArray],
    band_widths: FloatArray,
    settings: AugmentationSettings,
    rng: np.random.Generator,
) -> None:
    """Change the level of clips and add noise to some of them, in place.

    Parameters
    ----------
    energies : ndarray of float32, shape (batch, frames, mel_bands)
        Mel energies of the clips; overwritten.
    noises : sequence of ndarray of float32, shape (n, mel_bands)
        Mel energies of background noise, each with at least as many frames as the clips.
    band_widths : ndarray of float32, shape (mel_bands,)
        See `MfccExtractor.band_widths`.
    settings : AugmentationSettings
        Range of levels, and how often and how loud noise is added.
    rng : Generator
        Source of randomness.
    """
    batch, frames, _ = energies.shape
    decibels = rng.uniform(-settings.gain, settings.gain, (batch, 1, 1))
    if settings.faint_probability:
        faint = rng.random(decibels.shape) < settings.faint_probability
        decibels = np.where(faint, rng.uniform(-settings.faint, settings.gain, decibels.shape), decibels)
    gains = np.power(10, decibels / 10)
    energies *= gains.astype(np.float32)
    if not noises:
        return
    ratios = rng.uniform(settings.noise_snr[0], settings.noise_snr[1], (batch,))
    powers: FloatArray = energies.sum(axis=1) @ band_widths
    for clip in np.flatnonzero(rng.random(batch) < settings.noise_probability):
        noise = draw_noise(noises, frames, settings, rng)
        gain = snr_gain(powers[clip], float(noise.sum(axis=0) @ band_widths), ratios[clip])
        energies[clip] += np.float32(gain) * noise


def at_speeds(noise: FloatArray, length: int, settings: AugmentationSettings, sample_rate: int) -> list[FloatArray]:
    """Return a recording of noise at several speeds, each repeated until it has at least `length` samples."""
    if not settings.noise_speed:
        return [noise]
    fastest = 1 + settings.noise_speed
    changed = [change_speed(noise, factor, sample_rate) for factor in np.geomspace(1 / fastest, fastest, NOISE_SPEEDS)]
    return [version if len(version) >= length else np.resize(version, length) for version in changed]


def draw_noise(
    noises: Sequence[FloatArray], frames: int, settings: AugmentationSettings, rng: np.random.Generator
) -> FloatArray:
    """Draw mel energies of noise, shape (frames, mel_bands); sometimes two recordings are heard at once."""
    noise = random_slice(noises, frames, rng)
    if settings.noise_pairs and rng.random() < settings.noise_pairs:
        other = random_slice(noises, frames, rng)
        gain = snr_gain(float(noise.sum()), float(other.sum()), rng.uniform(-PAIR_RATIO, PAIR_RATIO))
        noise = noise + np.float32(gain) * other
    return noise


def colour(energies: FloatArray, settings: AugmentationSettings, rng: np.random.Generator) -> None:
    """Colour clips as microphones, telephones and codecs do, in place.

    Parameters
    ----------
    energies : ndarray of float32, shape (batch, frames, mel_bands)
        Mel energies of the clips; overwritten.
    settings : AugmentationSettings
        How often the spectrum is equalised and limited, and how much.
    rng : Generator
        Source of randomness.
    """
    if not settings.equalizer_probability and not settings.band_probability:
        return
    batch, _, bands = energies.shape
    band = np.arange(bands)
    points = np.linspace(0, bands - 1, EQUALIZER_POINTS)
    decibels = np.zeros((batch, bands))
    for curve in decibels:
        equalized, cut_high, cut_low = rng.random(3)
        if equalized < settings.equalizer_probability:
            curve += np.interp(band, points, rng.normal(0, settings.equalizer, EQUALIZER_POINTS))
        if cut_high < settings.band_probability:
            curve -= np.clip((band - rng.uniform(*HIGHEST_EDGE) * bands) * rng.uniform(*SLOPE), 0, DEEPEST)
        if cut_low < settings.band_probability:
            curve -= np.clip((rng.uniform(*LOWEST_EDGE) * bands - band) * rng.uniform(*SLOPE), 0, DEEPEST)
    energies *= np.power(10, decibels[:, None] / 10).astype(np.float32)


def mask(
    log_mel: FloatArray, settings: AugmentationSettings, features: FeatureSettings, rng: np.random.Generator
) -> None:
    """Mask random ranges of time and of frequency, in place.

    D. Park et al., "SpecAugment", 2019. Masked values become the mean of the clip, so they carry no information.

    Parameters
    ----------
    log_mel : ndarray of float32, shape (batch, frames, mel_bands)
        Log-mel energies; overwritten.
    settings, features : AugmentationSettings, FeatureSettings
        Number and size of the masks; duration of a frame.
    rng : Generator
        Source of randomness.
    """
    batch, frames, bands = log_mel.shape
    times = _random_ranges(frames, round(settings.time_mask_length / features.hop), (batch, settings.time_masks), rng)
    frequencies = _random_ranges(bands, settings.frequency_mask_bands, (batch, settings.frequency_masks), rng)
    means = log_mel.mean(axis=(1, 2))
    for clip, mean, in_time, in_frequency in zip(log_mel, means, times.tolist(), frequencies.tolist(), strict=True):
        for start, end in in_time:
            clip[start:end] = mean
        for start, end in in_frequency:
            clip[:, start:end] = mean


def _random_ranges(total: int, longest: int, shape: tuple[int, int], rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw ranges of at most `longest` positions out of `total`; shape (*shape, 2): start and end."""
    lengths = rng.integers(min(longest, total) + 1, size=shape)
    starts = rng.integers(total - lengths + 1)
    return np.stack([starts, starts + lengths], axis=-1)
