"""Takes: they are trimmed to the word, problems are named, and files are distinguished by speaker and session."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
import soundfile

import sounds
from cases import case
from command_line import Result
from sayso.corpus.corpus import scan
from sayso.errors import SettingsError, StorageError
from sayso.live.guidance import seconds_for
from sayso.live.takes import LONGEST, PAUSE, TakeFiles, check_name, is_over, speaker_named, trimmed

SECONDS = 3
STARTED = datetime(2026, 1, 2, 3, 4, 5)


def recording(start: float, level: float = 1.0, length: float = sounds.SPOKEN) -> np.ndarray:
    """Return three seconds of faint noise with a word in them."""
    samples = sounds.hiss(SECONDS * sounds.RATE, np.random.default_rng(0), 1e-4)
    word = np.resize(sounds.spoken("yes"), round(length * sounds.RATE)) * np.float32(level)
    first = round(start * sounds.RATE)
    part = samples[max(first, 0) : first + len(word)]
    part += word[max(-first, 0) : max(-first, 0) + len(part)]
    return samples


def test_a_good_take_is_trimmed_to_the_word() -> None:
    take = trimmed(recording(0.8), sounds.RATE)
    assert not take.problems
    assert sounds.SPOKEN + 0.2 < len(take.samples) / sounds.RATE < sounds.SPOKEN + 0.5
    # The loudest sample of the word is in it.
    assert np.abs(take.samples).max() == np.abs(recording(0.8)).max()


def test_each_problem_is_named_alone() -> None:
    for samples, problem in (
        (np.zeros(SECONDS * sounds.RATE, np.float32), "no speech was found"),
        (sounds.hiss(SECONDS * sounds.RATE, np.random.default_rng(0), 0.05), "no speech was found"),
        (recording(-0.1), "the beginning is cut off"),
        (recording(SECONDS - 0.3), "the end is cut off"),
        (recording(0.3, length=2.4), "it is longer than 2 s"),
        (recording(0.8, level=0.004), "it is very quiet"),
        (np.clip(recording(0.8, level=4.0), -1, 1), "it clips"),
    ):
        with case(problem):
            (found,) = trimmed(samples, sounds.RATE).problems
            assert found.startswith(problem)


def test_a_phrase_is_recorded_for_longer_than_a_word() -> None:
    assert seconds_for("lamp") == 2
    for phrase in ("computer play music", "good-night", "lights_on"):
        with case(phrase):
            assert seconds_for(phrase) >= LONGEST + 1
    assert not trimmed(recording(0.3, length=1.9), sounds.RATE).problems


def test_a_word_is_over_when_a_pause_has_followed_it() -> None:
    end = 0.4 + sounds.SPOKEN + PAUSE
    click = recording(SECONDS)
    click[sounds.RATE // 2 :][:50] = 0.9
    for what, samples, expected in (
        ("a word and a pause", recording(0.4)[: round((end + 0.05) * sounds.RATE)], True),
        ("a word and half a pause", recording(0.4)[: round((end - PAUSE / 2) * sounds.RATE)], False),
        ("half a word", recording(0.4)[: round(0.6 * sounds.RATE)], False),
        ("quiet", recording(SECONDS), False),
        ("noise", sounds.hiss(SECONDS * sounds.RATE, np.random.default_rng(0), 0.05), False),
        ("a click", click, False),
        ("nothing yet", np.zeros(0, np.float32), False),
    ):
        with case(what):
            assert is_over(samples, sounds.RATE) == expected


def test_the_files_are_a_corpus_with_speakers(tmp_path: Path) -> None:
    for speaker in ("anna", "ben"):
        files = TakeFiles(tmp_path, speaker, sounds.RATE, STARTED)
        for word in ("lamp", "music", "lamp"):
            files.save(word, sounds.clip("yes"))
        assert files.counts() == {"lamp": 2, "music": 1}
        files.save("_background_noise_", sounds.clip("no"))
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


def test_undo_deletes_the_last_take_and_its_number_is_used_again(tmp_path: Path) -> None:
    files = TakeFiles(tmp_path, "anna", sounds.RATE, STARTED)
    assert files.undo() is None
    first, second = (files.save("lamp", sounds.clip("yes")) for _ in range(2))
    assert files.undo() == second
    assert not second.exists()
    assert first.exists()
    assert files.save("lamp", sounds.clip("no")) == second
    assert (files.undo(), files.undo(), files.undo()) == (second, first, None)
    assert files.counts() == {}


def test_takes_of_earlier_sessions_by_the_same_speaker_count(tmp_path: Path) -> None:
    for hour, speaker in enumerate(("anna", "anna", "ann", "anna_2")):
        files = TakeFiles(tmp_path, speaker, sounds.RATE, STARTED.replace(hour=hour))
        files.save("turn on", sounds.clip("yes"))
        files.save("lamp", sounds.clip("yes"))
        files.undo()
    again = TakeFiles(tmp_path, "anna", sounds.RATE, STARTED)
    assert [again.taken(word) for word in ("turn on", "lamp", "music")] == [2, 0, 0]
    assert again.counts() == {}
    assert again.undo() is None


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    path = TakeFiles(tmp_path, "anna", sounds.RATE, STARTED).save("lamp", sounds.clip("yes"))
    before = path.read_bytes()
    with pytest.raises(StorageError, match="exists; give another --speaker"):
        TakeFiles(tmp_path, "anna", sounds.RATE, STARTED).save("lamp", sounds.clip("no"))
    assert path.read_bytes() == before


def test_names_of_letters_and_digits_are_accepted() -> None:
    for name in (
        "lamp",
        "two-words",
        "Größe",
        "a",
        "r2d2",
        "turn_on",
        "हाँ",
        "ภาษา",
        "\u0645\u06cc\u200c\u062e\u0648\u0645",
        "தமிழ்",
        "turn on",
        "don't",
    ):
        with case(name):
            assert check_name("word", name) == name


def test_names_that_cannot_be_file_names_are_refused() -> None:
    for name in ("", "../lamp", "a/b", "_silence_", ".hidden", " x", "x ", "-x", "con:", "a\0"):
        with case(repr(name)), pytest.raises(SettingsError, match=r"the word .* cannot name a file"):
            check_name("word", name)
    for name in ("two words", "o'neil"):
        with case(name), pytest.raises(SettingsError, match=r"the speaker .* with - or _ only between them"):
            check_name("speaker", name)


def test_a_decomposed_name_is_composed_and_a_long_one_refused() -> None:
    assert check_name("word", "Cafe\u0301") == "Café"
    with pytest.raises(SettingsError, match="has 300 bytes; give a name of at most 150"):
        check_name("word", "ö" * 150)


def test_any_user_name_becomes_a_speaker_that_is_accepted() -> None:
    for user, speaker in (
        ("anna", "anna"), ("Anna Maria", "Anna-Maria"), ("CORP\\max.muster", "CORP-max-muster"),
        ("max@example.org", "max-example-org"), ("_apt", "apt"), ("-", "speaker"), ("", "speaker"), ("../x", "x"),
        ("Зоя Петровна", "Зоя-Петровна"), ("x" * 400, "x" * 150), ("a_b$", "a-b"),
    ):  # fmt: skip
        with case(user):
            assert speaker_named(user) == speaker == check_name("speaker", speaker)


def test_impossible_options_of_record_are_refused(
    sayso: Callable[..., Result], tiny_model_path: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "takes"
    for arguments, status, message in (
        ([], 2, "give either the words to record, or --commands"),
        (["lamp", "--commands"], 2, "give either the words to record, or --commands"),
        (["lamp", "-m", tiny_model_path], 2, "--model says whose words to record; give --commands, too"),
        (["--commands", "-m", "nowhere"], 1, "nowhere"),
        (["lamp", "a/b"], 1, "the word 'a/b' cannot name a file"),
    ):
        with case(arguments):
            result = sayso("record", "-o", folder, *arguments)
            assert result.status == status
            assert message in result.err
            assert "Traceback" not in result.err
    assert not folder.exists()
