"""Labels of long files as Audacity and Praat read them."""

import os
from pathlib import Path

import pytest

from sayso.batch.annotations import annotate, audacity_labels, text_grid
from sayso.batch.classify import FileResult
from sayso.errors import StorageError
from sayso.recognition.decision import Detection

LONG = FileResult(
    "long.wav",
    (Detection("yes", 0.9, 0.0, 1.0), Detection('"no"', 0.8, 0.75, 1.75), Detection("up", 0.7, 4.5, 5.5)),
    seconds=5.25,
)


def test_audacity_labels_are_lines_of_start_end_and_label() -> None:
    assert audacity_labels(LONG) == '0.000\t1.000\tyes\n0.750\t1.750\t"no"\n4.500\t5.500\tup\n'


def test_a_text_grid_covers_the_time_without_gap_or_overlap() -> None:
    text = text_grid(LONG)
    assert text.startswith('File type = "ooTextFile"\nObject class = "TextGrid"\n\nxmin = 0\nxmax = 5.250000\n')
    values = [line.split(" = ") for line in text.splitlines() if line.startswith("            ")]
    starts, ends, words = ([value for name, value in values if name.strip() == key] for key in ("xmin", "xmax", "text"))
    assert words == ['"yes"', '"""no"""', '""', '"up"']
    assert starts == ["0.000000", *ends[:-1]]
    assert ends == ["0.750000", "1.750000", "4.500000", "5.250000"]
    assert f"intervals: size = {len(words)}" in text
    assert 'text = ""' in text_grid(FileResult("quiet.wav", seconds=3.0))


def test_labels_never_replace_those_of_another_sound(tmp_path: Path) -> None:
    names = [annotate(tmp_path, f"{folder}/x.y.wav", ".txt", text).name for folder, text in ("a1", "b2", "a1")]
    assert names == ["x.y.txt", "x.y (2).txt", "x.y.txt"]
    assert (tmp_path / "x.y (2).txt").read_text() == "2"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs links and named pipes")
def test_labels_go_around_what_is_no_file_and_through_no_link(tmp_path: Path) -> None:
    (tmp_path / "x.txt").mkdir()
    (tmp_path / "x (2).txt").symlink_to(tmp_path / "missing")
    os.mkfifo(tmp_path / "x (3).txt")
    for _ in range(2):
        assert annotate(tmp_path, "x.wav", ".txt", "1").name == "x (4).txt"
    assert not (tmp_path / "missing").exists()
    with pytest.raises(StorageError, match=r"cannot write labels into .*; choose another folder"):
        annotate(tmp_path / "x (4).txt", "x.wav", ".txt", "1")
