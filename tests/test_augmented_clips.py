"""Varied clips: what is not varied stays as it is, each epoch renews its part, and the epoch alone decides."""

from pathlib import Path

import numpy as np
import pytest

from sayso.config import AugmentationSettings, FeatureSettings, Settings, TrainingSettings
from sayso.corpus.clips import Clips
from sayso.corpus.corpus import Clip
from sayso.features.filterbank import FeatureTables
from sayso.features.mfcc import MfccExtractor
from sayso.training import augmentation, augmented_clips
from sayso.training.augmented_clips import AugmentedClips

# Short clips and few bands keep these tests quick.
FEATURES = FeatureSettings(clip=0.064, mel_bands=10, coefficients=10)
EXTRACTOR = MfccExtractor(FEATURES, FeatureTables.from_settings(FEATURES))
HOP = FEATURES.hop_samples


@pytest.fixture(autouse=True)
def few_rooms(monkeypatch: pytest.MonkeyPatch) -> None:
    """Generate no more rooms than these tests need."""
    monkeypatch.setattr(augmented_clips, "RESPONSES", 5)


def clips(count: int) -> Clips:
    """Return so many random clips."""
    rows = tuple(Clip(Path(f"yes/{number}.wav"), "yes", None, "training") for number in range(count))
    samples = np.random.default_rng(5).integers(-9_000, 9_000, (count, FEATURES.clip_samples)).astype(np.int16)
    samples.setflags(write=False)
    return Clips(samples, rows, ())


def varied(store: Clips, seed: int = 0, **changes: object) -> AugmentedClips:
    """Return clips that are varied in nothing but what is named."""
    still = {"shift": 0.0, "speed": 0.0, "reverberation_probability": 0.0}
    settings = Settings(
        features=FEATURES, augmentation=AugmentationSettings(**still | changes), training=TrainingSettings(seed=seed)
    )
    return AugmentedClips(store, settings, EXTRACTOR)


# Everything at once.
ALL = {"shift": 0.05, "speed": 0.1, "reverberation_probability": 0.5, "reverberation_time": (0.05, 0.1)}


def test_without_variation_energies_are_those_of_the_clips() -> None:
    store = clips(150)
    same = varied(store, renewal=2)
    expected = EXTRACTOR.energies(store.windows(np.arange(150)))
    for epoch in range(3):
        same.renew(epoch, 2)
        np.testing.assert_allclose(same.energies, expected, rtol=1e-5)
    positions = np.array([3, 149, 3])
    np.testing.assert_array_equal(same.draw(positions, np.random.default_rng(0)), same.energies[positions])


def test_each_epoch_renews_the_part_that_is_due() -> None:
    made = varied(clips(22), renewal=4, **ALL)
    made.renew(0, 2)
    first = made.energies.copy()
    assert np.isfinite(first).all()
    for epoch in range(1, 10):
        before = made.energies.copy()
        made.renew(epoch, 2)
        touched = (made.energies != before).any(axis=(1, 2))
        np.testing.assert_array_equal(touched, np.arange(22) % 4 == epoch % 4)
        if epoch == 4:
            assert (made.energies != first).any(axis=(1, 2)).all()
        # The same epoch asks for nothing new.
        before = made.energies.copy()
        made.renew(epoch, 2)
        np.testing.assert_array_equal(made.energies, before)


def test_no_more_is_made_than_is_due(monkeypatch: pytest.MonkeyPatch) -> None:
    made, calls = varied(clips(22), renewal=4), []
    original = augmentation.augment
    monkeypatch.setattr(augmentation, "augment", lambda *arguments: (calls.append(1), original(*arguments))[1])
    counts = []
    for epoch in (0, 1, 1, 2, 6, 0):
        calls.clear()
        made.renew(epoch, 2)
        counts.append(len(calls))
    # Going four epochs on, or back, makes all anew.
    assert counts == [22, 6, 0, 5, 22, 22]


def test_with_a_renewal_of_one_every_clip_is_always_new() -> None:
    made = varied(clips(10), renewal=1, **ALL)
    seen = []
    for epoch in range(3):
        made.renew(epoch, 1)
        seen.append(made.energies.copy())
    for one, other in ((0, 1), (1, 2), (0, 2)):
        assert (seen[one] != seen[other]).any(axis=(1, 2)).all()


