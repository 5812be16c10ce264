"""Masks over time and frequency: their number, size and position follow the settings, their value is the mean."""

import numpy as np
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from sayso.config import AugmentationSettings, FeatureSettings
from sayso.training.augmentation import mask


def masked(settings: AugmentationSettings, seed: int, clips: int = 200) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return log-mel energies before and after masking, and where they were masked."""
    before = np.random.default_rng(seed).normal(-40, 10, (clips, 49, 40)).astype(np.float32)
    after = before.copy()
    mask(after, settings, FeatureSettings(), np.random.default_rng(seed + 1))
    return before, after, before != after


def test_a_time_mask_sets_one_range_of_frames_to_the_mean() -> None:
    before, after, changed = masked(AugmentationSettings(time_masks=1, time_mask_length=0.2, frequency_masks=0), 0)
    assert np.array_equal(changed.any(axis=2), changed.all(axis=2))
    frames = changed.all(axis=2)
    # 0.2 seconds are 10 frames of 20 ms.
    assert set(frames.sum(axis=1)) == set(range(11))
    assert frames.any(axis=0).all()
    assert (np.abs(np.diff(frames, axis=1)).sum(axis=1) <= 2).all()
    for clip, result, where in zip(before, after, frames, strict=True):
        np.testing.assert_allclose(result[where], clip.mean(), rtol=1e-5)


def test_a_frequency_mask_covers_neighbouring_bands() -> None:
    _, _, changed = masked(AugmentationSettings(time_masks=0, frequency_masks=1, frequency_mask_bands=7), 2)
    assert np.array_equal(changed.any(axis=1), changed.all(axis=1))
    bands = changed.all(axis=1)
    assert set(bands.sum(axis=1)) == set(range(8))
    assert bands.any(axis=0).all()
    assert (np.abs(np.diff(bands, axis=1)).sum(axis=1) <= 2).all()


def test_masks_may_be_longer_than_the_clip() -> None:
    widest = AugmentationSettings(time_masks=1, time_mask_length=1.0, frequency_masks=1, frequency_mask_bands=512)
    _, after, changed = masked(widest, 4)
    assert np.isfinite(after).all()
    assert changed.all(axis=(1, 2)).any()


def test_without_masks_nothing_is_masked() -> None:
    _, _, changed = masked(AugmentationSettings(time_masks=0, frequency_masks=0), 4)
    assert not changed.any()


@hypothesis_settings(max_examples=40)
@given(
    frames=st.integers(1, 60),
    bands=st.integers(1, 40),
    times=st.integers(0, 4),
    length=st.floats(0, 0.3),
    ranges=st.integers(0, 4),
    widest=st.integers(0, 12),
)
def test_masks_stay_within_their_limits(
    frames: int, bands: int, times: int, length: float, ranges: int, widest: int
) -> None:
    before = np.random.default_rng(0).normal(-40, 10, (8, frames, bands)).astype(np.float32)
    after = before.copy()
    settings = AugmentationSettings(
        time_masks=times, time_mask_length=length, frequency_masks=ranges, frequency_mask_bands=widest
    )
    mask(after, settings, FeatureSettings(), np.random.default_rng(1))
    for clip, result in zip(before, after, strict=True):
        where = result != clip
        np.testing.assert_allclose(result[where], clip.mean(), rtol=1e-5)
        whole_frames, whole_bands = where.all(axis=1), where.all(axis=0)
        # Every masked value is in a masked frame or band. (If all bands are masked, so are all frames.)
        assert not where[~whole_frames][:, ~whole_bands].any()
        if not where.all():
            assert whole_frames.sum() <= times * round(length / 0.02)
            assert whole_bands.sum() <= ranges * widest


def test_each_clip_has_its_own_masks_and_mean() -> None:
    before, after, changed = masked(AugmentationSettings(time_masks=2, frequency_masks=2), 6)
    assert len({clip.tobytes() for clip in changed}) > 190
    for clip, result, where in zip(before, after, changed, strict=True):
        np.testing.assert_allclose(result[where], clip.mean(), rtol=1e-5)
