"""Clips in memory: what is read, what is left out with its reason, and the fixed sets to measure on."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import soundfile

import sounds
from heed import audio
from heed.clip_store import (
    ClipStore,
    benchmark_set,
    label_of,
    labelled,
    load_clips,
    load_noises,
    silence,
    whole_set,
)
from heed.config import SILENCE, UNKNOWN, FeatureSettings
from heed.corpus import Clip, scan

FEATURES = FeatureSettings()
LABELS = ("yes", "no", UNKNOWN, SILENCE)


def row(path: Path, word: str = "yes") -> Clip:
    return Clip(path, word, None, "training")


def made_up(**counts: int) -> ClipStore:
    """Return a store with so many clips of each word; every sample of a clip is its position."""
    rows = [row(Path(f"{word}/{number}.wav"), word) for word, count in counts.items() for number in range(count)]
    samples = np.repeat(np.arange(len(rows), dtype=np.int16)[:, None], 100, axis=1)
    return ClipStore(samples, tuple(rows), ())


@pytest.fixture
def noises() -> list[np.ndarray]:
    return [sounds.hiss(500, np.random.default_rng(0))]


def test_16_bit_samples_survive(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.random.default_rng(0).integers(-32_767, 32_767, 16_000).astype(np.int16), 16_000)
    store = load_clips([row(path)], FEATURES, threads=1)
    assert store.samples.dtype == np.int16
    (window,) = store.windows(np.array([0]))
    assert window.dtype == np.float32
    fitted, _ = audio.fit(audio.load(path, 16_000), 16_000)
    np.testing.assert_allclose(window, fitted, atol=0.51 / 32_767)


def test_what_is_louder_than_full_scale_is_cut_off_not_wrapped(tmp_path: Path) -> None:
    loud = np.concatenate([np.full(8_000, 2.0), np.full(8_000, -2.0)])
    soundfile.write(tmp_path / "loud.wav", loud, 16_000, subtype="FLOAT")
    (window,) = load_clips([row(tmp_path / "loud.wav")], FEATURES, threads=1).windows(np.array([0]))
    np.testing.assert_array_equal(window, np.sign(loud))


def test_bad_files_are_listed_with_the_reason_and_the_rest_is_used(tmp_path: Path) -> None:
    for name, value in (("first", 0.1), ("last", 0.3)):
        soundfile.write(tmp_path / f"{name}.wav", np.full(16_000, value), 16_000)
    (tmp_path / "text.wav").write_text("this is no sound")
    (tmp_path / "empty.wav").touch()
    names = ("first", "text", "missing", "empty", "last")
    store = load_clips([row(tmp_path / f"{name}.wav") for name in names], FEATURES, threads=2)
    assert [clip.path.stem for clip in store.rows] == ["first", "last"]
    np.testing.assert_allclose(store.windows(np.arange(2)).mean(axis=1), [0.1, 0.3], atol=1e-4)
    assert [skipped.path.stem for skipped in store.skipped] == ["text", "missing", "empty"]
    for skipped, reason in zip(store.skipped, ("no sound file", "No such file", "0 bytes"), strict=True):
        assert reason in skipped.reason


def test_no_clips_are_an_empty_store() -> None:
    store = load_clips([], FEATURES, threads=2)
    assert store.samples.shape == (0, 16_000)
    assert store.windows(np.arange(0)).shape == (0, 16_000)


def test_clips_of_any_length_and_rate_become_one_window(tmp_path: Path) -> None:
    for seconds, rate in ((0.3, 44_100), (1.0, 8_000), (2.5, 16_000)):
        soundfile.write(tmp_path / f"{rate}.wav", np.full(round(seconds * rate), 0.5), rate)
    rows = [row(path) for path in sorted(tmp_path.iterdir())]
    assert load_clips(rows, FEATURES, threads=1).samples.shape == (3, 16_000)


def test_the_number_of_threads_changes_nothing(tiny_corpus: Path) -> None:
    rows = scan(tiny_corpus).by_split("testing")
    one, many = (load_clips(rows, FEATURES, threads) for threads in (1, 5))
    assert one.rows == many.rows == rows
    np.testing.assert_array_equal(one.samples, many.samples)


def test_noises_are_long_enough_and_bad_ones_are_listed(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "long.wav", np.full(20_000, 0.1), 16_000)
    soundfile.write(tmp_path / "short.wav", np.arange(5_000) / 10_000, 16_000, subtype="FLOAT")
    (tmp_path / "bad.wav").write_text("hum")
    noises, skipped = load_noises([tmp_path / f"{name}.wav" for name in ("long", "short", "bad")], FEATURES)
    assert [len(noise) for noise in noises] == [20_000, 16_000]
    np.testing.assert_array_equal(noises[1][5_000:10_000], noises[1][:5_000])
    assert [entry.path.stem for entry in skipped] == ["bad"]


def test_words_without_a_label_are_unknown() -> None:
    assert [label_of(word, LABELS) for word in ("yes", "tree", UNKNOWN, SILENCE)] == ["yes", UNKNOWN, UNKNOWN, SILENCE]
    rows = [row(Path("x.wav"), word) for word in ("yes", "tree", SILENCE)]
    assert labelled(rows, LABELS) == rows
    assert labelled(rows, ("yes", UNKNOWN)) == rows[:2]
    assert labelled(rows, ("yes", "no")) == rows[:1]


def test_silence_is_noise_at_any_level_and_sometimes_nothing(noises: list[np.ndarray]) -> None:
    untouched = noises[0].copy()
    rng = np.random.default_rng(0)
    levels = np.array([np.abs(silence(noises, 500, rng)).max() for _ in range(300)]) / np.abs(noises[0]).max()
    assert 0.03 < np.mean(levels == 0) < 0.2
    assert levels.max() <= 1
    assert levels.max() > 0.95
    np.testing.assert_array_equal(noises[0], untouched)


def test_the_whole_set_holds_every_clip() -> None:
    clips = whole_set(made_up(yes=2, tree=1, no=1), LABELS)
    assert clips.labels.tolist() == [0, 0, 2, 1]
    assert clips.names == ("yes/0.wav", "yes/1.wav", "tree/0.wav", "no/0.wav")
    np.testing.assert_allclose(clips.windows[:, 0] * 32_767, [0, 1, 2, 3])


def test_the_benchmark_has_as_many_unknown_and_silent_clips_as_a_word_has(noises: list[np.ndarray]) -> None:
    store = made_up(no=8, bed=30, yes=4, tree=20)
    clips = benchmark_set(store, noises, LABELS, seed=0)
    assert np.bincount(clips.labels).tolist() == [4, 8, 6, 6]
    assert clips.windows.shape == (24, 100)
    assert clips.windows.dtype == np.float32
    assert len(clips.names) == len(set(clips.names)) == 24
    # Every name and label still belongs to its window.
    for name, label, window in zip(clips.names, clips.labels, clips.windows, strict=True):
        if not name.startswith(SILENCE):
            position = round(float(window[0] * 32_767))
            assert str(store.rows[position].path) == name
            assert LABELS[label] == label_of(store.rows[position].word, LABELS)
    unknown = {name.split("/")[0] for name, label in zip(clips.names, clips.labels, strict=True) if label == 2}
    assert unknown <= {"bed", "tree"}


def test_the_benchmark_is_fixed_by_its_seed(noises: list[np.ndarray]) -> None:
    store = made_up(no=8, yes=4, tree=60)
    first, again, other = (benchmark_set(store, noises, LABELS, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.windows, again.windows)
    assert first.names == again.names
    assert first.names != other.names


def test_the_benchmark_makes_do_with_what_there_is(noises: list[np.ndarray]) -> None:
    few = benchmark_set(made_up(yes=10, no=10, tree=3), noises, LABELS, seed=0)
    assert np.bincount(few.labels).tolist() == [10, 10, 3, 10]
    without_noise = benchmark_set(made_up(yes=3, no=3), [], LABELS, seed=0)
    assert np.bincount(without_noise.labels).tolist() == [3, 3]
    without_labels = benchmark_set(made_up(yes=3, no=3), noises, ("yes", "no"), seed=0)
    assert np.bincount(without_labels.labels).tolist() == [3, 3]


def test_rows_are_what_was_given(tiny_corpus: Path) -> None:
    rows = scan(tiny_corpus).by_split("validation")
    store = load_clips(rows, dataclasses.replace(FEATURES, clip=0.5), threads=2)
    assert store.rows == rows
    assert store.samples.shape == (len(rows), 8_000)
    assert store.skipped == ()
