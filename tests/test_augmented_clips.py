"""Augmented clips: each epoch renews its part, and the result depends only on seed and epoch."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from cases import case
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
def few_responses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Generate only a few impulse responses, which is faster."""
    monkeypatch.setattr(augmented_clips, "RESPONSES", 5)


def make_clips(count: int) -> Clips:
    """Return random clips."""
    rows = tuple(Clip(Path(f"yes/{number}.wav"), "yes", None, "training") for number in range(count))
    samples = np.random.default_rng(5).integers(-9_000, 9_000, (count, FEATURES.clip_samples)).astype(np.int16)
    samples.setflags(write=False)
    return Clips(samples, rows, ())


def augmented(clips: Clips, seed: int = 0, **changes: object) -> AugmentedClips:
    """Return clips with only the given changes."""
    unchanged = {"shift": 0.0, "speed": 0.0, "reverberation_probability": 0.0}
    settings = Settings(
        features=FEATURES,
        augmentation=AugmentationSettings(**unchanged | changes),
        training=TrainingSettings(seed=seed),
    )
    return AugmentedClips(clips, settings, EXTRACTOR)


# Everything at once.
ALL = {"shift": 0.05, "speed": 0.1, "reverberation_probability": 0.5, "reverberation_time": (0.05, 0.1)}


def test_without_augmentation_energies_are_those_of_the_clips() -> None:
    clips = make_clips(150)
    same = augmented(clips, renewal=2)
    expected = EXTRACTOR.energies(clips.windows(np.arange(150)))
    for epoch in range(3):
        same.renew(epoch, 2)
        np.testing.assert_allclose(same.energies, expected, rtol=1e-5)
    positions = np.array([3, 149, 3])
    np.testing.assert_array_equal(same.draw(positions, np.random.default_rng(0)), same.energies[positions])


def test_each_epoch_renews_the_part_that_is_due() -> None:
    made = augmented(make_clips(22), renewal=4, **ALL)
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
        # The same epoch again changes nothing.
        before = made.energies.copy()
        made.renew(epoch, 2)
        np.testing.assert_array_equal(made.energies, before)


def test_only_the_part_that_is_due_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    made, calls = augmented(make_clips(22), renewal=4), []
    original = augmentation.augment
    monkeypatch.setattr(augmentation, "augment", lambda *arguments: (calls.append(1), original(*arguments))[1])
    counts = []
    for epoch in (0, 1, 1, 2, 6, 0):
        calls.clear()
        made.renew(epoch, 2)
        counts.append(len(calls))
    # Going four epochs forward, or back, renews all.
    assert counts == [22, 6, 0, 5, 22, 22]


def test_with_a_renewal_of_one_every_epoch_renews_all_clips() -> None:
    made = augmented(make_clips(10), renewal=1, **ALL)
    seen = []
    for epoch in range(3):
        made.renew(epoch, 1)
        seen.append(made.energies.copy())
    for one, other in ((0, 1), (1, 2), (0, 2)):
        assert (seen[one] != seen[other]).any(axis=(1, 2)).all()


def test_there_may_be_more_parts_than_clips() -> None:
    made = augmented(make_clips(3), renewal=10, **ALL)
    made.renew(2, 2)
    before = made.energies.copy()
    made.renew(9, 2)
    np.testing.assert_array_equal(made.energies, before)
    made.renew(11, 2)
    np.testing.assert_array_equal((made.energies != before).any(axis=(1, 2)), [True, True, False])


def test_resuming_at_an_epoch_equals_reaching_it() -> None:
    for renewal, epoch in itertools.product((1, 2, 5), (0, 1, 3, 7)):
        with case(renewal, epoch):
            # With a renewal of one, more clips than one thread augments at a time.
            clips = make_clips(augmented_clips._CHUNK + 9 if renewal == 1 else 40)
            whole, resumed, skipping = (augmented(clips, renewal=renewal, **ALL) for _ in range(3))
            for number in range(epoch + 1):
                whole.renew(number, 1)
            resumed.renew(epoch, 4)
            for number in (12, 0, epoch):
                skipping.renew(number, 3)
            np.testing.assert_array_equal(resumed.energies, whole.energies)
            np.testing.assert_array_equal(skipping.energies, whole.energies)


def test_seed_and_position_determine_the_augmentation() -> None:
    clips = make_clips(2)
    clips = clips._replace(samples=np.repeat(clips.samples, 75, axis=0), rows=clips.rows * 75)
    first, again, other = (augmented(clips, seed, renewal=1, **ALL) for seed in (0, 0, 1))
    for made in (first, again, other):
        made.renew(0, 2)
    np.testing.assert_array_equal(first.energies, again.energies)
    assert (first.energies != other.energies).any(axis=(1, 2)).all()
    # Copies of the same clip are augmented differently.
    assert len({energies.tobytes() for energies in first.energies}) == 150


def test_clips_are_shifted_up_to_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = []

    def spy(clip: np.ndarray, length: int, offset: int, *more: object) -> np.ndarray:
        arguments.append((length, offset))
        return original(clip, length, offset, *more)

    original = augmentation.augment
    monkeypatch.setattr(augmentation, "augment", spy)
    for shift in (0.0, 0.004, 0.01, 0.0295, 0.03, 0.05, 0.06):
        with case(shift):
            arguments.clear()
            made = augmented(make_clips(1), shift=shift)
            made.renew(0, 1)
            ((length, offset),) = arguments
            margin = (made.energies.shape[1] - FEATURES.frames) // 2
            assert length == FEATURES.clip_samples + 2 * margin * HOP
            # Shifts by samples and by frames together reach every position up to the limit, less a part of a frame.
            limit = round(shift * FEATURES.sample_rate)
            assert limit - HOP < offset + margin * HOP <= limit
            assert offset == limit or margin == 0 or offset == HOP // 2


def test_draws_are_shifted_by_whole_frames_within_the_margin() -> None:
    made = augmented(make_clips(3), shift=0.05)
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
    # The result is a copy.
    before = made.energies.copy()
    drawn[:] = 0
    np.testing.assert_array_equal(made.energies, before)


def test_the_middle_of_the_margin_is_the_unshifted_clip() -> None:
    clips = make_clips(4)
    made = augmented(clips, shift=0.05)
    made._offset = 0
    made.renew(0, 1)
    middle = made.energies[:, 2 : 2 + FEATURES.frames]
    np.testing.assert_allclose(middle, EXTRACTOR.energies(clips.windows(np.arange(4))), rtol=1e-5)


def test_the_seed_determines_the_reverberation() -> None:
    clips = make_clips(30)
    settings = {"reverberation_probability": 1.0, "reverberation_time": (0.05, 0.1)}
    plain, first, again, other = (
        augmented(clips), augmented(clips, **settings), augmented(clips, **settings), augmented(clips, 1, **settings)
    )  # fmt: skip
    for made in (plain, first, again, other):
        made.renew(0, 2)
    np.testing.assert_array_equal(first.energies, again.energies)
    for made in (plain, other):
        assert (first.energies != made.energies).any(axis=(1, 2)).all()