def test_more_parts_than_clips() -> None:
    made = varied(clips(3), renewal=10, **ALL)
    made.renew(2, 2)
    before = made.energies.copy()
    made.renew(9, 2)
    np.testing.assert_array_equal(made.energies, before)
    made.renew(11, 2)
    np.testing.assert_array_equal((made.energies != before).any(axis=(1, 2)), [True, True, False])


@pytest.mark.parametrize("renewal", [1, 2, 5])
@pytest.mark.parametrize("epoch", [0, 1, 3, 7])
def test_resuming_at_an_epoch_equals_having_come_to_it(renewal: int, epoch: int) -> None:
    # More clips than one thread varies together.
    store = clips(augmented_clips._CHUNK + 9 if renewal == 1 else 40)
    whole, resumed, skipping = (varied(store, renewal=renewal, **ALL) for _ in range(3))
    for number in range(epoch + 1):
        whole.renew(number, 1)
    resumed.renew(epoch, 4)
    for number in (12, 0, epoch):
        skipping.renew(number, 3)
    np.testing.assert_array_equal(resumed.energies, whole.energies)
    np.testing.assert_array_equal(skipping.energies, whole.energies)


def test_seed_and_position_decide() -> None:
    store = clips(2)
    store = store._replace(samples=np.repeat(store.samples, 75, axis=0), rows=store.rows * 75)
    first, again, other = (varied(store, seed, renewal=1, **ALL) for seed in (0, 0, 1))
    for made in (first, again, other):
        made.renew(0, 2)
    np.testing.assert_array_equal(first.energies, again.energies)
    assert (first.energies != other.energies).any(axis=(1, 2)).all()
    # The same clip many times over is never varied the same way.
    assert len({energies.tobytes() for energies in first.energies}) == 150


@pytest.mark.parametrize("shift", [0.0, 0.004, 0.01, 0.0295, 0.03, 0.05, 0.06])
def test_a_clip_is_shifted_no_further_than_asked(shift: float, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def spy(clip: np.ndarray, length: int, offset: int, *more: object) -> np.ndarray:
        asked.append((length, offset))
        return original(clip, length, offset, *more)

    original = augmentation.augment
    monkeypatch.setattr(augmentation, "augment", spy)
    made = varied(clips(1), shift=shift)
    made.renew(0, 1)
    ((length, offset),) = asked
    margin = (made.energies.shape[1] - FEATURES.frames) // 2
    assert length == FEATURES.clip_samples + 2 * margin * HOP
    # Together a shift by samples and one by frames reach every place within the limit, but for a rest of less than a
    # frame.
    limit = round(shift * FEATURES.sample_rate)
    assert limit - HOP < offset + margin * HOP <= limit
    assert offset == limit or margin == 0 or offset == HOP // 2


def test_draws_are_shifted_by_whole_frames_within_the_margin() -> None:
    made = varied(clips(3), shift=0.05)
    made.renew(0, 1)
    margin = (made.energies.shape[1] - FEATURES.frames) // 2
    assert margin == 2
    positions = np.tile([2, 0, 1], 200)
    drawn = made.draw(positions, np.random.default_rng(0))
    assert drawn.shape == (600, FEATURES.frames, FEATURES.mel_bands)
    starts = []
    for position, energies in zip(positions, drawn, strict=True):
        (start,) = (
            start
            for start in range(2 * margin + 1)
            if np.array_equal(made.energies[position, start : start + FEATURES.frames], energies)
        )
        starts.append(start)
    assert np.bincount(starts).min() > 90
    assert len(np.bincount(starts)) == 5
    # What is drawn may be overwritten.
    before = made.energies.copy()
    drawn[:] = 0
    np.testing.assert_array_equal(made.energies, before)


def test_the_middle_of_the_margin_is_no_shift() -> None:
    store = clips(4)
    made = varied(store, shift=0.05)
    made._offset = 0
    made.renew(0, 1)
    middle = made.energies[:, 2 : 2 + FEATURES.frames]
    np.testing.assert_allclose(middle, EXTRACTOR.energies(store.windows(np.arange(4))), rtol=1e-5)


def test_rooms_are_the_same_for_the_same_seed() -> None:
    store = clips(30)
    settings = {"reverberation_probability": 1.0, "reverberation_time": (0.05, 0.1)}
    plain, first, again, other = (
        varied(store), varied(store, **settings), varied(store, **settings), varied(store, 1, **settings)
    )  # fmt: skip
    for made in (plain, first, again, other):
        made.renew(0, 2)
    np.testing.assert_array_equal(first.energies, again.energies)
    for made in (plain, other):
        assert (first.energies != made.energies).any(axis=(1, 2)).all()
