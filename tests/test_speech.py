"""Where the speech in a recording is found, and how a clip is fitted to the window of the network."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sounds
from cases import case
from sayso.sound.speech import fit_window, is_audible, speech_bounds


def tone(seconds: float, amplitude: float = 0.5) -> np.ndarray:
    times = np.arange(round(sounds.RATE * seconds)) / sounds.RATE
    return (amplitude * np.sin(2 * np.pi * 440 * times)).astype(np.float32)


def test_a_word_is_found_wherever_it_is_and_however_loud() -> None:
    word = sounds.spoken("yes")
    for start, level in itertools.product((0, 3_000, 8_000), (1.0, 0.02)):
        with case(start, level):
            clip = sounds.hiss(16_000, np.random.default_rng(0), 1e-3 * level)
            clip[start : start + len(word)] += level * word
            first, end = speech_bounds(clip, sounds.RATE)
            # The tones fade in and out, so a little is lost at both ends.
            assert start - 320 <= first <= start + 1_600
            assert start + len(word) - 1_600 <= end <= start + len(word) + 320


def test_rumble_and_an_offset_are_not_speech() -> None:
    word, times = sounds.spoken("no"), np.arange(16_000) / sounds.RATE
    clip = (0.3 + 0.3 * np.sin(2 * np.pi * 20 * times)).astype(np.float32)
    clip[4_000 : 4_000 + len(word)] += word
    start, end = speech_bounds(clip, sounds.RATE)
    assert 3_600 < start < end < 4_400 + len(word)


def test_all_is_speech_where_nothing_stands_out() -> None:
    for clip in (np.zeros(16_000), np.ones(7), np.zeros(0)):
        with case(len(clip)):
            assert speech_bounds(clip.astype(np.float32), sounds.RATE) == (0, len(clip))


def test_speech_is_audible_from_60_db_below_full_scale() -> None:
    for decibels, audible in ((-61.0, False), (-59.0, True)):
        with case(decibels):
            assert is_audible(np.full(1_000, 10 ** (decibels / 20), np.float32)) is audible
    assert not is_audible(np.empty(0, np.float32))


@given(count=st.integers(1, 300), length=st.integers(1, 300), seed=st.integers(0, 9))
def test_a_clip_is_cut_or_padded_to_the_length(count: int, length: int, seed: int) -> None:
    samples = np.random.default_rng(seed).uniform(-1, 1, count).astype(np.float32)
    window, start = fit_window(samples, length)
    assert window.shape == (length,)
    assert window.dtype == np.float32
    surrounded = np.pad(samples, length)
    np.testing.assert_array_equal(window, surrounded[length + start : 2 * length + start])
    if count <= length / 2:
        assert abs((length - count) + 2 * start) <= 1  # in the middle, give or take the odd sample


@given(
    position=st.integers(0, 24_000),
    length=st.integers(800, 8_000),
    offset=st.floats(-0.5, 0.5),
    noise=st.floats(0, 0.001),
)
def test_a_word_is_put_in_the_middle_of_the_window(position: int, length: int, offset: float, noise: float) -> None:
    samples = np.random.default_rng(position).normal(offset, noise, 32_000)
    samples[position : position + length] += tone(length / sounds.RATE)
    _, start = fit_window(samples.astype(np.float32), sounds.RATE)
    # The window may extend beyond either end by a quarter.
    wanted = np.clip(position + length / 2 - sounds.RATE / 2, -sounds.RATE / 4, 32_000 - 3 * sounds.RATE / 4)
    assert abs(start - wanted) <= 0.02 * length + 1


def test_the_window_is_not_misled_by_rumble() -> None:
    samples = np.zeros(48_000, np.float32)
    samples[:16_000] = 0.5 * np.sin(2 * np.pi * 20 * np.arange(16_000) / sounds.RATE)
    samples[30_000:34_000] = tone(0.25, amplitude=0.1)
    assert fit_window(samples, sounds.RATE)[1] == pytest.approx(24_000, abs=200)


def test_the_louder_of_two_words_is_centred() -> None:
    samples = np.zeros(80_000, np.float32)
    samples[8_000:12_000] = tone(0.25, amplitude=0.3)
    samples[60_000:64_000] = tone(0.25, amplitude=0.4)
    assert fit_window(samples, sounds.RATE)[1] == pytest.approx(54_000, abs=40)


def test_one_of_two_equal_words_is_centred() -> None:
    samples = np.zeros(80_000, np.float32)
    samples[8_000:12_000] = samples[60_000:64_000] = tone(0.25)
    start = fit_window(samples, sounds.RATE)[1]
    assert min(abs(start - 2_000), abs(start - 54_000)) <= 40


def test_the_middle_of_silence_is_taken() -> None:
    for level in (0.0, 0.25):
        with case(level):
            assert fit_window(np.full(48_000, level, np.float32), sounds.RATE)[1] == 16_000
