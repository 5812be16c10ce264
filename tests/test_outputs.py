"""Rows and labels as other programs read them, and files by word."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

import sounds
from command_line import Result
from sayso.batch.annotations import annotate, audacity_labels, text_grid
from sayso.batch.classify import FileResult
from sayso.batch.sorting import base_name, sort_into
from sayso.errors import StorageError
from sayso.recognition.decision import Detection

LONG = FileResult(
    "long.wav",
    (Detection("yes", 0.9, 0.0, 1.0), Detection('"no"', 0.8, 0.75, 1.75), Detection("up", 0.7, 4.5, 5.5)),
    seconds=5.25,
)


def test_labels_for_audacity() -> None:
    assert audacity_labels(LONG) == '0.000\t1.000\tyes\n0.750\t1.750\t"no"\n4.500\t5.500\tup\n'


def test_a_text_grid_fills_the_time_without_gap_or_overlap() -> None:
    text = text_grid(LONG)
    assert text.startswith('File type = "ooTextFile"\nObject class = "TextGrid"\n\nxmin = 0\nxmax = 5.250000\n')
    values = [line.split(" = ") for line in text.splitlines() if line.startswith("            ")]
    starts, ends, words = ([value for name, value in values if name.strip() == key] for key in ("xmin", "xmax", "text"))
    assert words == ['"yes"', '"""no"""', '""', '"up"']
    assert starts == ["0.000000", *ends[:-1]]
    assert ends == ["0.750000", "1.750000", "4.500000", "5.250000"]
    assert f"intervals: size = {len(words)}" in text
    assert 'text = ""' in text_grid(FileResult("quiet.wav", seconds=3.0))


def test_files_are_sorted_and_none_replaced(tmp_path: Path) -> None:
    first, second, third = (tmp_path / name for name in ("a/x.wav", "b/x.wav", "c/x.wav"))
    for content, path in enumerate((first, second, third)):
        path.parent.mkdir()
        path.write_bytes(bytes([content]))
    shelf = tmp_path / "sorted"
    places = [sort_into(shelf, "yes", str(path), copy) for path, copy in ((first, 0), (second, 0), (third, 1))]
    assert [place.name for place in places] == ["x.wav", "x (2).wav", "x (3).wav"]
    assert [place.read_bytes() for place in places] == [b"\0", b"\1", b"\2"]
    assert [place.samefile(path) for place, path in zip(places, (first, second, third), strict=True)] == [1, 1, 0]
    # Again, as after an interruption.
    assert sort_into(shelf, "yes", str(second)) == places[1]
    assert sort_into(shelf, "yes", str(third), copy=True) == places[2]
    assert len(list(shelf.rglob("*.wav"))) == 3


@pytest.mark.parametrize("word", ["..", "../../up", "/etc", "a/b", ""])
def test_no_word_leads_out_of_the_folder(word: str, tmp_path: Path) -> None:
    source = tmp_path / "x.wav"
    source.touch()
    place = sort_into(tmp_path / "sorted", word, str(source))
    assert place.resolve().parent.parent == (tmp_path / "sorted").resolve()


def test_where_nothing_can_be_put_it_is_said(tmp_path: Path) -> None:
    (tmp_path / "x.wav").touch()
    with pytest.raises(StorageError, match=r"cannot sort .*x.wav into .*: Not a directory; choose another place"):
        sort_into(tmp_path / "x.wav", "yes", str(tmp_path / "x.wav"))


def test_labels_never_replace_others(tmp_path: Path) -> None:
    names = [annotate(tmp_path, f"{folder}/x.y.wav", ".txt", text).name for folder, text in ("a1", "b2", "a1")]
    assert names == ["x.y.txt", "x.y (2).txt", "x.y.txt"]
    assert (tmp_path / "x.y (2).txt").read_text() == "2"


def test_addresses_have_names_too() -> None:
    assert base_name("https://host/a/b%20c.wav?token=1/2") == "b c.wav"
    assert base_name("s3://bucket/..") == "sound"


def test_everything_at_once(
    sayso: Callable[..., Result], tiny_model_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    soundfile.write("yes.wav", sounds.clip("yes"), sounds.RATE)
    soundfile.write("long.wav", sounds.stream(["no", "up"])[0], sounds.RATE)
    soundfile.write("quiet.wav", np.zeros(3 * sounds.RATE), sounds.RATE)
    options = ["--sort-into", "by word", "--audacity", "labels", "--textgrid", "labels", "-o", "rows.jsonl"]
    result = sayso("classify", "yes.wav", "long.wav", "quiet.wav", "-m", tiny_model_path, *options)
    assert result.status == 0, result
    assert result.err.startswith("3 files, 0.00 h of sound: 3 words, 0 errors; ")
    rows = [json.loads(line) for line in Path("rows.jsonl").read_text().splitlines()]
    assert [row["label"] for row in rows] == ["yes", "no", "up", None]
    found = sorted(str(path.relative_to("by word")) for path in Path("by word").rglob("*.wav"))
    assert found == ["no/long.wav", "up/long.wav", "yes/yes.wav"]
    names = sorted(path.name for path in Path("labels").iterdir())
    assert names == ["long.TextGrid", "long.txt", "quiet.TextGrid", "quiet.txt"]
    assert [line.split("\t")[2] for line in Path("labels/long.txt").read_text().splitlines()] == ["no", "up"]
    # A confidence that nothing reaches leaves rows without words.
    high = max(row["confidence"] or 0 for row in rows[1:]) + 0.001
    unsure = sayso("classify", "long.wav", "-m", tiny_model_path, "--min-confidence", high, "--format", "jsonl")
    assert [json.loads(line)["label"] for line in unsure.out.splitlines()] == [None]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give a PATH, or a list with --files-from"),
        (["-", "a.wav"], "- means sound on standard input and must be the only PATH"),
        (["-", "--sort-into", "x"], "can neither be sorted nor sent to a scheduler"),
        (["a.wav", "--copy"], "--copy needs --sort-into"),
        (["a.wav", "--resume"], "--resume needs --output"),
        (["a.wav", "--format", "parquet"], "--format parquet needs --output"),
        (["a.wav", "--min-confidence", "2"], "0<=x<=1"),
    ],
)
def test_what_does_not_go_together(arguments: list[str], message: str, sayso: Callable[..., Result]) -> None:
    result = sayso("classify", *arguments)
    assert result.status == 2
    assert message in result.err.replace("\n", " ")
