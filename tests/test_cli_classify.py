"""`sayso classify`: rows in every format, labels, sorted files, and options that exclude each other."""

import csv
import importlib.util
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

import sounds
from cases import case
from command_line import Result, one_line_error, some_clip
from sayso.batch.classify import Row
from sayso.batch.rows import csv_line
from sayso.cli.classify import STYLES
from sayso.corpus.corpus import scan
from sayso.recognition.decision import Detection


def test_formats_agree(sayso: Callable[..., Result], tiny_corpus: Path, tiny_model_path: Path, tmp_path: Path) -> None:
    files = [clip.path for clip in scan(tiny_corpus).by_split("testing")[:5]]
    lines = sayso("classify", *files, "-m", tiny_model_path, "--format", "jsonl").out.splitlines()
    rows = list(csv.DictReader(io.StringIO(sayso("classify", *files, "-m", tiny_model_path, "--format", "csv").out)))
    table = sayso("classify", *files, "-m", tiny_model_path).out.splitlines()
    assert len(lines) == len(rows) == len(table) - 1 == 5
    for line, row, text, file in zip(map(json.loads, lines), rows, table[1:], files, strict=True):
        assert line["path"] == row["path"] == str(file)
        assert line["label"] == row["label"]
        assert float(row["confidence"]) == line["confidence"]
        assert text.split()[:2] == [str(file), line["label"]]
    saved = tmp_path / "rows.csv"
    quiet = sayso("classify", *files, "-m", tiny_model_path, "--format", "csv", "-o", saved)
    assert quiet.out == ""
    assert list(csv.DictReader(saved.open(newline=""))) == rows


def test_a_bad_file_gets_its_row_and_the_others_still_run(
    sayso: Callable[..., Result], tiny_corpus: Path, tiny_model_path: Path, tmp_path: Path
) -> None:
    good, bad = some_clip(tiny_corpus), tmp_path / "bad.wav"
    bad.write_bytes(b"this is no sound")
    result = sayso("classify", good, bad, tmp_path / "missing.wav", good, "-m", tiny_model_path, "--format", "jsonl")
    rows = [json.loads(line) for line in result.out.splitlines()]
    assert result.status == 1
    assert [Path(row["path"]).name for row in rows] == [good.name, "bad.wav", "missing.wav"]  # each file once
    assert rows[0]["error"] is None
    assert "bad.wav is not a sound file" in rows[1]["error"]
    assert "missing.wav" in rows[2]["error"]
    assert rows[2]["label"] is None
    assert "Traceback" not in result.err


def test_a_long_file_gets_a_row_for_each_detection(
    sayso: Callable[..., Result], tiny_corpus: Path, tiny_model_path: Path, tmp_path: Path
) -> None:
    clip, rate = soundfile.read(some_clip(tiny_corpus), dtype="float32")
    hush = np.random.default_rng(0).normal(0, 1e-4, 2 * rate).astype(np.float32)
    soundfile.write(tmp_path / "long.wav", np.concatenate([hush, clip, hush, clip, hush]), rate)
    soundfile.write(tmp_path / "quiet.wav", np.concatenate([hush, hush]), rate)
    lines = sayso("classify", tmp_path / "long.wav", "-m", tiny_model_path, "--format", "jsonl").out.splitlines()
    rows = [json.loads(line) for line in lines]
    assert [row["label"] for row in rows] == [some_clip(tiny_corpus).parent.name] * 2
    assert rows[0]["start"] < 2.5 < rows[0]["end"]
    assert rows[1]["start"] < 5.5 < rows[1]["end"]
    (quiet,) = sayso("classify", tmp_path / "quiet.wav", "-m", tiny_model_path, "--format", "jsonl").out.splitlines()
    assert json.loads(quiet)["label"] is None


