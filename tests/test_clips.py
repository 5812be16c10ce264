"""Clips in memory: what is read, what is left out with its reason, and the fixed sets to measure on."""

import dataclasses
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

import sounds
from sayso.config import SILENCE, UNKNOWN, FeatureSettings
from sayso.config.labels import label_of
from sayso.corpus import clips
from sayso.corpus.clip_sets import ClipSet, benchmark_set, silence, whole_set
from sayso.corpus.clips import Clips, labelled, load_clips, load_negatives, load_noises
from sayso.corpus.corpus import Clip, Skipped, scan
from sayso.sound import audio
from sayso.sound.speech import fit_window

FEATURES = FeatureSettings()
LABELS = ("yes", "no", UNKNOWN, SILENCE)


def row(path: Path, word: str = "yes") -> Clip:
    return Clip(path, word, None, "training")


def made_up(**counts: int) -> Clips:
    """Return a store with so many clips of each word; every sample of a clip is its position."""
    rows = [row(Path(f"{word}/{number}.wav"), word) for word, count in counts.items() for number in range(count)]
    samples = np.repeat(np.arange(len(rows), dtype=np.int16)[:, None], 100, axis=1)
    return Clips(samples, tuple(rows), ())


@pytest.fixture
def noises() -> list[np.ndarray]:
    return [sounds.hiss(500, np.random.default_rng(0))]


def test_16_bit_samples_survive(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.random.default_rng(0).integers(-32_767, 32_767, 16_000).astype(np.int16), 16_000)
    store = load_clips([row(path)], FEATURES, workers=1)
    assert store.samples.dtype == np.int16
    (window,) = store.windows(np.array([0]))
    assert window.dtype == np.float32
    fitted, _ = fit_window(audio.load(path, 16_000), 16_000)
    np.testing.assert_allclose(window, fitted, atol=0.51 / 32_767)


def test_what_is_louder_than_full_scale_is_cut_off_not_wrapped(tmp_path: Path) -> None:
    loud = np.concatenate([np.full(8_000, 2.0), np.full(8_000, -2.0)])
    soundfile.write(tmp_path / "loud.wav", loud, 16_000, subtype="FLOAT")
    (window,) = load_clips([row(tmp_path / "loud.wav")], FEATURES, workers=1).windows(np.array([0]))
    np.testing.assert_array_equal(window, np.sign(loud))


def test_bad_files_are_listed_with_the_reason_and_the_rest_is_used(tmp_path: Path) -> None:
    for name, value in (("first", 0.1), ("last", 0.3)):
        soundfile.write(tmp_path / f"{name}.wav", np.full(16_000, value), 16_000)
    (tmp_path / "text.wav").write_text("this is no sound")
    (tmp_path / "empty.wav").touch()
    names = ("first", "text", "missing", "empty", "last")
    store = load_clips([row(tmp_path / f"{name}.wav") for name in names], FEATURES, workers=2)
    assert [clip.path.stem for clip in store.rows] == ["first", "last"]
    np.testing.assert_allclose(store.windows(np.arange(2)).mean(axis=1), [0.1, 0.3], atol=1e-4)
    assert [skipped.path.stem for skipped in store.skipped] == ["text", "missing", "empty"]
    for skipped, reason in zip(store.skipped, ("not a sound file", "No such file", "0 bytes"), strict=True):
        assert reason in skipped.reason


def test_no_clips_are_an_empty_store() -> None:
    store = load_clips([], FEATURES, workers=2)
    assert store.samples.shape == (0, 16_000)
    assert store.windows(np.arange(0)).shape == (0, 16_000)


def test_clips_of_any_length_and_rate_become_one_window(tmp_path: Path) -> None:
    for seconds, rate in ((0.3, 44_100), (1.0, 8_000), (2.5, 16_000)):
        soundfile.write(tmp_path / f"{rate}.wav", np.full(round(seconds * rate), 0.5), rate)
    rows = [row(path) for path in sorted(tmp_path.iterdir())]
    assert load_clips(rows, FEATURES, workers=1).samples.shape == (3, 16_000)


