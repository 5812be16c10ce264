"""A batch that is killed at any time is resumed without a row lost or doubled, and with the same bytes."""

import contextlib
import csv
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import soundfile

import sounds
from cases import case
from command_line import Result
from sayso.batch import classify, journal
from sayso.batch.classify import FileResult
from sayso.batch.journal import Journal, is_whole
from sayso.model.model_file import load
from sayso.recognition.recognizer import Recognizer

# Runs `sayso` and kills it in the middle of the write of rows whose number is the first argument.
KILLED = """
import os, signal, sys
from sayso.batch import classify, journal
classify.GROUP_FILES, classify.FEW_GROUPS, journal.SAVE_SECONDS = 3, 2, 0.0
original = journal.Journal.write
def write(self, text, results=()):
    global left
    left -= 1
    if left == 0:
        self._file.write(text.encode()[:-20])
        self._file.flush()
        os.kill(os.getpid(), signal.SIGKILL)
    original(self, text, results)
if __name__ == "__main__":
    left = int(sys.argv.pop(1))
    journal.Journal.write = write
    from sayso.cli.main import main
    main()
"""


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of clips, a long file with several words, and a broken file."""
    monkeypatch.chdir(tmp_path)
    folder = Path("archive")
    folder.mkdir()
    for number in range(20):
        soundfile.write(folder / f"{number:02}.wav", sounds.clip("yes", number), sounds.RATE)
    soundfile.write(folder / "05 long.wav", sounds.stream(["no", "up", "yes", "no"])[0], sounds.RATE)
    (folder / "11 broken.wav").write_text("no sound")
    return folder


@pytest.fixture
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classify, "GROUP_FILES", 3)
    monkeypatch.setattr(journal, "SAVE_SECONDS", 0.0)


@pytest.mark.usefixtures("small_groups")
@pytest.mark.skipif(sys.platform == "win32", reason="no such signal")
def test_a_batch_killed_repeatedly_ends_with_the_same_bytes(
    archive: Path, tiny_model_path: Path, sayso: Callable[..., Result]
) -> None:
    sayso("classify", archive, "-m", tiny_model_path, "-o", "whole.csv", "--sort-into", "whole", "--textgrid", "grids")
    Path("killed.py").write_text(KILLED)
    options = ["-m", tiny_model_path, "-o", "rows.csv", "--sort-into", "sorted", "--textgrid", "again", "--resume"]
    for killed_at, workers in ((1, 1), (3, 2), (4, 1), (99, 2)):
        command = [sys.executable, "killed.py", killed_at, "classify", archive, *options, "--workers", workers]
        # Worker processes hold the pipes too, so they have ended when this returns.
        run = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=60)
        assert run.returncode == (1 if killed_at == 99 else -9), run.stderr
        assert Path("rows.csv").exists() == (killed_at == 99)
        assert Path("rows.csv.part").exists() == (killed_at != 99)
    assert "resuming after 15 files" in run.stderr
    assert "22 files" in run.stderr
    assert "1 error" in run.stderr
    assert Path("rows.csv").read_bytes() == Path("whole.csv").read_bytes()
    assert not list(Path().glob("rows.csv.*"))
    for mine, other in (("sorted", "whole"), ("again", "grids")):
        names = [sorted(str(file.relative_to(folder)) for file in Path(folder).rglob("*")) for folder in (mine, other)]
        assert names[0] == names[1]
        assert len(names[0])
    with Path("rows.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["path"] for row in rows if " " not in row["path"]] == [str(archive / f"{i:02}.wav") for i in range(20)]
    assert [row["label"] for row in rows if "long" in row["path"]] == ["no", "up", "yes", "no"]


class StoppedError(Exception):
    pass


@pytest.mark.parametrize("style", ["table", "csv", "jsonl", "parquet"])
@pytest.mark.usefixtures("small_groups")
def test_every_format_can_be_resumed(
    style: str, archive: Path, tiny_model_path: Path, sayso: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    if style == "parquet":
        pytest.importorskip("pyarrow")
    command = ["classify", archive, "-m", tiny_model_path, "--format", style]
    sayso(*command, "-o", "whole")
    write, left = Journal.write, 3

    def stops(self: Journal, *arguments: object) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise KeyboardInterrupt
        write(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Journal, "write", stops)
    stopped = sayso(*command, "-o", "rows")
    assert stopped.status == 1
    assert "--resume continues" in stopped.err
    assert not Path("rows").exists()
    result = sayso(*command, "-o", "rows", "--resume")
    assert "resuming after 6 files" in result.err
    if style == "parquet":
        from pyarrow import parquet

        assert parquet.read_table("rows").to_pylist() == parquet.read_table("whole").to_pylist()
        assert parquet.read_table("rows").num_rows == 25
    else:
        assert Path("rows").read_bytes() == Path("whole").read_bytes()
        assert len(Path("rows").read_text().splitlines()) == 25 + (style in ("table", "csv"))


def test_a_resumed_batch_scores_every_file_in_the_same_group(
    archive: Path, tiny_model_path: Path, sayso: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Groups of 3 and of 4 files, as some end by their size.
    monkeypatch.setattr(classify, "GROUP_FILES", 4)
    monkeypatch.setattr(classify, "GROUP_BYTES", 90_000)
    classify_files, write = classify.classify_files, Journal.write
    groups: list[tuple[str, ...]] = []
    results: dict[str, FileResult] = {}
    writes_left = 0

    def recorded(job: classify.Job, files: Sequence[str]) -> list[FileResult]:
        found = classify_files(job, files)
        groups.append(tuple(files))
        results.update(zip(files, found, strict=True))
        return found

    def stopping(self: Journal, text: str, results: Sequence[FileResult] = ()) -> None:
        nonlocal writes_left
        writes_left -= 1
        if writes_left == 0:
            raise KeyboardInterrupt
        write(self, text, results)

    monkeypatch.setattr(classify, "classify_files", recorded)
    monkeypatch.setattr(Journal, "write", stopping)
    command = ["classify", archive, "-m", tiny_model_path, "--workers", 1, "-o"]
    sayso(*command, "whole.csv")
    whole, expected = list(groups), dict(results)
    assert {len(group) for group in whole} >= {3, 4}
    for done in range(1, len(whole)):
        with case(f"stopped after {done} groups"):
            writes_left = done + 1
            assert sayso(*command, "rows.csv").status == 1
            groups.clear()
            assert "resuming after" in sayso(*command, "rows.csv", "--resume").err
            assert groups == whole[done:]
            # To the last bit, not only to the digits that rows show.
            assert results == expected
            assert Path("rows.csv").read_bytes() == Path("whole.csv").read_bytes()
            Path("rows.csv").unlink()


@pytest.mark.usefixtures("small_groups")
def test_only_the_same_batch_is_resumed(archive: Path, tiny_model_path: Path) -> None:
    def stop() -> None:
        with contextlib.suppress(StoppedError), Journal(Path("rows.csv"), identity) as begun:
            begun.write("a line\n", classify.classify_files(job, files[:3]))
            raise StoppedError

    job = classify.Job(Recognizer(load(tiny_model_path)))
    files = sorted(map(str, archive.iterdir()))
    identity = {"model": "this"}
    stop()
    with pytest.raises(Exception, match="begun with another model; use the same, or start afresh without --resume"):
        Journal(Path("rows.csv"), {"model": "that"}, resume=True)
    other = Journal(Path("rows.csv"), identity, resume=True)
    with pytest.raises(Exception, match="begun with other files: the first 3 are not the same"), other:
        other.left(iter(files[1:]))
    with Path("rows.csv.part").open("a") as part:
        part.write("rows after the last save, longer than the rest of the file\n" * 10)
    with Journal(Path("rows.csv"), identity, resume=True) as same:
        assert list(same.left(iter(files))) == files[3:]
        same.write("another\n", [])
    assert Path("rows.csv").read_text() == "a line\nanother\n"
    assert is_whole(Path("rows.csv"))
    stop()
    assert not is_whole(Path("rows.csv"))
    Path("rows.csv.part").write_text("a")
    with pytest.raises(Exception, match="is shorter than it was; start afresh"):
        Journal(Path("rows.csv"), identity, resume=True)
    good = {"identity": identity, "length": 1, "digest": "", "tally": {"files": 3}}
    for change in (
        "{", "[" * 100_000, "9" * 5_000, "null", '"\xff"', {"identity": [1]}, {"length": -1}, {"length": "1"},
        {"length": None}, {"tally": {"files": 10**400, "seconds": 10**400}}, {"tally": {"files": "x"}},
        {"tally": {"files": -1}}, {"tally": {"more": 1}}, {"tally": None},
    ):  # fmt: skip
        text = change if isinstance(change, str) else json.dumps(good | change)
        Path("rows.csv.resume.json").write_text(text, "latin-1")
        with case(text[:60]), pytest.raises(Exception, match="is damaged; start afresh"):
            Journal(Path("rows.csv"), identity, resume=True)
    # A new batch ignores all that, and deletes the old state, which would be wrong after a kill.
    with Journal(Path("rows.csv"), identity) as afresh:
        assert not Path("rows.csv.resume.json").exists()
        afresh.write("afresh\n")
    assert Path("rows.csv").read_text() == "afresh\n"


def test_a_batch_that_fails_before_the_first_row_leaves_no_file(tmp_path: Path) -> None:
    with contextlib.suppress(StoppedError), Journal(tmp_path / "rows.csv", {}):
        raise StoppedError
    assert list(tmp_path.iterdir()) == []


def test_an_empty_list_gives_a_header(sayso: Callable[..., Result], tiny_model_path: Path, tmp_path: Path) -> None:
    (tmp_path / "list").touch()
    result = sayso("classify", "--files-from", tmp_path / "list", "-m", tiny_model_path, "-o", tmp_path / "rows.csv")
    assert result.status == 0
    assert (tmp_path / "rows.csv").read_text().splitlines() == ["path,label,confidence,start,end,runners_up,error"]


def test_resuming_a_complete_batch_changes_nothing(
    sayso: Callable[..., Result], archive: Path, tiny_model_path: Path, tmp_path: Path
) -> None:
    command = ("classify", archive, "-m", tiny_model_path, "-o", tmp_path / "rows.csv")
    sayso(*command)
    rows = (tmp_path / "rows.csv").read_bytes()
    again = sayso(*command, "--resume")
    assert again.status == 0
    assert "is complete, there is nothing to resume" in again.err
    assert (tmp_path / "rows.csv").read_bytes() == rows
