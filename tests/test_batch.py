"""Many files: which are meant, and a row for each whatever is in it."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

import sounds
from sayso.batch import classify
from sayso.batch.classify import Job, Row, classify_files, classifying, grouped
from sayso.recognition.recognizer import Recognizer


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(name: str, samples: np.ndarray, rate: int = sounds.RATE) -> str:
    soundfile.write(name, samples, rate)
    return name


def rows(recognizer: Recognizer, *names: str) -> list[Row]:
    return [row for heard in classify_files(Job(recognizer), names) for row in heard.rows()]


def test_a_clip_gives_one_row(tiny_recognizer: Recognizer) -> None:
    name = write("clip.wav", sounds.clip("no"))
    (row,) = rows(tiny_recognizer, name)
    alone = tiny_recognizer.classify(name)
    assert row.detection
    assert (row.path, row.detection.label, row.error) == (name, alone.label, "")
    assert row.detection.confidence == pytest.approx(alone.confidence, abs=1e-5)


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
    for row, reason in zip(found[1:5], ("not a sound file", "No such file", "0 bytes", "Is a directory"), strict=True):
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
    (row,) = rows(tiny_recognizer, name)
    assert row.detection is not None


def test_who_hears_and_in_what_groups_changes_nothing(
    tiny_recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [write(f"{number}.wav", sounds.clip("yes", number)[: 16_000 - 99 * number]) for number in range(37)]
    names.insert(5, write("long.wav", sounds.stream(["no", "up", "yes"])[0]))
    names.insert(20, "missing.wav")
    whole = classify_files(Job(tiny_recognizer), names)
    assert [heard.path for heard in whole] == names
    for size in (7, 64):
        monkeypatch.setattr(classify, "GROUP_FILES", size)
        assert [len(group.files) for group in grouped(names)] == [size] * (39 // size) + [39 % size] * bool(39 % size)
        with classifying(tiny_recognizer, iter(names), workers=3) as groups:
            assert [heard for group in groups for heard in group] == whole
    monkeypatch.setattr(classify, "GROUP_FILES", 3)
    monkeypatch.setattr(classify, "FEW_GROUPS", 2)
    with classifying(tiny_recognizer, iter(names), workers=2) as groups:
        assert [heard for group in groups for heard in group] == whole


def test_a_large_file_ends_its_group() -> None:
    for name, size in (("a", 10), ("b", classify.GROUP_BYTES), ("c", 10)):
        with Path(name).open("wb") as file:
            file.truncate(size)
    assert [group.files for group in grouped(["a", "b", "c", "missing"])] == [("a", "b"), ("c", "missing")]


def test_no_more_files_are_taken_than_are_in_work(tiny_recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classify, "GROUP_FILES", 1)
    taken = 0

    def archive() -> Iterator[str]:
        nonlocal taken
        while True:
            taken += 1
            yield "missing.wav"

    for workers in (1, 2):
        with classifying(tiny_recognizer, archive(), workers) as groups:
            before = taken
            for _ in range(50):
                next(groups)
            assert taken <= before + 50 + 16
