"""Variations of clips: each does exactly what it says, nothing to its input, and the same with the same seed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

import sounds
from heed.augmentation import change_speed, mask, place, random_slice, scaled_to_snr, vary
from heed.config import AugmentationSettings, FeatureSettings

RATE = sounds.RATE
STILL = AugmentationSettings(shift=0, speed=0, gain=0, noise_probability=0)


def power(samples: np.ndarray) -> float:
    return float(np.mean(samples.astype(np.float64) ** 2))


@pytest.fixture
def clip() -> np.ndarray:
    return sounds.clip("yes")


@pytest.fixture
def noises() -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    return [sounds.hiss(length, rng, 0.1) for length in (RATE, 3 * RATE)]


@pytest.mark.parametrize("snr", [-30.0, 0.0, 12.5, 100.0])
def test_the_ratio_of_signal_to_noise_is_exact(clip: np.ndarray, noises: list[np.ndarray], snr: float) -> None:
    noise = scaled_to_snr(clip, noises[0], snr)
    assert noise.dtype == np.float32
    assert 10 * np.log10(power(clip) / power(noise)) == pytest.approx(snr, abs=1e-3)


def test_nothing_is_scaled_to_no_number(clip: np.ndarray, noises: list[np.ndarray]) -> None:
    silent = np.zeros(RATE, np.float32)
    assert not scaled_to_snr(clip, silent, 0.0).any()
    # Beside silence, any noise would be infinitely loud.
    assert not scaled_to_snr(silent, noises[0], 0.0).any()


@pytest.mark.parametrize(
    ("length", "shift", "expected"),
    [
        (5, 0, [1, 2, 3, 4, 5]),
        (5, 2, [0, 0, 1, 2, 3]),
        (5, -1, [2, 3, 4, 5, 0]),
        (7, 0, [0, 1, 2, 3, 4, 5, 0]),
        (7, -1, [1, 2, 3, 4, 5, 0, 0]),
        (3, 0, [2, 3, 4]),
        (3, 1, [1, 2, 3]),
        (5, 5, [0, 0, 0, 0, 0]),
        (5, -9, [0, 0, 0, 0, 0]),
        (5, 9, [0, 0, 0, 0, 0]),
    ],
)
def test_a_clip_is_put_into_its_place(length: int, shift: int, expected: list[float]) -> None:
    clip = np.arange(1, 6, dtype=np.float32)
    placed = place(clip, length, shift)
    np.testing.assert_array_equal(placed, expected)
    assert placed.dtype == np.float32


@pytest.mark.parametrize("factor", [0.8, 1.0, 1.25])
def test_speed_changes_length_and_pitch_alike(factor: float) -> None:
    tone = np.sin(2 * np.pi * 1_000 * np.arange(RATE) / RATE).astype(np.float32)
    changed = change_speed(tone, factor, RATE)
    assert len(changed) == pytest.approx(RATE / factor, abs=1)
    # In a window, so that the ends do not spread the peak.
    spectrum = np.abs(np.fft.rfft(changed * np.hanning(len(changed))))
    assert spectrum.argmax() * RATE / len(changed) == pytest.approx(1_000 * factor, rel=2e-3)


def test_without_variation_a_clip_stays_as_it_is(clip: np.ndarray, noises: list[np.ndarray]) -> None:
    varied = vary(clip, noises, STILL, RATE, np.random.default_rng(0))
    np.testing.assert_array_equal(varied, clip)
    assert not np.shares_memory(varied, clip)


def test_shift_goes_as_far_as_allowed_both_ways() -> None:
    click = np.zeros(RATE, np.float32)
    click[RATE // 2] = 1
    settings = AugmentationSettings(shift=0.001, speed=0, gain=0, noise_probability=0)
    rng = np.random.default_rng(0)
    moved = {int(vary(click, [], settings, RATE, rng).argmax()) - RATE // 2 for _ in range(400)}
    assert moved == set(range(-16, 17))


def test_a_clip_may_be_moved_out_of_the_window(clip: np.ndarray) -> None:
    settings = AugmentationSettings(shift=1, speed=0.5)
    rng = np.random.default_rng(0)
    for _ in range(100):
        assert vary(clip, [], settings, RATE, rng).shape == (RATE,)


def test_gain_stays_within_its_limits(clip: np.ndarray) -> None:
    settings = AugmentationSettings(shift=0, speed=0, gain=6, noise_probability=0)
    rng = np.random.default_rng(0)
    gains = [10 * np.log10(power(vary(clip, [], settings, RATE, rng)) / power(clip)) for _ in range(200)]
    assert -6.001 < min(gains) < -5
    assert 5 < max(gains) < 6.001


def test_noise_comes_as_often_and_as_loud_as_asked(clip: np.ndarray, noises: list[np.ndarray]) -> None:
    settings = AugmentationSettings(shift=0, speed=0, gain=0, noise_probability=0.25, noise_snr=(5, 15))
    rng = np.random.default_rng(0)
    added = [vary(clip, noises, settings, RATE, rng) - clip for _ in range(400)]
    loud = [10 * np.log10(power(clip) / power(noise)) for noise in added if noise.any()]
    assert 70 < len(loud) < 130
    assert 4.99 < min(loud) < 6
    assert 14 < max(loud) < 15.01


@hypothesis_settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    length=st.integers(600, 3_000),
    kind=st.sampled_from(["sound", "silence"]),
    noise=st.sampled_from(["none", "hiss", "silence"]),
)
def test_length_type_and_input_are_kept_and_the_seed_decides(seed: int, length: int, kind: str, noise: str) -> None:
    rng = np.random.default_rng(seed)
    clip = sounds.hiss(length, rng, 0.1 * (kind == "sound"))
    noises = [] if noise == "none" else [sounds.hiss(length + 5, rng, 0.1 * (noise == "hiss"))]
    for array in (clip, *noises):
        array.setflags(write=False)
    settings = AugmentationSettings(shift=0.01)
    first, second = (vary(clip, noises, settings, RATE, np.random.default_rng([seed, 1])) for _ in range(2))
    assert first.shape == (length,)
    assert first.dtype == np.float32
    assert np.isfinite(first).all()
    np.testing.assert_array_equal(first, second)
    if kind == "sound":
        assert not np.array_equal(first, vary(clip, noises, settings, RATE, np.random.default_rng(9)))


def test_slices_come_from_everywhere(noises: list[np.ndarray]) -> None:
    short, long = np.array([100.0, 101.0], np.float32), np.arange(4, dtype=np.float32)
    rng = np.random.default_rng(0)
    drawn = {tuple(random_slice([short, long], 2, rng).tolist()) for _ in range(200)}
    assert drawn == {(100, 101), (0, 1), (1, 2), (2, 3)}


def blanked(settings: AugmentationSettings, seed: int, clips: int = 200) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return log-mel energies before and after masking, and where they were blanked."""
    before = np.random.default_rng(seed).normal(-40, 10, (clips, 49, 40)).astype(np.float32)
    after = before.copy()
    mask(after, settings, FeatureSettings(), np.random.default_rng(seed + 1))
    return before, after, before != after


