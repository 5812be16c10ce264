"""Training batches: labels come evenly, batches depend on seed and epoch alone, and nothing is left running."""

import dataclasses
import threading
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import sounds
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
AS_IT_IS = Standardizer(np.zeros(10, np.float32), np.ones(10, np.float32))


def noises() -> list[np.ndarray]:
    return [sounds.hiss(3_000, np.random.default_rng(0), 0.1)]


def clips(**counts: int) -> Clips:
    """Return so many random clips of each word."""
    rows = [Clip(Path(f"{w}/{n}.wav"), w, None, "training") for w, count in counts.items() for n in range(count)]
    samples = np.random.default_rng(5).integers(-9_000, 9_000, (len(rows), FEATURES.clip_samples)).astype(np.int16)
    return Clips(samples, tuple(rows), ())


def training_set(
    store: Clips,
    labels: tuple[str, ...] = LABELS,
    batch_size: int = 16,
    seed: int = 0,
    noise: bool = True,
    extractor: MfccExtractor = EXTRACTOR,
    **augmentation: object,
) -> TrainingSet:
    # Rooms take long to generate.
    varied = {"shift": 0.01, "reverberation_probability": 0.0, **augmentation}
    settings = Settings(features=extractor.settings, augmentation=AugmentationSettings(**varied))
    settings = dataclasses.replace(
        settings, training=dataclasses.replace(settings.training, batch_size=batch_size, seed=seed)
    )
    return TrainingSet(store, noises() if noise else [], labels, settings, extractor)


def batches(data: TrainingSet, epoch: int = 1, threads: int = 2) -> list[tuple[np.ndarray, np.ndarray]]:
    return list(data.epoch(epoch, AS_IT_IS, threads))


def test_every_label_comes_equally_often() -> None:
    data = training_set(clips(yes=10, no=30, tree=7, bed=3), batch_size=10)
    made = batches(data)
    assert data.batches == len(made) == 8
    counts = Counter(np.concatenate([labels for _, labels in made]).tolist())
    assert counts == {0: 20, 1: 20, 2: 20, 3: 20}
    for features, labels in made:
        assert features.shape == (10, FEATURES.frames, FEATURES.width)
        assert features.dtype == np.float32
        assert len(labels) == 10
        assert np.isfinite(features).all()


def test_unknown_speech_is_drawn_as_often_as_asked_for() -> None:
    store = clips(yes=20, no=20, tree=30, bed=3)
    settings = Settings(features=FEATURES, augmentation=AugmentationSettings(shift=0.01))
    settings = dataclasses.replace(settings, training=dataclasses.replace(settings.training, unknown_draws=2.5))
    data = TrainingSet(store, noises(), LABELS, settings, EXTRACTOR)
    _, labels = data._plan(1)
    assert np.bincount(labels).tolist() == [20, 20, 50, 20]


def test_labels_are_mixed_within_an_epoch() -> None:
    for _, labels in batches(training_set(clips(yes=40, no=40, tree=40))):
        assert len(set(labels.tolist())) > 1


def drawn(data: TrainingSet, epochs: int) -> list[np.ndarray]:
    """Return which clips each epoch draws."""
    return [data._plan(epoch)[0] for epoch in range(1, epochs + 1)]


def test_each_clip_of_a_word_is_drawn_as_often_as_any_other_give_or_take_one() -> None:
    store = clips(yes=10, no=34, tree=5)
    for positions in drawn(training_set(store), 5):
        counts = np.bincount(positions[positions >= 0], minlength=len(store.rows))
        assert set(counts[:10]) <= {2, 3}
        assert counts[:10].sum() == 22
        assert set(counts[10:44]) <= {0, 1}
        assert counts[44:].sum() == 22
        assert (positions == -1).sum() == 22


def test_labels_belong_to_their_clips() -> None:
    store = clips(yes=10, no=30, tree=7)
    positions, labels = training_set(store)._plan(1)
    said = [LABELS[label] for label in labels]
    words = ["_silence_" if position < 0 else store.rows[position].word for position in positions]
    assert set(zip(said, words, strict=True)) == {
        ("yes", "yes"),
        ("no", "no"),
        (UNKNOWN, "tree"),
        (SILENCE, SILENCE),
    }


