"""Training batches: labels are balanced, batches depend only on seed and epoch, and no thread is left running."""

import dataclasses
import threading
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import sounds
from cases import case
from sayso.config import SILENCE, UNKNOWN, AugmentationSettings, FeatureSettings, Settings
from sayso.corpus.clips import Clips
from sayso.corpus.corpus import Clip
from sayso.errors import CorpusError
from sayso.features.filterbank import FeatureTables
from sayso.features.mfcc import MfccExtractor
from sayso.features.standardizer import Standardizer
from sayso.training import augmented_clips
from sayso.training.batches import TrainingSet

LABELS = ("yes", "no", UNKNOWN, SILENCE)
# Short clips and few bands keep these tests quick.
FEATURES = FeatureSettings(clip=0.064, mel_bands=10, coefficients=10)
EXTRACTOR = MfccExtractor(FEATURES, FeatureTables.from_settings(FEATURES))
IDENTITY = Standardizer(np.zeros(10, np.float32), np.ones(10, np.float32))


def noises() -> list[np.ndarray]:
    return [sounds.hiss(3_000, np.random.default_rng(0), 0.1)]


def make_clips(**counts: int) -> Clips:
    """Return a number of random clips of each word."""
    rows = [Clip(Path(f"{w}/{n}.wav"), w, None, "training") for w, count in counts.items() for n in range(count)]
    samples = np.random.default_rng(5).integers(-9_000, 9_000, (len(rows), FEATURES.clip_samples)).astype(np.int16)
    return Clips(samples, tuple(rows), ())


def training_set(
    clips: Clips,
    labels: tuple[str, ...] = LABELS,
    batch_size: int = 16,
    seed: int = 0,
    noise: bool = True,
    extractor: MfccExtractor = EXTRACTOR,
    silence_draws: float = 1.0,
    **augmentation: object,
) -> TrainingSet:
    # Impulse responses take long to generate.
    augmented = {"shift": 0.01, "reverberation_probability": 0.0, **augmentation}
    settings = Settings(features=extractor.settings, augmentation=AugmentationSettings(**augmented))
    settings = dataclasses.replace(
        settings,
        training=dataclasses.replace(settings.training, batch_size=batch_size, seed=seed, silence_draws=silence_draws),
    )
    return TrainingSet(clips, noises() if noise else [], labels, settings, extractor)


def batches(data: TrainingSet, epoch: int = 1, threads: int = 2) -> list[tuple[np.ndarray, np.ndarray]]:
    return list(data.epoch(epoch, IDENTITY, threads))


def test_every_label_is_drawn_equally_often() -> None:
    data = training_set(make_clips(yes=10, no=30, tree=7, bed=3), batch_size=10)
    made = batches(data)
    assert data.batches == len(made) == 8
    counts = Counter(np.concatenate([labels for _, labels in made]).tolist())
    assert counts == {0: 20, 1: 20, 2: 20, 3: 20}
    for features, labels in made:
        assert features.shape == (10, FEATURES.frames, FEATURES.width)
        assert features.dtype == np.float32
        assert len(labels) == 10
        assert np.isfinite(features).all()


def test_unknown_speech_is_drawn_as_often_as_the_settings_say() -> None:
    clips = make_clips(yes=20, no=20, tree=30, bed=3)
    settings = Settings(features=FEATURES, augmentation=AugmentationSettings(shift=0.01))
    settings = dataclasses.replace(settings, training=dataclasses.replace(settings.training, unknown_draws=2.5))
    data = TrainingSet(clips, noises(), LABELS, settings, EXTRACTOR)
    _, labels = data._plan(1)
    assert np.bincount(labels).tolist() == [20, 20, 50, 20]


def test_batches_contain_several_labels() -> None:
    for _, labels in batches(training_set(make_clips(yes=40, no=40, tree=40))):
        assert len(set(labels.tolist())) > 1


def drawn(data: TrainingSet, epochs: int) -> list[np.ndarray]:
    """Return which clips each epoch draws."""
    return [data._plan(epoch)[0] for epoch in range(1, epochs + 1)]


def test_clips_of_a_word_are_drawn_equally_often_up_to_one() -> None:
    clips = make_clips(yes=10, no=34, tree=5)
    for positions in drawn(training_set(clips), 5):
        counts = np.bincount(positions[positions >= 0], minlength=len(clips.rows))
        assert set(counts[:10]) <= {2, 3}
        assert counts[:10].sum() == 22
        assert set(counts[10:44]) <= {0, 1}
        assert counts[44:].sum() == 22
        assert (positions == -1).sum() == 22


def test_labels_are_those_of_the_clips() -> None:
    clips = make_clips(yes=10, no=30, tree=7)
    positions, labels = training_set(clips)._plan(1)
    names = [LABELS[label] for label in labels]
    words = ["_silence_" if position < 0 else clips.rows[position].word for position in positions]
    assert set(zip(names, words, strict=True)) == {
        ("yes", "yes"),
        ("no", "no"),
        (UNKNOWN, "tree"),
        (SILENCE, SILENCE),
    }