def test_rows_labels_and_sorted_files_are_written_at_once(
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
    # A minimum confidence that nothing reaches leaves a row without a label.
    high = max(row["confidence"] or 0 for row in rows[1:]) + 0.001
    unsure = sayso("classify", "long.wav", "-m", tiny_model_path, "--min-confidence", high, "--format", "jsonl")
    assert [json.loads(line)["label"] for line in unsure.out.splitlines()] == [None]


def test_csv_for_excel_is_marked_and_holds_no_formula(
    sayso: Callable[..., Result], tiny_model_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    formulas = ["=1+1.wav", "+a.wav", "-b.wav", "@SUM(1).wav", "＝c.wav", '=HYPERLINK("x","y").wav']  # noqa: RUF001
    plain = ["a=b.wav", "Grüße.wav", "'d.wav"]
    for name in formulas + plain:
        soundfile.write(name, sounds.clip("yes"), sounds.RATE)
    Path("=bad.wav").write_text("no sound")
    names = [*formulas, *plain, "=bad.wav"]
    Path("list").write_text("\n".join(names))
    command = ("classify", "--files-from", "list", "-m", tiny_model_path, "--format", "csv")
    sayso(*command, "--excel", "-o", "excel.csv")
    sayso(*command, "-o", "plain.csv")
    assert Path("excel.csv").read_bytes().startswith(b"\xef\xbb\xbfpath,label,")
    assert Path("plain.csv").read_bytes().startswith(b"path,label,")

    def paths(name: str, encoding: str) -> list[str]:
        text = Path(name).read_bytes().decode(encoding)
        return [row["path"] for row in csv.DictReader(io.StringIO(text, newline=""))]

    assert paths("excel.csv", "utf-8-sig") == [*(f"'{name}" for name in formulas), *plain, "'=bad.wav"]
    assert paths("plain.csv", "utf-8") == names
    # In every column of text, and never in a number.
    detection = Detection("=yes", 0.5, 0.0, 1.0, (("@no", 0.25),))
    assert csv_line(Row("a", detection), excel=True) == "a,'=yes,0.5,0.0,1.0,'@no=0.25,\r\n"
    assert csv_line(Row("-a", error="+b"), excel=True) == "'-a,,,,,,'+b\r\n"
    run = subprocess.run(
        [sys.executable, "-m", "sayso", *map(str, command), "--excel"],
        capture_output=True, env=os.environ | {"PYTHONIOENCODING": "ascii"}, check=False,
    )  # fmt: skip
    assert run.stdout == Path("excel.csv").read_bytes()
    assert "--excel is for CSV, but the format is jsonl" in sayso("classify", "a", "-o", "x.jsonl", "--excel").err


def test_a_folder_without_sound_is_told(
    sayso: Callable[..., Result], tiny_model_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    Path("texts/deeper").mkdir(parents=True)
    Path("texts/deeper/a.txt").write_text("text")
    for folder in ("empty", "texts", "./empty/"):
        result = sayso("classify", folder, "-m", tiny_model_path, "--format", "jsonl")
        assert result.status == 1
        error = json.loads(result.out)["error"]
        assert error.startswith(f"there is no sound file in the folder {folder} or below it; expected names such as")


def test_nothing_finished_is_overwritten_unless_asked(
    sayso: Callable[..., Result], tiny_corpus: Path, tiny_model_path: Path, tmp_path: Path
) -> None:
    if importlib.util.find_spec("pyarrow") is None:
        pytest.skip("needs pyarrow")
    for style in STYLES:
        output = tmp_path / f"rows.{style}"
        command = ("classify", some_clip(tiny_corpus), "-m", tiny_model_path, "--format", style, "-o", output)
        with case(style):
            output.write_text("precious")
            for options in ([], ["--resume"]):
                assert "--overwrite replaces it" in one_line_error(sayso(*command, *options))
                assert output.read_text() == "precious"
                assert [path.name for path in tmp_path.iterdir()] == [output.name]
            assert sayso(*command, "--overwrite").status == 0
            assert output.read_bytes() != b"precious"
            for path in tmp_path.iterdir():
                path.unlink()


def test_options_that_exclude_each_other_are_wrong_usage(sayso: Callable[..., Result]) -> None:
    cases: list[tuple[list[str], str]] = [
        ([], "give a PATH, or a list with --files-from"),
        (["-", "a.wav"], "- means sound on standard input and must be the only PATH"),
        (["-", "--sort-into", "x"], "can neither be sorted nor sent to a scheduler"),
        (["a.wav", "--copy"], "--copy needs --sort-into"),
        (["a.wav", "--resume"], "--resume needs --output"),
        (["a.wav", "--overwrite"], "--overwrite needs --output"),
        (["-", "-o", "x.csv", "--resume"], "standard input cannot be resumed"),
        (["a.wav", "--format", "parquet"], "--format parquet needs --output"),
        (["a.wav", "--min-confidence", "2"], "0<=x<=1"),
    ]
    for arguments, message in cases:
        with case(arguments):
            result = sayso("classify", *arguments)
            assert result.status == 2
            assert message in result.err.replace("\n", " ")