def test_words_of_unknown_speech_may_be_classes_of_their_own() -> None:
    store = clips(yes=20, no=20, tree=30, bed=10, cat=9, **{UNKNOWN: 12})
    settings = Settings(features=FEATURES, augmentation=AugmentationSettings(shift=0.01))
    settings = dataclasses.replace(settings, training=dataclasses.replace(settings.training, unknown_by_word=True))
    data = TrainingSet(store, noises(), LABELS, settings, EXTRACTOR)
    # Of a word with fewer clips there is too little to learn; and running speech is no word.
    assert data.parts == ("bed", "tree")
    classes = (*LABELS, *data.parts)
    for epoch in range(1, 6):
        positions, learned = data._plan(epoch)
        plain, labels = training_set(store)._plan(epoch)
        np.testing.assert_array_equal(positions, plain)
        np.testing.assert_array_equal(data.labels_of(learned), labels)
        for position, right in zip(positions, learned, strict=True):
            word = SILENCE if position < 0 else store.rows[position].word
            assert classes[right] == (UNKNOWN if word == "cat" else word)


def test_unknown_words_are_drawn_by_the_square_root_of_their_clips() -> None:
    store = clips(yes=60, no=60, tree=100, bed=4, **{UNKNOWN: 1})
    counts: Counter[str] = Counter()
    for positions in drawn(training_set(store), 200):
        counts.update(store.rows[position].word for position in positions if position >= 120)
    total = sum(counts.values())
    assert total == 200 * 60
    # Roots 10, 2 and 1.
    for word, share in (("tree", 10 / 13), ("bed", 2 / 13), (UNKNOWN, 1 / 13)):
        assert counts[word] / total == pytest.approx(share, abs=0.02)


def assert_same(some: list[tuple[np.ndarray, np.ndarray]], others: list[tuple[np.ndarray, np.ndarray]]) -> None:
    for (features, labels), (same_features, same_labels) in zip(some, others, strict=True):
        np.testing.assert_array_equal(features, same_features)
        np.testing.assert_array_equal(labels, same_labels)


def test_batches_do_not_depend_on_the_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(augmented_clips, "RESPONSES", 3)
    store = clips(yes=120, no=120, tree=120)
    one, many = (training_set(store, batch_size=50, reverberation_probability=0.5) for _ in range(2))
    made = batches(one, threads=1)
    assert len(made) == one.batches
    assert_same(made, batches(many, threads=5))
    assert_same(made, batches(many, threads=2))


def test_an_epoch_does_not_depend_on_those_before_it() -> None:
    store = clips(yes=20, no=20, tree=20)
    whole, resumed = (training_set(store, shift=0.05, renewal=3) for _ in range(2))
    whole.standardizer(1)
    for epoch in range(1, 6):
        made = batches(whole, epoch)
    resumed.standardizer(2)
    assert_same(made, batches(resumed, 5))


def test_a_clip_is_drawn_differently_each_time_even_while_its_variant_stays() -> None:
    store = clips(yes=1, no=1)
    data = training_set(store, ("yes", "no"), noise=False, renewal=100, shift=0.05, time_masks=0, frequency_masks=0)
    made = np.concatenate([features for epoch in range(1, 31) for features, _ in batches(data, epoch)])
    assert len({features.tobytes() for features in made}) == 60


@pytest.mark.parametrize(("renewal", "variants"), [(1, 10), (1_000, 2)])
def test_variants_are_renewed_with_the_epochs(renewal: int, variants: int) -> None:
    still = {"gain": 0.0, "shift": 0.0, "time_masks": 0, "frequency_masks": 0}
    data = training_set(clips(yes=1, no=1), ("yes", "no"), noise=False, renewal=renewal, **still)
    made = np.concatenate([features for epoch in range(2, 7) for features, _ in batches(data, epoch)])
    assert len({features.tobytes() for features in made}) == variants


