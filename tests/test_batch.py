"""Batches: every file gets its rows whatever is in it, and the same ones however the work is shared."""

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile

import sounds
from cases import case
from sayso.batch import classify
from sayso.batch.classify import FileResult, Job, Row, classify_files, classifying, grouped
from sayso.recognition.recognizer import Recognizer


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(name: str, samples: np.ndarray, rate: int = sounds.RATE) -> str:
    soundfile.write(name, samples, rate)
    return name


def rows(recognizer: Recognizer, *names: str) -> list[Row]:
    return [row for result in classify_files(Job(recognizer), names) for row in result.rows()]


def labels(recognizer: Recognizer, *names: str) -> list[str]:
    return [row.detection.label for row in rows(recognizer, *names) if row.detection]


def test_a_clip_gives_one_row(tiny_recognizer: Recognizer) -> None:
    name = write("clip.wav", sounds.clip("no"))
    (row,) = rows(tiny_recognizer, name)
    alone = tiny_recognizer.classify(name)
    assert row.detection
    assert (row.path, row.detection.label, row.error) == (name, alone.label, "")
    assert row.detection.confidence == pytest.approx(alone.confidence, abs=1e-5)


def test_words_are_sought_in_files_longer_than_two_seconds(tiny_recognizer: Recognizer) -> None:
    long, _ = sounds.stream(["no", "yes"], gap=0.3)
    long[: sounds.RATE // 2] *= 0.5
    for samples, expected in ((0, ["yes"]), (1, ["no", "yes"])):
        file = np.zeros(2 * sounds.RATE + samples, np.float32)
        file[: len(long)] = long
        assert labels(tiny_recognizer, write("x.wav", file)) == expected, f"{samples} samples more than 2 s"


def test_a_long_file_gives_a_row_for_each_word(tiny_recognizer: Recognizer) -> None:
    samples, _ = sounds.stream(["no", "up", "zero", "no"])
    name = write("long.wav", samples)
    found = rows(tiny_recognizer, name)
    assert [row.detection.label for row in found if row.detection] == ["no", "up", "no"]
    assert {(row.path, row.error) for row in found} == {(name, "")}


def test_a_long_file_without_a_word_gives_one_empty_row(tiny_recognizer: Recognizer) -> None:
    name = write("quiet.wav", np.zeros(3 * sounds.RATE))
    assert rows(tiny_recognizer, name) == [Row(name)]


def test_a_long_file_with_another_sample_rate_is_resampled(tiny_recognizer: Recognizer) -> None:
    clips = [sounds.clip(word, rate=44_100) for word in ("up", "yes", "no")]
    gap = np.zeros(30_000, np.float32)
    name = write("long.wav", np.concatenate([part for clip in clips for part in (gap, clip, gap)]), 44_100)
    assert labels(tiny_recognizer, name) == ["up", "yes", "no"]


def test_bad_files_get_their_rows_and_stop_nothing(tiny_recognizer: Recognizer) -> None:
    first, last = write("first.wav", sounds.clip("yes")), write("last.wav", sounds.clip("up"))
    Path("text.wav").write_text("this is no sound")
    Path("empty.wav").touch()
    Path("folder").mkdir()
    found = rows(tiny_recognizer, first, "text.wav", "missing.wav", "empty.wav", "folder", last)
    assert [row.path for row in found] == [first, "text.wav", "missing.wav", "empty.wav", "folder", last]
    assert [row.detection.label if row.detection else None for row in found] == ["yes", *[None] * 4, "up"]
    for row, reason in zip(
        found[1:5], ("not a sound file", "No such file", "0 bytes", "no sound file in"), strict=True
    ):
        assert reason in row.error
        assert row.path in row.error
    assert found[0].error == found[-1].error == ""


def test_words_before_the_damaged_part_of_a_file_are_reported(tiny_recognizer: Recognizer) -> None:
    samples, _ = sounds.stream(["yes", "no", "up"] * 4, gap=1.0)
    write("whole.flac", samples)
    content = bytearray(Path("whole.flac").read_bytes())
    content[len(content) // 2 :] = bytes(len(content) - len(content) // 2)
    Path("damaged.flac").write_bytes(content)
    *words, last = rows(tiny_recognizer, "damaged.flac")
    assert [row.detection.label for row in words if row.detection][:3] == ["yes", "no", "up"]
    assert "truncated or damaged" in last.error


@pytest.mark.skipif(os.name == "nt", reason="such names are not possible")
def test_file_names_need_not_be_valid_text(tiny_recognizer: Recognizer) -> None:
    source = write("clip.wav", sounds.clip("yes"))
    Path("in").mkdir()
    name = os.fsdecode(b"in/\xff.wav")
    try:
        shutil.copy(source, name)
    except OSError:
        pytest.skip("this file system takes only valid text")
    (row,) = rows(tiny_recognizer, name)
    assert row.detection is not None


@pytest.fixture
def archive() -> list[str]:
    """Clips of several lengths, a long file among them, and one that is missing."""
    names = [write(f"{number}.wav", sounds.clip("yes", number)[: 16_000 - 99 * number]) for number in range(37)]
    names.insert(5, write("long.wav", sounds.stream(["no", "up", "yes"])[0]))
    names.insert(20, "missing.wav")
    return names


def check_equal_but_for_rounding(results: Sequence[FileResult], expected: Sequence[FileResult]) -> None:
    for result, other in zip(results, expected, strict=True):
        assert (result.path, result.seconds, result.error) == (other.path, other.seconds, other.error)
        for found, wanted in zip(result.detections, other.detections, strict=True):
            assert (found.label, found.start, found.end) == (wanted.label, wanted.start, wanted.end)
            assert found.confidence == pytest.approx(wanted.confidence, abs=1e-5)
            shares = [[share for _, share in each.runners_up] for each in (found, wanted)]
            assert shares[0] == pytest.approx(shares[1], abs=1e-5)


def test_workers_change_no_bit_and_groups_only_the_last_bits(
    archive: list[str], tiny_recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = classify_files(Job(tiny_recognizer), archive)
    assert [result.path for result in whole] == archive
    for size in (64, 7, 3):
        monkeypatch.setattr(classify, "GROUP_FILES", size)
        monkeypatch.setattr(classify, "FEW_GROUPS", 2)
        with case(f"groups of {size}"):
            groups = [group.files for group in grouped(archive)]
            assert [len(files) for files in groups] == [size] * (39 // size) + [39 % size] * bool(39 % size)
            alone = [result for files in groups for result in classify_files(Job(tiny_recognizer), files)]
            check_equal_but_for_rounding(alone, whole)
            # A long file is on its own in any group.
            assert alone[5] == whole[5]
            for workers in (1, 3):
                with classifying(tiny_recognizer, iter(archive), workers) as results:
                    assert [result for group in results for result in group] == alone, f"{workers} workers"


def test_grouping_the_rest_of_a_list_gives_the_groups_that_are_left(
    archive: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Some groups end by their number of files, others by their size.
    monkeypatch.setattr(classify, "GROUP_FILES", 4)
    monkeypatch.setattr(classify, "GROUP_BYTES", 100_000)
    groups = list(grouped(archive))
    assert {len(group.files) for group in groups} == {1, 2, 4}
    done = 0
    for number, group in enumerate(groups):
        assert list(grouped(archive[done:])) == groups[number:], f"after {done} files"
        done += len(group.files)
    assert done == len(archive)


def test_a_large_file_ends_its_group() -> None:
    for name, size in (("a", 10), ("b", classify.GROUP_BYTES - 10), ("c", 10)):
        with Path(name).open("wb") as file:
            file.truncate(size)
    assert [group.files for group in grouped(["a", "b", "c", "missing"])] == [("a", "b"), ("c", "missing")]


def test_files_are_taken_only_as_workers_need_them(
    tiny_recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(classify, "GROUP_FILES", 1)
    taken = 0

    def endless() -> Iterator[str]:
        nonlocal taken
        while True:
            taken += 1
            yield "missing.wav"

    for workers in (1, 2):
        with case(workers, "workers"), classifying(tiny_recognizer, endless(), workers) as groups:
            before = taken
            for _ in range(50):
                next(groups)
            assert taken <= before + 50 + 16
