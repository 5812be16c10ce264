"""The bundled demo corpus has the properties that examples and tests rely on."""

import csv
import hashlib
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sayso.config import COMMANDS

DEMO = Path(__file__).parents[1] / "data" / "demo"
OTHER_WORDS = {"bed", "bird", "cat", "dog", "happy", "house", "seven", "tree"}


@pytest.fixture(scope="module")
def voices():
    with (DEMO / "voices.csv").open(newline="", encoding="utf-8") as file:
        return {row["id"]: row for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def sounds():
    return {path: soundfile.read(path, dtype="float32") for path in sorted(DEMO.glob("*/*"))}


def test_the_folders_are_the_ten_commands_other_words_and_noise():
    assert {path.name for path in DEMO.iterdir() if path.is_dir()} == {*COMMANDS, *OTHER_WORDS, "_background_noise_"}


def test_every_voice_speaks_every_word_once(voices):
    assert len(voices) >= 50
    for word in (*COMMANDS, *OTHER_WORDS):
        assert sorted(path.name for path in (DEMO / word).iterdir()) == sorted(f"{v}_nohash_0.opus" for v in voices)


def test_the_split_follows_the_rule_of_speech_commands(voices):
    # The rule is repeated here on purpose: a mistake in the package must not be able to move the corpus.
    for speaker, voice in voices.items():
        percentage = int(hashlib.sha1(speaker.encode()).hexdigest(), 16) % 2**27 * (100 / (2**27 - 1))
        assert voice["split"] == ("validation" if percentage < 10 else "testing" if percentage < 20 else "training")


def test_every_split_has_all_accents_and_both_sexes_and_shares_no_voice(voices):
    pairs = [(voice["accent"], voice["variant"]) for voice in voices.values()]
    assert len(set(pairs)) == len(pairs)
    for split, fewest in {"training": 35, "validation": 8, "testing": 8}.items():
        chosen = [voice for voice in voices.values() if voice["split"] == split]
        assert len(chosen) >= fewest
        assert {voice["accent"] for voice in chosen} == {voice["accent"] for voice in voices.values()}
        # In the names of the numbered variants of espeak-ng, m is for male and f for female.
        assert {voice["variant"][0] for voice in chosen if len(voice["variant"]) == 2} == {"m", "f"}


def test_the_whole_corpus_is_small():
    assert sum(path.stat().st_size for path in DEMO.rglob("*") if path.is_file()) <= 4_000_000


def test_every_file_is_16_khz_mono_of_the_stated_length(sounds):
    for path, (samples, rate) in sounds.items():
        seconds = 10 if path.parent.name == "_background_noise_" else 1
        assert (rate, samples.shape) == (16_000, (16_000 * seconds,)), path


def test_no_file_is_silent_or_clipped(sounds):
    for path, (samples, _) in sounds.items():
        assert 0.1 < np.abs(samples).max() < 0.99, path
        assert np.all(samples.reshape(-1, 320).any(axis=1)), f"{path} has 20 ms of digital silence"


def test_no_word_is_cut_off(sounds):
    for path, (samples, _) in sounds.items():
        if path.parent.name != "_background_noise_":
            level = np.sqrt(np.mean(samples.reshape(50, -1) ** 2, axis=1))
            assert max(level[0], level[-1]) < 0.1 * level.max(), path
