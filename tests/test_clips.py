"""Clips in memory: what is read, and what is left out with the reason."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import soundfile

import sounds
from cases import case
from clip_cases import numbered, row
from sayso.config import SILENCE, UNKNOWN, FeatureSettings
from sayso.config.labels import label_of
from sayso.corpus import clips
from sayso.corpus.clips import Clips, labelled, load_clips, load_negatives, load_noises
from sayso.corpus.corpus import Clip, scan
from sayso.corpus.skipped import Skipped
from sayso.sound import audio
from sayso.sound.high_pass import high_passed_clip
from sayso.sound.speech import fit_window

FEATURES = FeatureSettings()
LABELS = ("yes", "no", UNKNOWN, SILENCE)


def test_16_bit_samples_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.random.default_rng(0).integers(-32_767, 32_767, 16_000).astype(np.int16), 16_000)
    loaded = load_clips([row(path)], FEATURES, workers=1)
    assert loaded.samples.dtype == np.int16
    (window,) = loaded.windows(np.array([0]))
    assert window.dtype == np.float32
    fitted, _ = fit_window(audio.load(path, 16_000), 16_000)
    np.testing.assert_allclose(window, fitted, atol=0.51 / 32_767)


def test_floats_beyond_full_scale_are_neither_clipped_nor_wrapped(tmp_path: Path) -> None:
    loud = np.concatenate([np.full(8_000, 2.0), np.full(8_000, -2.0)])
    soundfile.write(tmp_path / "loud.wav", loud, 16_000, subtype="FLOAT")
    (window,) = load_clips([row(tmp_path / "loud.wav")], FEATURES, workers=1).windows(np.array([0]))
    np.testing.assert_array_equal(window, loud)


def test_bad_files_are_listed_with_the_reason_and_the_rest_is_used(tmp_path: Path) -> None:
    for name, value in (("first", 0.1), ("last", 0.3)):
        soundfile.write(tmp_path / f"{name}.wav", np.full(16_000, value), 16_000)
    (tmp_path / "text.wav").write_text("this is no sound")
    (tmp_path / "empty.wav").touch()
    names = ("first", "text", "missing", "empty", "last")
    loaded = load_clips([row(tmp_path / f"{name}.wav") for name in names], FEATURES, workers=2)
    assert [clip.path.stem for clip in loaded.rows] == ["first", "last"]
    np.testing.assert_allclose(loaded.windows(np.arange(2)).mean(axis=1), [0.1, 0.3], atol=1e-4)
    assert [skipped.path.stem for skipped in loaded.skipped] == ["text", "missing", "empty"]
    for skipped, reason in zip(loaded.skipped, ("not a sound file", "No such file", "0 bytes"), strict=True):
        assert reason in skipped.reason


def test_no_clips_can_be_loaded() -> None:
    loaded = load_clips([], FEATURES, workers=2)
    assert loaded.samples.shape == (0, 16_000)
    assert loaded.windows(np.arange(0)).shape == (0, 16_000)


def test_clips_of_any_length_and_rate_become_one_window(tmp_path: Path) -> None:
    for seconds, rate in ((0.3, 44_100), (1.0, 8_000), (2.5, 16_000)):
        soundfile.write(tmp_path / f"{rate}.wav", np.full(round(seconds * rate), 0.5), rate)
    rows = [row(path) for path in sorted(tmp_path.iterdir())]
    assert load_clips(rows, FEATURES, workers=1).samples.shape == (3, 16_000)


def test_the_number_of_workers_changes_nothing(tiny_corpus: Path) -> None:
    rows = scan(tiny_corpus).by_split("testing")
    one, many = (load_clips(rows, FEATURES, workers) for workers in (1, 5))
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


def test_noises_are_repeated_to_fill_a_window_and_bad_ones_are_listed(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "long.wav", np.full(20_000, 0.1), 16_000)
    soundfile.write(tmp_path / "short.wav", np.arange(5_000) / 10_000, 16_000, subtype="FLOAT")
    (tmp_path / "bad.wav").write_text("hum")
    noises, skipped = load_noises([tmp_path / f"{name}.wav" for name in ("long", "short", "bad")], FEATURES)
    assert [len(noise) for noise in noises] == [20_000, 16_000]
    np.testing.assert_array_equal(noises[1][5_000:10_000], noises[1][:5_000])
    assert [entry.path.stem for entry in skipped] == ["bad"]


def test_clips_are_joined_and_cut_in_order() -> None:
    first, second = numbered(yes=2), numbered(no=3, up=1)
    skipped = Skipped(Path("bad.wav"), "not a sound file")
    joined = first.joined(second._replace(skipped=(skipped,)))
    assert joined.rows == first.rows + second.rows
    assert joined.samples[:, 0].tolist() == [0, 1, 0, 1, 2, 3]
    assert joined.samples.dtype == np.int16
    assert joined.skipped == (skipped,)
    part = joined.between(1, 4)
    assert part.rows == joined.rows[1:4]
    assert part.samples[:, 0].tolist() == [1, 0, 1]
    assert np.shares_memory(part.samples, joined.samples)
    assert part.skipped == ()
    assert load_clips([], FEATURES, 1).joined(load_negatives([], FEATURES, 1)).samples.shape == (0, 16_000)


def speech(path: Path, *parts: tuple[float, float], rate: int = sounds.RATE) -> Path:
    """Write a recording of parts, each given by its seconds and its amplitude."""
    rng = np.random.default_rng(0)
    samples = [sounds.hiss(round(seconds * rate), rng, level) for seconds, level in parts]
    soundfile.write(path, np.concatenate(samples), rate, subtype="FLOAT")
    return path


def cut(path: Path) -> Clips:
    return load_negatives([path], FEATURES, threads=1)


def test_a_long_recording_is_cut_into_windows_that_are_unknown(tmp_path: Path) -> None:
    path = speech(tmp_path / "talk.wav", (3.0, 0.1))
    loaded = cut(path)
    samples, _ = soundfile.read(path, dtype="float32")
    # Each starts in the middle of the one before it.
    expected = [samples[start : start + 16_000] for start in range(0, 32_001, 8_000)]
    np.testing.assert_allclose(loaded.windows(np.arange(5)), expected, atol=0.51 / 32_767)
    assert loaded.samples.dtype == np.int16
    assert loaded.rows == (Clip(path, UNKNOWN, None, "training"),) * 5
    assert loaded.skipped == ()


def test_a_short_remainder_is_left_out_unless_it_is_the_whole_recording(tmp_path: Path) -> None:
    for seconds, windows in ((0.2, 1), (0.5, 1), (1.0, 1), (1.24, 1), (1.25, 2), (1.7, 2), (2.2, 3)):
        with case(seconds):
            loaded = cut(speech(tmp_path / "talk.wav", (seconds, 0.1)))
            assert loaded.samples.shape == (windows, 16_000)
            # A longer remainder is padded with zeros.
            end = round((seconds - 0.5 * (windows - 1)) * 16_000)
            assert loaded.samples[-1, : min(end, 16_000)].any()
            assert not loaded.samples[-1, max(end, 0) :].any() or end >= 16_000


def test_pauses_are_left_out(tmp_path: Path) -> None:
    # A window 18 dB below the loud ones counts as speech, one 22 dB below as a pause.
    faint, pause = 0.1 * 10 ** (-18 / 20), 0.1 * 10 ** (-22 / 20)
    loaded = cut(speech(tmp_path / "talk.wav", (1, faint), (1, 0.1), (1.5, pause), (1, 0)))
    levels = loaded.windows(np.arange(len(loaded.rows))).std(axis=1)
    half = 0.1 / np.sqrt(2)
    assert levels == pytest.approx([faint, np.hypot(faint, 0.1) / np.sqrt(2), 0.1, half], rel=0.05)
    # The level of the whole recording does not matter.
    assert len(cut(speech(tmp_path / "faint.wav", (1, 1e-3), (1, 1e-5))).rows) == 2


def test_each_recording_is_judged_by_its_own_loudest_window(tmp_path: Path) -> None:
    paths = [speech(tmp_path / "loud.wav", (2, 0.3)), speech(tmp_path / "faint.wav", (3, 0.003))]
    loaded = load_negatives(paths, FEATURES, threads=2)
    assert [row.path for row in loaded.rows] == [paths[0]] * 3 + [paths[1]] * 5


def test_negatives_that_cannot_be_read_are_listed_and_the_rest_is_used(tmp_path: Path) -> None:
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
    assert cut(speech(tmp_path / "a.wav", (2, 0.1), rate=44_100)).samples.shape == (3, 16_000)
    soundfile.write(tmp_path / "loud.wav", np.full(16_000, 2.0), 16_000, subtype="FLOAT")
    np.testing.assert_array_equal(cut(tmp_path / "loud.wav").windows(np.array([0])), np.full((1, 16_000), 2.0))


def test_words_without_a_label_of_their_own_are_unknown() -> None:
    assert [label_of(word, LABELS) for word in ("yes", "tree", UNKNOWN, SILENCE)] == ["yes", UNKNOWN, UNKNOWN, SILENCE]
    rows = [row(Path("x.wav"), word) for word in ("yes", "tree", SILENCE)]
    assert labelled(rows, LABELS) == rows
    assert labelled(rows, ("yes", UNKNOWN)) == rows[:2]
    assert labelled(rows, ("yes", "no")) == rows[:1]


def test_rows_are_those_that_were_given(tiny_corpus: Path) -> None:
    rows = scan(tiny_corpus).by_split("validation")
    loaded = load_clips(rows, dataclasses.replace(FEATURES, clip=0.5), workers=2)
    assert loaded.rows == rows
    assert loaded.samples.shape == (len(rows), 8_000)
    assert loaded.skipped == ()


def test_training_and_use_hear_the_same_at_every_level_and_with_a_high_pass(tmp_path: Path) -> None:
    clip = sounds.clip("yes") + np.float32(0.05)
    for high_pass in (0.0, 60.0):
        features = dataclasses.replace(FEATURES, high_pass=high_pass)
        for gain in (0.01, 1.0, 2.5, 12.0, 32_768.0):
            with case(high_pass, gain):
                path = tmp_path / "clip.wav"
                soundfile.write(path, clip * gain, 16_000, subtype="FLOAT")
                whole = high_passed_clip(audio.load(path, 16_000), high_pass, 16_000)
                fitted, _ = fit_window(whole, 16_000)
                (window,) = load_clips([row(path)], features, workers=1).windows(np.array([0]))
                np.testing.assert_allclose(window, fitted, atol=0.51 * np.abs(fitted).max(initial=1.0) / 32_767)
                (negative,) = load_negatives([path], features, 1).windows(np.array([0]))
                np.testing.assert_allclose(negative, whole, atol=0.51 * np.abs(whole).max(initial=1.0) / 32_767)
