"""Takes: the word is found and trimmed, what is wrong is named, and files keep speaker and session apart."""

from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
import soundfile

import sounds
from sayso.corpus.corpus import scan
from sayso.errors import SettingsError, StorageError
from sayso.live.takes import TakeFiles, check_name, take_of

SECONDS = 2
BEGAN = datetime(2026, 1, 2, 3, 4, 5)


def heard(start: float, level: float = 1.0, length: float = sounds.SPOKEN) -> np.ndarray:
    """Return two seconds of faint noise with a word in them."""
    samples = sounds.hiss(SECONDS * sounds.RATE, np.random.default_rng(0), 1e-4)
    word = np.resize(sounds.spoken("yes"), round(length * sounds.RATE)) * np.float32(level)
    first = round(start * sounds.RATE)
    part = samples[max(first, 0) : first + len(word)]
    part += word[max(-first, 0) : max(-first, 0) + len(part)]
    return samples


def test_a_good_take_is_trimmed_to_the_word() -> None:
    take = take_of(heard(0.8), sounds.RATE)
    assert not take.problems
    assert sounds.SPOKEN + 0.2 < len(take.samples) / sounds.RATE < sounds.SPOKEN + 0.5
    # The word's loudest moments are in it.
    assert np.abs(take.samples).max() == np.abs(heard(0.8)).max()


@pytest.mark.parametrize(
    ("samples", "problem"),
    [
        (np.zeros(SECONDS * sounds.RATE, np.float32), "no speech was found"),
        (sounds.hiss(SECONDS * sounds.RATE, np.random.default_rng(0), 0.05), "no speech was found"),
        (heard(-0.1), "the beginning is cut off"),
        (heard(SECONDS - 0.3), "the end is cut off"),
        (heard(0.3, length=1.4), "it is longer than 1 s"),
        (heard(0.8, level=0.004), "it is very quiet"),
        (np.clip(heard(0.8, level=4.0), -1, 1), "it clips"),
    ],
)
def test_what_is_wrong_is_named(samples: np.ndarray, problem: str) -> None:
    (found,) = take_of(samples, sounds.RATE).problems
    assert found.startswith(problem)


def test_files_are_a_corpus_that_keeps_speakers_apart(tmp_path: Path) -> None:
    for speaker in ("anna", "ben"):
        files = TakeFiles(tmp_path, speaker, sounds.RATE, BEGAN)
        for word in ("lamp", "music", "lamp"):
            files.keep(word, sounds.clip("yes"))
        assert files.counts() == {"lamp": 2, "music": 1}
        files.keep("_background_noise_", sounds.clip("no"))
    corpus = scan(tmp_path)
    assert [(clip.word, clip.path.name, clip.speaker) for clip in corpus.clips][:2] == [
        ("lamp", "anna_nohash_20260102T030405-001.wav", "anna"),
        ("lamp", "anna_nohash_20260102T030405-002.wav", "anna"),
    ]
    assert len(corpus.clips) == 6
    assert len(corpus.noises) == 2
    samples, rate = soundfile.read(corpus.clips[0].path, dtype="float32")
    assert rate == sounds.RATE
    np.testing.assert_allclose(samples, sounds.clip("yes"), atol=2**-15)


def test_the_last_take_is_taken_back_and_its_number_used_again(tmp_path: Path) -> None:
    files = TakeFiles(tmp_path, "anna", sounds.RATE, BEGAN)
    assert files.undo() is None
    first, second = (files.keep("lamp", sounds.clip("yes")) for _ in range(2))
    assert files.undo() == second
    assert not second.exists()
    assert first.exists()
    assert files.keep("lamp", sounds.clip("no")) == second
    assert (files.undo(), files.undo(), files.undo()) == (second, first, None)
    assert files.counts() == {}


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    path = TakeFiles(tmp_path, "anna", sounds.RATE, BEGAN).keep("lamp", sounds.clip("yes"))
    before = path.read_bytes()
    with pytest.raises(StorageError, match="exists; give another --speaker"):
        TakeFiles(tmp_path, "anna", sounds.RATE, BEGAN).keep("lamp", sounds.clip("no"))
    assert path.read_bytes() == before


@pytest.mark.parametrize("name", ["lamp", "two-words", "Größe", "a", "r2d2", "turn_on"])
def test_names_that_can_be_files(name: str) -> None:
    assert check_name("word", name) == name


@pytest.mark.parametrize("name", ["", "../lamp", "a/b", "_silence_", ".hidden", "two words", "-x", "con:", "a\0"])
def test_names_that_cannot(name: str) -> None:
    with pytest.raises(SettingsError, match=r"the word .* cannot name a file"):
        check_name("word", name)
