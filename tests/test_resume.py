"""A batch that is killed at any time is resumed without a row lost or doubled, and with the same bytes."""

import csv
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from batches import make_archive, stop_at
from cases import case
from command_line import Result
from sayso.batch import classify, journal
from sayso.batch.classify import FileResult
from sayso.batch.journal import Journal

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
    monkeypatch.chdir(tmp_path)
    return make_archive()


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
    assert [row["path"] for row in rows if " " not in row["path"]] == [
        *(str(archive / f"{number:02}.wav") for number in range(19)), str(archive / "9.wav"),
    ]  # fmt: skip
    assert [row["label"] for row in rows if "long" in row["path"]] == ["no", "up", "yes", "no"]


@pytest.mark.parametrize("style", ["table", "csv", "jsonl", "parquet"])
@pytest.mark.usefixtures("small_groups")
def test_every_format_can_be_resumed(
    style: str, archive: Path, tiny_model_path: Path, sayso: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    if style == "parquet":
        pytest.importorskip("pyarrow")
    command = ["classify", archive, "-m", tiny_model_path, "--format", style]
    sayso(*command, "-o", "whole")
    monkeypatch.setattr(Journal, "write", stop_at(3))
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


# In a process that has loaded everything, forks a child for each kill, which is killed at the given number of steps:
# calls that open, rename, link, delete, lock or flush a file, or make a folder, and the middle of a write.
FORKED = """
import os, signal, sys
from pathlib import Path
from sayso.batch import classify, journal, side_file
from sayso.cli.main import main
from sayso.recognition import recognizer

classify.GROUP_FILES, journal.SAVE_SECONDS = 3, 0.0
kills, suffix, model = int(sys.argv[1]), sys.argv[2], sys.argv[3]
COMMAND = ["sayso", "classify", "archive", "-m", model, "--workers", "1", "--sort-into", "archive/sorted", "--audacity",
           "labels"]
STEPS = {"open", "os.rename", "os.link", "os.remove", "os.mkdir", "os.truncate", "fcntl.flock", "tempfile.mkstemp"}
left = 0

def step(event, arguments=()):
    global left
    if event in STEPS:
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

write_all = side_file.write_all

def write_halves(file, content):
    step("open")
    write_all(file, content[:len(content) // 2])
    step("open")
    write_all(file, content[len(content) // 2:])

side_file.write_all = journal.write_all = write_halves

def child(output, *options, kill=0):
    if process := os.fork():
        return os.waitpid(process, 0)[1]
    global left
    left = kill
    sys.argv = [*COMMAND, "-o", output, *options]
    sys.stderr = open(output + ".log", "w")
    fsync = os.fsync
    def flushed(handle):
        step("open")
        fsync(handle)
        step("open")
    os.fsync = flushed
    sys.addaudithook(step)
    try:
        main()
    finally:
        if not kill:
            Path(output + ".steps").write_text(str(-left))
        sys.stderr.flush()
        os._exit(0)

# Here, so that everything is loaded.
sys.argv = [*COMMAND, "-o", "warm" + suffix]
main()
child("whole" + suffix)
steps = int(Path("whole" + suffix + ".steps").read_text())
whole = Path("whole" + suffix).read_bytes()
print(steps, "steps")
# Evenly from the first step to the last, or the last ones, in which the output gets its name.
evenly = [1 + round(number * (steps - 1) / (kills - 1)) for number in range(kills)]
for number, place in enumerate(evenly if suffix == ".csv" else range(steps - kills + 1, steps + 1)):
    for path in Path().glob("rows" + suffix + "*"):
        path.unlink()
    # With an older output, which the batch may replace.
    older = number % 2
    if older:
        Path("rows" + suffix).write_text("older")
    assert child("rows" + suffix, *(["--overwrite"] if older else []), kill=place) == signal.SIGKILL, place
    # A finished file is there from before, or complete, or not there.
    if Path("rows" + suffix).exists():
        assert Path("rows" + suffix).read_bytes() in ([b"older"] if older else []) + [whole], place
    assert child("rows" + suffix, "--resume", *(["--overwrite"] if older else [])) == 0
    log = Path("rows" + suffix + ".log").read_text()
    assert Path("rows" + suffix).read_bytes() == whole, (place, log)
    assert "error:" not in log and "Traceback" not in log, (place, log)
print("done")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_batch_killed_at_any_step_is_resumed_with_success(archive: Path, tiny_model_path: Path) -> None:
    Path("forked.py").write_text(FORKED)
    for path in archive.glob("1*.wav"):
        path.unlink()
    for kills, suffix in ((20, ".csv"), (7, ".parquet"), (4, ".table")):
        if suffix == ".parquet":
            pytest.importorskip("pyarrow")
        with case(suffix):
            command = [sys.executable, "forked.py", str(kills), suffix, str(tiny_model_path)]
            run = subprocess.run(command, capture_output=True, text=True, timeout=120)
            assert run.returncode == 0, run.stdout + run.stderr
            assert run.stdout.endswith("done\n")