def test_made_up_silence_is_noise_at_any_level_and_sometimes_nothing() -> None:
    plain = dataclasses.replace(FEATURES, coefficients=0)
    extractor = MfccExtractor(plain, FeatureTables.from_settings(plain))
    data = training_set(clips(yes=100, no=100, tree=100), extractor=extractor, time_masks=0, frequency_masks=0)
    made = [
        features[labels == LABELS.index(SILENCE)]
        for epoch in (1, 2)
        for features, labels in data.epoch(epoch, AS_IT_IS, 2)
    ]
    silences = np.concatenate(made)
    assert len(silences) == 200
    (noise,) = extractor.log_mel(noises()[0][None])
    slices = np.stack([noise[start : start + plain.frames] for start in range(len(noise) - plain.frames + 1)])
    # At the floor, there is nothing at all.
    nothing = np.isclose(silences, -100).all(axis=(1, 2))
    assert 5 < nothing.sum() < 35
    levels = []
    for features in silences[~nothing]:
        offsets = features - slices
        errors = np.ptp(offsets, axis=(1, 2))
        assert errors.min() < 1e-3
        levels.append(10 ** (offsets[errors.argmin()].mean() / 20))
    # Any part of the noise's amplitude.
    assert max(levels) < 1 + 1e-4
    assert np.percentile(levels, [25, 50, 75]) == pytest.approx([0.25, 0.5, 0.75], abs=0.15)


def test_recordings_of_silence_are_varied_like_words() -> None:
    store = clips(yes=30, no=30, **{SILENCE: 30})
    data = training_set(store, ("yes", "no", SILENCE), noise=True)
    assert (data._plan(1)[0] >= 0).all()
    assert all(np.isfinite(features).all() for features, _ in batches(data))


def test_seed_and_epoch_decide_everything() -> None:
    store = clips(yes=20, no=20, tree=20)
    untouched = store.samples.copy()
    first = batches(training_set(store))[0]
    again = batches(training_set(store))[0]
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])
    for other in (batches(training_set(store), epoch=2), batches(training_set(store, seed=1))):
        assert not np.array_equal(first[0], other[0][0])
        assert not np.array_equal(first[1], other[0][1])
    # Every clip is varied afresh, never the one in memory.
    np.testing.assert_array_equal(store.samples, untouched)


def test_batches_are_standardised() -> None:
    data = training_set(clips(yes=20, no=20, tree=20))
    standardizer = data.standardizer(2)
    raw = np.concatenate([features for features, _ in batches(data)])
    made = np.concatenate([features for features, _ in data.epoch(1, standardizer, 1)])
    np.testing.assert_array_equal(made, standardizer.apply(raw))
    np.testing.assert_allclose(made.mean(axis=(0, 1)), 0, atol=0.5)
    assert (np.abs(made.std(axis=(0, 1)) - 1) < 0.5).all()
    np.testing.assert_array_equal(data.standardizer(1).mean, standardizer.mean)


def test_fewer_clips_than_a_batch_are_one_smaller_batch() -> None:
    data = training_set(clips(yes=2, no=2, tree=1), batch_size=128)
    ((features, labels),) = batches(data)
    assert data.batch_size == len(features) == len(labels) == 8


def test_silence_recordings_are_used_instead_of_made_up_ones() -> None:
    data = training_set(clips(yes=4, no=4, tree=4, **{SILENCE: 6}), noise=False)
    positions, _ = data._plan(1)
    assert (positions >= 0).all()


@pytest.mark.parametrize(
    ("counts", "labels", "missing"),
    [
        ({"yes": 3}, ("yes", "no"), "no"),
        ({"yes": 3, "no": 3}, ("yes", "no", UNKNOWN), UNKNOWN),
        ({"yes": 3, "no": 3}, ("yes", "no", SILENCE), SILENCE),
    ],
)
def test_a_label_without_clips_is_refused(counts: dict[str, int], labels: tuple[str, ...], missing: str) -> None:
    with pytest.raises(CorpusError, match=f"no usable training clip of {missing}; add recordings"):
        training_set(clips(**counts), labels, noise=False)


def test_leaving_an_epoch_ends_its_threads() -> None:
    before = threading.active_count()
    epoch = training_set(clips(yes=50, no=50, tree=50), batch_size=2).epoch(1, AS_IT_IS, 4)
    next(epoch)
    assert threading.active_count() > before
    epoch.close()
    assert threading.active_count() == before


def test_an_error_while_making_a_batch_reaches_the_caller() -> None:
    before = threading.active_count()
    data = training_set(clips(yes=20, no=20, tree=20))
    with pytest.raises(ValueError, match="broadcast"):
        list(data.epoch(1, Standardizer(np.zeros(3, np.float32), np.ones(3, np.float32)), 2))
    assert threading.active_count() == before