def test_the_number_of_threads_changes_nothing(tiny_corpus: Path) -> None:
    rows = scan(tiny_corpus).by_split("testing")
    one, many = (load_clips(rows, FEATURES, threads) for threads in (1, 5))
    assert one.rows == many.rows == rows
    np.testing.assert_array_equal(one.samples, many.samples)


def test_many_clips_are_read_in_other_processes_and_stay_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clips, "GROUP", 3)
    for number in range(20):
        soundfile.write(tmp_path / f"{number:02}.wav", np.full(16_000, number / 40), 16_000)
    (tmp_path / "07.wav").write_text("no sound")
    rows = [row(path) for path in sorted(tmp_path.iterdir())]
    one, many = (load_clips(rows, FEATURES, workers) for workers in (1, 2))
    assert one.rows == many.rows
    assert one.skipped == many.skipped
    assert [skipped.path.stem for skipped in many.skipped] == ["07"]
    np.testing.assert_array_equal(one.samples, many.samples)


def test_noises_are_long_enough_and_bad_ones_are_listed(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "long.wav", np.full(20_000, 0.1), 16_000)
    soundfile.write(tmp_path / "short.wav", np.arange(5_000) / 10_000, 16_000, subtype="FLOAT")
    (tmp_path / "bad.wav").write_text("hum")
    noises, skipped = load_noises([tmp_path / f"{name}.wav" for name in ("long", "short", "bad")], FEATURES)
    assert [len(noise) for noise in noises] == [20_000, 16_000]
    np.testing.assert_array_equal(noises[1][5_000:10_000], noises[1][:5_000])
    assert [entry.path.stem for entry in skipped] == ["bad"]


def test_stores_are_joined_in_order() -> None:
    first, second = made_up(yes=2), made_up(no=3, up=1)
    skipped = Skipped(Path("bad.wav"), "not a sound file")
    joined = first.joined(second._replace(skipped=(skipped,)))
    assert joined.rows == first.rows + second.rows
    assert joined.samples[:, 0].tolist() == [0, 1, 0, 1, 2, 3]
    assert joined.samples.dtype == np.int16
    assert joined.skipped == (skipped,)
    assert load_clips([], FEATURES, 1).joined(load_negatives([], FEATURES, 1)).samples.shape == (0, 16_000)


def speech(path: Path, *parts: tuple[float, float], rate: int = sounds.RATE) -> Path:
    """Write a recording of parts with that many seconds and that amplitude."""
    rng = np.random.default_rng(0)
    samples = [sounds.hiss(round(seconds * rate), rng, level) for seconds, level in parts]
    soundfile.write(path, np.concatenate(samples), rate, subtype="FLOAT")
    return path


def cut(path: Path) -> Clips:
    return load_negatives([path], FEATURES, threads=1)


def test_a_long_recording_is_cut_into_windows_that_are_unknown(tmp_path: Path) -> None:
    path = speech(tmp_path / "talk.wav", (3.0, 0.1))
    store = cut(path)
    samples, _ = soundfile.read(path, dtype="float32")
    np.testing.assert_allclose(store.windows(np.arange(3)), samples.reshape(3, 16_000), atol=0.51 / 32_767)
    assert store.samples.dtype == np.int16
    assert store.rows == (Clip(path, UNKNOWN, None, "training"),) * 3
    assert store.skipped == ()


@pytest.mark.parametrize(
    ("seconds", "windows"),
    [(0.2, 1), (0.5, 1), (1.0, 1), (1.49, 1), (1.5, 2), (2.2, 2), (2.7, 3)],
)
def test_a_short_rest_is_left_out_unless_it_is_all_there_is(seconds: float, windows: int, tmp_path: Path) -> None:
    store = cut(speech(tmp_path / "talk.wav", (seconds, 0.1)))
    assert store.samples.shape == (windows, 16_000)
    # A longer rest is filled up with silence.
    end = round((seconds - windows + 1) * 16_000)
    assert store.samples[-1, : min(end, 16_000)].any()
    assert not store.samples[-1, max(end, 0) :].any() or end >= 16_000


