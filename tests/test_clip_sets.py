"""The fixed sets of clips on which accuracy is measured: which clips, and with how much noise."""

from collections import Counter

import numpy as np
import pytest

import sounds
from cases import case
from clip_cases import numbered
from sayso.config import SILENCE, UNKNOWN
from sayso.config.labels import label_of
from sayso.corpus.clip_sets import ClipSet, benchmark_set, silence, whole_set

LABELS = ("yes", "no", UNKNOWN, SILENCE)


@pytest.fixture
def noises() -> list[np.ndarray]:
    return [sounds.hiss(500, np.random.default_rng(0))]


def test_silence_is_noise_at_any_level_and_sometimes_digital_silence(noises: list[np.ndarray]) -> None:
    untouched = noises[0].copy()
    rng = np.random.default_rng(0)
    levels = np.array([np.abs(silence(noises, 500, rng)).max() for _ in range(300)]) / np.abs(noises[0]).max()
    assert 0.03 < np.mean(levels == 0) < 0.2
    assert levels.max() <= 1
    assert levels.max() > 0.95
    np.testing.assert_array_equal(noises[0], untouched)


def test_the_whole_set_holds_every_clip() -> None:
    clips = whole_set(numbered(yes=2, tree=1, no=1), LABELS)
    assert clips.labels.tolist() == [0, 0, 2, 1]
    assert clips.names == ("yes/0.wav", "yes/1.wav", "tree/0.wav", "no/0.wav")
    np.testing.assert_allclose(clips.windows[:, 0] * 32_767, [0, 1, 2, 3])


def test_the_benchmark_has_as_many_unknown_and_silent_clips_as_a_word_has(noises: list[np.ndarray]) -> None:
    loaded = numbered(no=8, bed=30, yes=4, tree=20)
    clips = benchmark_set(loaded, noises, LABELS, seed=0)
    assert np.bincount(clips.labels).tolist() == [4, 8, 6, 6]
    assert clips.windows.shape == (24, 100)
    assert clips.windows.dtype == np.float32
    assert len(clips.names) == len(set(clips.names)) == 24
    # Every name and label still belongs to its window.
    for name, label, window in zip(clips.names, clips.labels, clips.windows, strict=True):
        if not name.startswith(SILENCE):
            position = round(float(window[0] * 32_767))
            assert str(loaded.rows[position].path) == name
            assert LABELS[label] == label_of(loaded.rows[position].word, LABELS)
    unknown = [name.split("/")[0] for name, label in zip(clips.names, clips.labels, strict=True) if label == 2]
    assert Counter(unknown) == {"bed": 3, "tree": 3}


def test_the_benchmark_is_fixed_by_its_seed(noises: list[np.ndarray]) -> None:
    loaded = numbered(no=8, yes=4, tree=60)
    first, again, other = (benchmark_set(loaded, noises, LABELS, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.windows, again.windows)
    assert first.names == again.names
    assert first.names != other.names


def test_the_benchmark_takes_what_there_is_if_it_is_less(noises: list[np.ndarray]) -> None:
    few = benchmark_set(numbered(yes=10, no=10, tree=3), noises, LABELS, seed=0)
    assert np.bincount(few.labels).tolist() == [10, 10, 3, 10]
    without_noise = benchmark_set(numbered(yes=3, no=3), [], LABELS, seed=0)
    assert np.bincount(without_noise.labels).tolist() == [3, 3]
    without_labels = benchmark_set(numbered(yes=3, no=3), noises, ("yes", "no"), seed=0)
    assert np.bincount(without_labels.labels).tolist() == [3, 3]


def test_unknown_words_are_chosen_as_evenly_as_their_clips_allow() -> None:
    for counts, expected in (
        # Two words of eight clips each want eight unknown ones.
        ({"bed": 30, "tree": 20}, {"bed": 4, "tree": 4}),
        ({"bed": 100, "cat": 3, "tree": 1}, {"bed": 4, "cat": 3, "tree": 1}),
        ({"bed": 4, "cat": 3}, {"bed": 4, "cat": 3}),
        ({"bed": 100, UNKNOWN: 3}, {"bed": 5, UNKNOWN: 3}),
    ):
        for seed in range(3):
            with case(counts, seed):
                clips = benchmark_set(numbered(yes=8, no=8, **counts), [], LABELS, seed)
                names = [name for name, label in zip(clips.names, clips.labels, strict=True) if label == 2]
                assert Counter(name.split("/")[0] for name in names) == expected


def test_any_unknown_word_and_any_clip_of_it_may_be_chosen() -> None:
    words = {f"w{number:02}": 6 for number in range(20)}
    chosen: Counter[str] = Counter()
    for seed in range(100):
        clips = benchmark_set(numbered(yes=10, no=10, **words), [], LABELS, seed)
        names = [name for name, label in zip(clips.names, clips.labels, strict=True) if label == 2]
        # There are more words than clips: some words have one, the others none.
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


def test_noise_is_exactly_as_far_below_each_clip_as_asked(noises: list[np.ndarray]) -> None:
    for snr in (-10.0, 0.0, 7.5, 40.0):
        with case(snr):
            clips = noisy_set(yes=6, no=5)
            untouched = clips.windows.copy()
            sources = [*noises, sounds.hiss(900, np.random.default_rng(8), 0.2)]
            noisy = clips.with_noise(sources, snr, np.random.default_rng(0))
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


def test_silent_noise_and_silent_clips_add_no_noise(noises: list[np.ndarray]) -> None:
    clips = noisy_set(yes=3)
    nothing = clips.with_noise([np.zeros(500, np.float32)], 0, np.random.default_rng(0))
    np.testing.assert_array_equal(nothing.windows, clips.windows)
    clips.windows[1] = 0
    noisy = clips.with_noise(noises, 0, np.random.default_rng(0))
    assert np.isfinite(noisy.windows).all()
    assert not noisy.windows[1].any()
