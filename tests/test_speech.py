"""Where the speech in a recording lies."""

import numpy as np
import pytest

import sounds
from sayso.sound.speech import speech_bounds


@pytest.mark.parametrize("place", [0, 3_000, 8_000])
@pytest.mark.parametrize("level", [1.0, 0.02])
def test_a_word_is_found_wherever_it_lies_and_however_loud_it_is(place: int, level: float) -> None:
    word = sounds.spoken("yes")
    clip = sounds.hiss(16_000, np.random.default_rng(0), 1e-3 * level)
    clip[place : place + len(word)] += level * word
    start, end = speech_bounds(clip, sounds.RATE)
    # The tones swell and fade, so that a little is lost at both ends.
    assert place - 320 <= start <= place + 1_600
    assert place + len(word) - 1_600 <= end <= place + len(word) + 320


def test_rumble_and_an_offset_are_no_speech() -> None:
    word, times = sounds.spoken("no"), np.arange(16_000) / sounds.RATE
    clip = (0.3 + 0.3 * np.sin(2 * np.pi * 20 * times)).astype(np.float32)
    clip[4_000 : 4_000 + len(word)] += word
    start, end = speech_bounds(clip, sounds.RATE)
    assert 3_600 < start < end < 4_400 + len(word)


@pytest.mark.parametrize("clip", [np.zeros(16_000), np.ones(7), np.zeros(0)])
def test_where_nothing_stands_out_all_is_speech(clip: np.ndarray) -> None:
    assert speech_bounds(clip.astype(np.float32), sounds.RATE) == (0, len(clip))
