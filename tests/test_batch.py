"""Many files: which are meant, and a row for each whatever is in it."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

import sounds
from heed.batch import Row, classify_file, sound_files
from heed.recognizer import Recognizer


def touch(root: Path, *names: str) -> list[str]:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return [str(root / name) for name in names]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_files_come_in_the_order_they_are_named() -> None:
    touch(Path(), "b.wav", "a.wav", "notes.txt")
    # A file that is named is meant, whatever its suffix.
    assert sound_files(["b.wav", "notes.txt", "a.wav"]) == ["b.wav", "notes.txt", "a.wav"]


def test_a_folder_means_all_sound_files_below() -> None:
    touch(Path("in"), "b.wav", "a.FLAC", "deep/er/c.mp3", "notes.txt", "deep/list.csv")
    assert sound_files(["in"]) == ["in/a.FLAC", "in/b.wav", "in/deep/er/c.mp3"]


def test_patterns_are_resolved_where_the_shell_did_not() -> None:
    touch(Path(), "b.wav", "a.wav", "c.mp3", "deep/er/d.wav")
    assert sound_files(["*.wav"]) == ["a.wav", "b.wav"]
    assert sound_files(["**/*.wav"]) == ["a.wav", "b.wav", "deep/er/d.wav"]
    assert sound_files([str(Path.cwd() / "?.mp3")]) == [str(Path.cwd() / "c.mp3")]


def test_a_file_whose_name_looks_like_a_pattern_is_itself() -> None:
    touch(Path(), "[a].wav", "a.wav", "what?.wav")
    assert sound_files(["[a].wav"]) == ["[a].wav"]
    assert sound_files(["what?.wav"]) == ["what?.wav"]


def test_each_file_comes_once_at_its_first_place() -> None:
    touch(Path("in"), "a.wav", "b.wav", "c.wav")
    assert sound_files(["in/c.wav", "in", "in/*.wav", "in/a.wav"]) == ["in/c.wav", "in/a.wav", "in/b.wav"]


def test_where_nothing_is_found_the_place_itself_is_returned() -> None:
    Path("empty").mkdir()
    assert sound_files(["missing.wav", "*.mp3", "empty"]) == ["missing.wav", "*.mp3", "empty"]
    assert sound_files([]) == []


def write(name: str, samples: np.ndarray, rate: int = sounds.RATE) -> str:
    soundfile.write(name, samples, rate)
    return name


def rows(recognizer: Recognizer, *names: str) -> list[Row]:
    return [row for name in names for row in classify_file(recognizer, name)]


def test_a_clip_gives_one_row(tiny_recognizer: Recognizer) -> None:
    name = write("clip.wav", sounds.clip("no"))
    assert rows(tiny_recognizer, name) == [Row(name, tiny_recognizer.classify(name))]


@pytest.mark.parametrize(("samples", "labels"), [(0, ["yes"]), (1, ["no", "yes"])])
def test_beyond_two_seconds_words_are_sought(samples: int, labels: list[str], tiny_recognizer: Recognizer) -> None:
    long, _ = sounds.stream(["no", "yes"], gap=0.3)
    long[: sounds.RATE // 2] *= 0.5
    file = np.zeros(2 * sounds.RATE + samples, np.float32)
    file[: len(long)] = long
    assert [row.detection.label for row in rows(tiny_recognizer, write("x.wav", file)) if row.detection] == labels


def test_a_long_file_gives_a_row_for_each_word(tiny_recognizer: Recognizer) -> None:
    samples, _ = sounds.stream(["no", "up", "zero", "no"])
    name = write("long.wav", samples)
    found = rows(tiny_recognizer, name)
    assert [row.detection.label for row in found if row.detection] == ["no", "up", "no"]
    assert {(row.path, row.error) for row in found} == {(name, "")}


def test_a_long_file_without_a_word_gives_one_empty_row(tiny_recognizer: Recognizer) -> None:
    name = write("quiet.wav", np.zeros(3 * sounds.RATE))
    assert rows(tiny_recognizer, name) == [Row(name)]


def test_a_long_file_of_another_rate_is_resampled(tiny_recognizer: Recognizer) -> None:
    clips = [sounds.clip(word, rate=44_100) for word in ("up", "yes", "no")]
    gap = np.zeros(30_000, np.float32)
    name = write("long.wav", np.concatenate([part for clip in clips for part in (gap, clip, gap)]), 44_100)
    assert [row.detection.label for row in rows(tiny_recognizer, name) if row.detection] == ["up", "yes", "no"]


def test_bad_files_get_their_rows_and_stop_nothing(tiny_recognizer: Recognizer) -> None:
    first, last = write("first.wav", sounds.clip("yes")), write("last.wav", sounds.clip("up"))
    Path("text.wav").write_text("this is no sound")
    Path("empty.wav").touch()
    Path("folder").mkdir()
    found = rows(tiny_recognizer, first, "text.wav", "missing.wav", "empty.wav", "folder", last)
    assert [row.path for row in found] == [first, "text.wav", "missing.wav", "empty.wav", "folder", last]
    assert [row.detection.label if row.detection else None for row in found] == ["yes", *[None] * 4, "up"]
    for row, reason in zip(found[1:5], ("no sound file", "No such file", "0 bytes", "Is a directory"), strict=True):
        assert reason in row.error
        assert row.path in row.error
    assert found[0].error == found[-1].error == ""


def test_words_before_the_damage_are_told(tiny_recognizer: Recognizer) -> None:
    samples, _ = sounds.stream(["yes", "no", "up"] * 4, gap=1.0)
    write("whole.flac", samples)
    content = bytearray(Path("whole.flac").read_bytes())
    content[len(content) // 2 :] = bytes(len(content) - len(content) // 2)
    Path("damaged.flac").write_bytes(content)
    *heard, last = rows(tiny_recognizer, "damaged.flac")
    assert [row.detection.label for row in heard if row.detection][:3] == ["yes", "no", "up"]
    assert "truncated or damaged" in last.error


@pytest.mark.skipif(os.name == "nt", reason="such names cannot be")
def test_names_that_are_no_valid_text(tiny_recognizer: Recognizer) -> None:
    source = write("clip.wav", sounds.clip("yes"))
    Path("in").mkdir()
    name = os.fsdecode(b"in/\xff.wav")
    try:
        shutil.copy(source, name)
    except OSError:
        pytest.skip("this file system takes only valid text")
    assert sound_files(["in"]) == [name]
    (row,) = rows(tiny_recognizer, name)
    assert row.detection is not None