def test_unknown_words_can_be_separate_classes() -> None:
    clips = make_clips(yes=20, no=20, tree=30, bed=10, cat=9, **{UNKNOWN: 12})
    settings = Settings(features=FEATURES, augmentation=AugmentationSettings(shift=0.01))
    settings = dataclasses.replace(settings, training=dataclasses.replace(settings.training, unknown_by_word=True))
    data = TrainingSet(clips, noises(), LABELS, settings, EXTRACTOR)
    # A word with fewer clips does not become a class, and neither does running speech.
    assert tuple(data.parts) == ("bed", "tree")
    few = dataclasses.replace(settings.training, unknown_classes=1)
    fewer = TrainingSet(clips, noises(), LABELS, dataclasses.replace(settings, training=few), EXTRACTOR)
    assert tuple(fewer.parts) == ("tree",)
    classes = (*LABELS, *data.parts)
    # Half of the draws of unknown speech are running speech.
    words = np.sqrt(30) + np.sqrt(10) + np.sqrt(9)
    assert data.parts["tree"] == pytest.approx(np.sqrt(30) / words / 2)
    assert data.parts["bed"] == pytest.approx(np.sqrt(10) / words / 2)
    for epoch in range(1, 6):
        positions, learned = data._plan(epoch)
        plain, labels = training_set(clips)._plan(epoch)
        np.testing.assert_array_equal(positions, plain)
        np.testing.assert_array_equal(data.labels_of(learned), labels)
        for position, target in zip(positions, learned, strict=True):
            word = SILENCE if position < 0 else clips.rows[position].word
            assert classes[target] == (UNKNOWN if word == "cat" else word)


def test_unknown_words_are_drawn_in_proportion_to_the_square_root_of_their_clips() -> None:
    clips = make_clips(yes=60, no=60, tree=100, bed=4, **{UNKNOWN: 1})
    counts: Counter[str] = Counter()
    for positions in drawn(training_set(clips), 200):
        counts.update(clips.rows[position].word for position in positions if position >= 120)
    total = sum(counts.values())
    assert total == 200 * 60
    # Half of the draws are recordings in which no word is known. The square roots of the words are 10 and 2.
    for word, share in (("tree", 10 / 24), ("bed", 2 / 24), (UNKNOWN, 1 / 2)):
        assert counts[word] / total == pytest.approx(share, abs=0.02)


def test_silence_is_drawn_as_often_as_asked() -> None:
    for draws in (0.5, 1.0, 3.0):
        with case(draws):
            data = training_set(make_clips(yes=60, no=60, tree=60), batch_size=2, silence_draws=draws)
            silences = sum(int((positions < 0).sum()) for positions in drawn(data, 1))
            assert silences == 60 * draws


def assert_same(some: list[tuple[np.ndarray, np.ndarray]], others: list[tuple[np.ndarray, np.ndarray]]) -> None:
    for (features, labels), (same_features, same_labels) in zip(some, others, strict=True):
        np.testing.assert_array_equal(features, same_features)
        np.testing.assert_array_equal(labels, same_labels)


def test_batches_do_not_depend_on_the_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(augmented_clips, "RESPONSES", 3)
    clips = make_clips(yes=120, no=120, tree=120)
    one, many = (training_set(clips, batch_size=50, reverberation_probability=0.5) for _ in range(2))
    made = batches(one, threads=1)
    assert len(made) == one.batches
    assert_same(made, batches(many, threads=5))
    assert_same(made, batches(many, threads=2))


def test_an_epoch_does_not_depend_on_earlier_ones() -> None:
    clips = make_clips(yes=20, no=20, tree=20)
    whole, resumed = (training_set(clips, shift=0.05, renewal=3) for _ in range(2))
    whole.standardizer(1)
    for epoch in range(1, 6):
        made = batches(whole, epoch)
    resumed.standardizer(2)
    assert_same(made, batches(resumed, 5))


def test_each_draw_of_a_clip_is_different_before_the_clip_is_renewed() -> None:
    clips = make_clips(yes=1, no=1)
    data = training_set(clips, ("yes", "no"), noise=False, renewal=100, shift=0.05, time_masks=0, frequency_masks=0)
    made = np.concatenate([features for epoch in range(1, 31) for features, _ in batches(data, epoch)])
    assert len({features.tobytes() for features in made}) == 60


def test_clips_are_renewed_with_the_epochs() -> None:
    unchanged = {"gain": 0.0, "shift": 0.0, "time_masks": 0, "frequency_masks": 0}
    for renewal, versions in ((1, 10), (1_000, 2)):
        data = training_set(make_clips(yes=1, no=1), ("yes", "no"), noise=False, renewal=renewal, **unchanged)
        made = np.concatenate([features for epoch in range(2, 7) for features, _ in batches(data, epoch)])
        assert len({features.tobytes() for features in made}) == versions, renewal