def test_one_time_mask_blanks_one_stretch_to_the_mean() -> None:
    before, after, changed = blanked(AugmentationSettings(time_masks=1, time_mask_length=0.2, frequency_masks=0), 0)
    assert np.array_equal(changed.any(axis=2), changed.all(axis=2))
    stretches = changed.all(axis=2)
    lengths = stretches.sum(axis=1)
    # 0.2 seconds are 10 frames of 20 ms.
    assert set(lengths) == set(range(11))
    assert stretches.any(axis=0).all()
    assert (np.abs(np.diff(stretches, axis=1)).sum(axis=1) <= 2).all()
    for clip, masked, stretch in zip(before, after, stretches, strict=True):
        np.testing.assert_allclose(masked[stretch], clip.mean(), rtol=1e-5)


def test_one_frequency_mask_blanks_neighbouring_bands() -> None:
    _, _, changed = blanked(AugmentationSettings(time_masks=0, frequency_masks=1, frequency_mask_bands=7), 2)
    assert np.array_equal(changed.any(axis=1), changed.all(axis=1))
    bands = changed.all(axis=1)
    assert set(bands.sum(axis=1)) == set(range(8))
    assert bands.any(axis=0).all()
    assert (np.abs(np.diff(bands, axis=1)).sum(axis=1) <= 2).all()


def test_masks_may_be_wider_than_the_clip() -> None:
    widest = AugmentationSettings(time_masks=1, time_mask_length=1.0, frequency_masks=1, frequency_mask_bands=512)
    _, after, changed = blanked(widest, 4)
    assert np.isfinite(after).all()
    assert changed.all(axis=(1, 2)).any()


def test_without_masks_nothing_is_blanked() -> None:
    _, _, changed = blanked(AugmentationSettings(time_masks=0, frequency_masks=0), 4)
    assert not changed.any()