def test_pauses_are_left_out(tmp_path: Path) -> None:
    # 18 dB below the loudest is speech, 22 dB below is none.
    store = cut(
        speech(tmp_path / "talk.wav", (1, 0.1 * 10 ** (-18 / 20)), (1, 0.1), (1, 0.1 * 10 ** (-22 / 20)), (1, 0))
    )
    levels = store.windows(np.arange(len(store.rows))).std(axis=1)
    assert levels == pytest.approx([0.1 * 10 ** (-18 / 20), 0.1], rel=0.05)
    # However loud the recording is as a whole.
    assert len(cut(speech(tmp_path / "faint.wav", (1, 1e-3), (1, 1e-5))).rows) == 1


def test_each_recording_is_judged_by_its_own_loudest_window(tmp_path: Path) -> None:
    paths = [speech(tmp_path / "loud.wav", (2, 0.3)), speech(tmp_path / "faint.wav", (3, 0.003))]
    store = load_negatives(paths, FEATURES, threads=2)
    assert [row.path for row in store.rows] == [paths[0]] * 2 + [paths[1]] * 3


def test_negatives_that_cannot_be_read_are_named_and_the_rest_is_used(tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("this is no sound")
    (tmp_path / "empty.wav").touch()
    good = [speech(tmp_path / f"{name}.wav", (1, 0.1)) for name in ("a", "b")]
    paths = [tmp_path / "text.wav", good[0], tmp_path / "missing.wav", tmp_path / "empty.wav", good[1]]
    one, many = (load_negatives(paths, FEATURES, threads) for threads in (1, 4))
    assert [row.path for row in one.rows] == good
    assert [skipped.path.stem for skipped in one.skipped] == ["text", "missing", "empty"]
    for skipped, reason in zip(one.skipped, ("not a sound file", "No such file", "0 bytes"), strict=True):
        assert reason in skipped.reason
    assert (one.rows, one.skipped) == (many.rows, many.skipped)
    np.testing.assert_array_equal(one.samples, many.samples)
    nothing = load_negatives(paths[:1], FEATURES, threads=1)
    assert nothing.samples.shape == (0, 16_000)
    assert nothing.rows == ()


def test_negatives_of_any_rate_and_loudness_become_windows(tmp_path: Path) -> None:
    assert cut(speech(tmp_path / "a.wav", (2, 0.1), rate=44_100)).samples.shape == (2, 16_000)
    soundfile.write(tmp_path / "loud.wav", np.full(16_000, 2.0), 16_000, subtype="FLOAT")
    np.testing.assert_array_equal(cut(tmp_path / "loud.wav").samples, np.full((1, 16_000), 32_767))


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
    unknown = [name.split("/")[0] for name, label in zip(clips.names, clips.labels, strict=True) if label == 2]
    assert Counter(unknown) == {"bed": 3, "tree": 3}


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


@pytest.mark.parametrize(
    ("counts", "share", "expected"),
    [
        # Two words of eight clips each want eight unknown ones.
        ({"bed": 30, "tree": 20}, 8, {"bed": 4, "tree": 4}),
        ({"bed": 100, "cat": 3, "tree": 1}, 8, {"bed": 4, "cat": 3, "tree": 1}),
        ({"bed": 4, "cat": 3}, 8, {"bed": 4, "cat": 3}),
        ({"bed": 100, UNKNOWN: 3}, 8, {"bed": 5, UNKNOWN: 3}),
    ],
)
def test_unknown_words_are_chosen_as_evenly_as_their_clips_allow(
    counts: dict[str, int], share: int, expected: dict[str, int]
) -> None:
    for seed in range(3):
        clips = benchmark_set(made_up(yes=share, no=share, **counts), [], LABELS, seed)
        names = [name for name, label in zip(clips.names, clips.labels, strict=True) if label == 2]
        assert Counter(name.split("/")[0] for name in names) == expected


def test_any_unknown_word_and_any_clip_of_it_may_be_chosen() -> None:
    words = {f"w{number:02}": 6 for number in range(20)}
    chosen: Counter[str] = Counter()
    for seed in range(100):
        clips = benchmark_set(made_up(yes=10, no=10, **words), [], LABELS, seed)
        names = [name for name, label in zip(clips.names, clips.labels, strict=True) if label == 2]
        # More words than clips: one of each of some.
        assert len({name.split("/")[0] for name in names}) == len(names) == 10
        chosen.update(names)
    assert len(chosen) > 115
    assert max(chosen.values()) < 25


def noisy_set(**counts: int) -> ClipSet:
    """Return clips of random loudness, with silent ones among them."""
    rng = np.random.default_rng(4)
    names = [f"{word}/{number}.wav" for word, count in counts.items() for number in range(count)]
    windows = np.stack([sounds.hiss(400, rng, level) for level in rng.uniform(0.01, 0.3, len(names))])
    return ClipSet(windows, np.zeros(len(names), np.int64), tuple(names))


def energy(windows: np.ndarray) -> np.ndarray:
    return np.square(windows, dtype=np.float64).sum(axis=-1)


@pytest.mark.parametrize("snr", [-10.0, 0.0, 7.5, 40.0])
def test_noise_lies_exactly_as_far_below_each_clip_as_asked(snr: float, noises: list[np.ndarray]) -> None:
    clips = noisy_set(yes=6, no=5)
    untouched = clips.windows.copy()
    noisy = clips.with_noise([*noises, sounds.hiss(900, np.random.default_rng(8), 0.2)], snr, np.random.default_rng(0))
    added = noisy.windows.astype(np.float64) - clips.windows
    np.testing.assert_allclose(10 * np.log10(energy(clips.windows) / energy(added)), snr, atol=0.01)
    assert noisy.windows.dtype == np.float32
    assert noisy.names == clips.names
    np.testing.assert_array_equal(noisy.labels, clips.labels)
    np.testing.assert_array_equal(clips.windows, untouched)


def test_silent_clips_get_as_much_noise_as_the_median_clip(noises: list[np.ndarray]) -> None:
    clips = noisy_set(yes=7)
    names = (*clips.names[:4], f"{SILENCE} 0", f"archive/{SILENCE}/a.wav", f"{SILENCE}/b.wav")
    windows = clips.windows.copy()
    windows[4:] *= np.array([0, 1e-3, 1e-2], np.float32)[:, None]
    clips = ClipSet(windows, clips.labels, names)
    noisy = clips.with_noise(noises, 10, np.random.default_rng(0))
    added = energy(noisy.windows.astype(np.float64) - windows)
    np.testing.assert_allclose(10 * np.log10(energy(windows[:4]) / added[:4]), 10, atol=0.01)
    np.testing.assert_allclose(10 * np.log10(np.median(energy(windows)) / added[4:]), 10, atol=0.01)


def test_noise_is_drawn_for_each_clip_and_fixed_by_the_seed(noises: list[np.ndarray]) -> None:
    clips = noisy_set(yes=5)
    first, again, other = (clips.with_noise(noises, 0, np.random.default_rng(seed)).windows for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    shapes = first - clips.windows
    shapes /= np.linalg.norm(shapes, axis=1, keepdims=True)
    assert not np.allclose(shapes[0], shapes[1], atol=1e-3)


def test_where_there_is_no_sound_there_comes_no_noise(noises: list[np.ndarray]) -> None:
    clips = noisy_set(yes=3)
    nothing = clips.with_noise([np.zeros(500, np.float32)], 0, np.random.default_rng(0))
    np.testing.assert_array_equal(nothing.windows, clips.windows)
    clips.windows[1] = 0
    noisy = clips.with_noise(noises, 0, np.random.default_rng(0))
    assert np.isfinite(noisy.windows).all()
    assert not noisy.windows[1].any()


def test_rows_are_what_was_given(tiny_corpus: Path) -> None:
    rows = scan(tiny_corpus).by_split("validation")
    store = load_clips(rows, dataclasses.replace(FEATURES, clip=0.5), workers=2)
    assert store.rows == rows
    assert store.samples.shape == (len(rows), 8_000)
    assert store.skipped == ()