def test_generated_silence_is_noise_at_any_level_and_sometimes_digital_silence() -> None:
    plain = dataclasses.replace(FEATURES, coefficients=0)
    extractor = MfccExtractor(plain, FeatureTables.from_settings(plain))
    data = training_set(make_clips(yes=100, no=100, tree=100), extractor=extractor, time_masks=0, frequency_masks=0)
    made = [
        features[labels == LABELS.index(SILENCE)]
        for epoch in (1, 2)
        for features, labels in data.epoch(epoch, IDENTITY, 2)
    ]
    silences = np.concatenate(made)
    assert len(silences) == 200
    (noise,) = extractor.log_mel(noises()[0][None])
    slices = np.stack([noise[start : start + plain.frames] for start in range(len(noise) - plain.frames + 1)])
    # Digital silence is at the floor.
    nothing = np.isclose(silences, -100).all(axis=(1, 2))
    assert 5 < nothing.sum() < 35
    levels = []
    for features in silences[~nothing]:
        offsets = features - slices
        errors = np.ptp(offsets, axis=(1, 2))
        assert errors.min() < 1e-3
        levels.append(10 ** (offsets[errors.argmin()].mean() / 20))
    # The amplitude is a fraction of that of the noise, uniformly distributed.
    assert max(levels) < 1 + 1e-4
    assert np.percentile(levels, [25, 50, 75]) == pytest.approx([0.25, 0.5, 0.75], abs=0.15)


def test_recordings_of_silence_are_augmented_like_words() -> None:
    clips = make_clips(yes=30, no=30, **{SILENCE: 30})
    data = training_set(clips, ("yes", "no", SILENCE), noise=True)
    assert (data._plan(1)[0] >= 0).all()
    assert all(np.isfinite(features).all() for features, _ in batches(data))


def test_seed_and_epoch_determine_the_batches() -> None:
    clips = make_clips(yes=20, no=20, tree=20)
    untouched = clips.samples.copy()
    first = batches(training_set(clips))[0]
    again = batches(training_set(clips))[0]
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])
    for other in (batches(training_set(clips), epoch=2), batches(training_set(clips, seed=1))):
        assert not np.array_equal(first[0], other[0][0])
        assert not np.array_equal(first[1], other[0][1])
    # The clips in memory are not changed.
    np.testing.assert_array_equal(clips.samples, untouched)


def test_batches_are_standardised() -> None:
    data = training_set(make_clips(yes=20, no=20, tree=20))
    standardizer = data.standardizer(2)
    raw = np.concatenate([features for features, _ in batches(data)])
    made = np.concatenate([features for features, _ in data.epoch(1, standardizer, 1)])
    np.testing.assert_array_equal(made, standardizer.apply(raw))
    np.testing.assert_allclose(made.mean(axis=(0, 1)), 0, atol=0.5)
    assert (np.abs(made.std(axis=(0, 1)) - 1) < 0.5).all()
    np.testing.assert_array_equal(data.standardizer(1).mean, standardizer.mean)


def test_fewer_clips_than_a_batch_make_one_smaller_batch() -> None:
    data = training_set(make_clips(yes=2, no=2, tree=1), batch_size=128)
    ((features, labels),) = batches(data)
    assert data.batch_size == len(features) == len(labels) == 8


def test_recordings_of_silence_replace_generated_silence() -> None:
    data = training_set(make_clips(yes=4, no=4, tree=4, **{SILENCE: 6}), noise=False)
    positions, _ = data._plan(1)
    assert (positions >= 0).all()


def test_a_label_without_clips_is_refused() -> None:
    for missing in ("no", UNKNOWN, SILENCE):
        words = {"yes": 3} if missing == "no" else {"yes": 3, "no": 3}
        labels = tuple(dict.fromkeys((*words, missing)))
        with case(missing), pytest.raises(CorpusError, match=f"no usable training clip of {missing}; add recordings"):
            training_set(make_clips(**words), labels, noise=False)


def test_leaving_an_epoch_ends_its_threads() -> None:
    before = threading.active_count()
    epoch = training_set(make_clips(yes=50, no=50, tree=50), batch_size=2).epoch(1, IDENTITY, 4)
    next(epoch)
    assert threading.active_count() > before
    epoch.close()
    assert threading.active_count() == before


def test_an_error_in_a_thread_is_raised_to_the_caller() -> None:
    before = threading.active_count()
    data = training_set(make_clips(yes=20, no=20, tree=20))
    with pytest.raises(ValueError, match="broadcast"):
        list(data.epoch(1, Standardizer(np.zeros(3, np.float32), np.ones(3, np.float32)), 2))
    assert threading.active_count() == before
