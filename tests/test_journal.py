"""An output belongs to one batch: only that one resumes it, calls it complete or writes it."""

import contextlib
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from batches import make_archive, stop_at
from cases import case
from command_line import Result, one_line_error
from sayso.batch import classify, journal
from sayso.batch.journal import Journal
from sayso.batch.side_file import side_path
from sayso.errors import SaysoError
from sayso.model.model_file import load
from sayso.recognition.recognizer import Recognizer


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return make_archive()


@pytest.fixture
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classify, "GROUP_FILES", 3)
    monkeypatch.setattr(journal, "SAVE_SECONDS", 0.0)


class StoppedError(Exception):
    pass


@pytest.mark.usefixtures("small_groups")
def test_only_the_same_batch_is_resumed(archive: Path, tiny_model_path: Path) -> None:
    def stop(overwrite: bool = False) -> None:
        with contextlib.suppress(StoppedError), Journal(rows, identity, overwrite=overwrite) as begun:
            begun.write("a line\n", classify.classify_files(job, files[:3]))
            raise StoppedError

    def refuses(message: str, identity: dict[str, str], files: Sequence[str]) -> None:
        with pytest.raises(SaysoError, match=message), Journal(rows, identity, resume=True) as journal:
            journal.left(files)

    job = classify.Job(Recognizer(load(tiny_model_path)))
    files, rows, part = sorted(map(str, archive.iterdir())), Path("rows.csv"), Path("rows.csv.part")
    identity = {"model": "this"}
    stop()
    refuses("begun with another model; use the same, or start afresh without --resume$", {"model": "that"}, files)
    refuses("begun with other files: the first 3 are not the same", identity, files[1:])
    with part.open("a") as file:
        file.write("rows after the last save, longer than the rest of the file\n" * 10)
    with Journal(rows, identity, resume=True) as same:
        assert list(same.left(iter(files))) == files[3:]
        same.write("another\n", [])
    assert rows.read_text() == "a line\nanother\n"
    stop(overwrite=True)
    part.write_text("a")
    refuses("is shorter than it was; start afresh without --resume but with --overwrite", identity, files)
    part.unlink()
    refuses("part is missing; start afresh", identity, files)
    assert rows.read_text() == "a line\nanother\n"


@pytest.mark.usefixtures("small_groups")
def test_a_finished_output_is_complete_only_for_its_own_batch(
    archive: Path, tiny_model_path: Path, sayso: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Path("other")
    other.mkdir()
    for number in range(6):
        (archive / f"{number:02}.wav").rename(other / f"{number}.wav")
    first = ("classify", archive, "-m", tiny_model_path, "-o", "rows.csv")
    second = ("classify", other, "-m", tiny_model_path, "-o", "rows.csv")
    sayso(*first)
    expected = Path("rows.csv").read_bytes()
    assert "is complete, there is nothing to resume" in sayso(*first, "--resume").err
    for arguments, message in (
        (second, "rows.csv exists; --overwrite replaces it, or choose another --output"),
        ((*second, "--resume"), "rows.csv was begun with other files"),
        ((*first, "--min-confidence", "0.5", "--resume"), "the output of a batch with another minimum confidence"),
        ((*first, "--sort-into", "x", "--resume"), "the output of a batch with another --sort-into folder"),
    ):
        with case(arguments):
            assert message in one_line_error(sayso(*arguments))
            assert Path("rows.csv").read_bytes() == expected
    with monkeypatch.context() as elsewhere:
        # The same names in another place.
        Path("place").mkdir()
        archive.rename("place/archive")
        elsewhere.chdir("place")
        moved = ("classify", archive, "-m", tiny_model_path, "-o", "../rows.csv", "--resume")
        assert "begun with other files" in one_line_error(sayso(*moved))
    Path("place/archive").rename(archive)
    # Another batch in its place that is stopped before, or after, its first row.
    for writes in (1, 2):
        with monkeypatch.context() as stopping:
            stopping.setattr(Journal, "write", stop_at(writes))
            assert sayso(*second, "--overwrite").status == 1
        assert Path("rows.csv").read_bytes() == expected
        if writes == 1:
            assert "is complete" in sayso(*first, "--resume").err
            assert "begun with other files" in one_line_error(sayso(*second, "--resume"))
    assert "resuming after 3 files" in sayso(*second, "--resume").err
    assert Path("rows.csv").read_text().count("other") == 6
    # What nothing is known about, or was changed since, is no complete output either.
    for content in (b"by hand", b""):
        Path("rows.csv").write_bytes(content)
        assert "exists and was not written by this batch" in one_line_error(sayso(*second, "--resume"))
    assert Path("rows.csv").read_bytes() == b""
    assert sayso(*second, "--resume", "--overwrite").status == 0


def test_an_output_is_written_by_one_batch_at_a_time(
    archive: Path, tiny_model_path: Path, sayso: Callable[..., Result]
) -> None:
    command = ("classify", archive, "-m", tiny_model_path)
    message = "another sayso is writing rows.csv; wait until it has finished, or choose another --output"
    with Journal(Path("rows.csv"), {}) as running:
        running.write("first\n")
        for options in ([], ["--resume"], ["--overwrite"]):
            with case(options):
                assert message in one_line_error(sayso(*command, "-o", "rows.csv", *options))
        # By another name, and another output.
        Path("link").symlink_to(".")
        assert "another sayso" in one_line_error(sayso(*command, "-o", "link/rows.csv"))
        assert sayso(*command, "-o", "other.csv").status == 1
    assert Path("rows.csv").read_text() == "first\n"
    assert len(Path("other.csv").read_text().splitlines()) == 26


def test_an_output_that_appears_during_a_batch_is_kept(tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"

    def write() -> None:
        with Journal(rows, {}) as journal:
            journal.write("ours\n")
            rows.write_text("theirs\n")

    with pytest.raises(SaysoError, match=r"rows.csv exists; --overwrite replaces it"):
        write()
    assert rows.read_text() == "theirs\n"
    rows.unlink()
    with Journal(rows, {}, resume=True):
        pass
    assert rows.read_text() == "ours\n"


def test_links_at_the_names_beside_an_output_lead_nowhere(tmp_path: Path) -> None:
    rows, mine = tmp_path / "rows.csv", tmp_path / "mine"
    mine.write_text("mine")
    for path in (rows.with_name("rows.csv.part"), side_path(rows)):
        with case(path.name):
            path.unlink(missing_ok=True)
            path.symlink_to(mine)
            with contextlib.suppress(SaysoError), Journal(rows, {}) as journal:
                journal.write("a line\n")
            with contextlib.suppress(SaysoError), Journal(rows, {}, resume=True):
                pass
            assert mine.read_text() == "mine"


def test_a_damaged_side_file_is_told_in_one_line(
    archive: Path, tiny_model_path: Path, sayso: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ("classify", archive, "-m", tiny_model_path, "-o", "rows.csv", "--workers", "1")
    monkeypatch.setattr(classify, "GROUP_FILES", 3)
    side = side_path(Path("rows.csv"))

    def signed(content: str) -> bytes:
        return hashlib.sha256(content.encode()).hexdigest()[:16].encode() + b" " + content.encode() + b"\n"

    numbers = '{"number": 1, "identity": {}, "length": %s, "digest": "", "tally": {"files": %s, "seconds": %s}}'
    good = numbers % ("1", "1", "0")
    for content in (
        b"0123456789abcdef " + good.encode() + b"\n", signed(good).rstrip(), b"",
        b"\0" * 200_000, b"\xff\xfe", signed("{"), signed("[" * 20_000), signed("null"), signed("9" * 5_000),
        signed(numbers % ("-1", "1", "0")), signed(numbers % ("1", "1" + "0" * 400, "0")),
        signed(numbers % ("1", "1", "NaN")), signed(numbers % ("1", '"a"', "0")),
    ):  # fmt: skip
        with case(content[:40]):
            with monkeypatch.context() as stopping:
                stopping.setattr(Journal, "write", stop_at(2))
                sayso(*command)
            side.write_bytes(content)
            line = one_line_error(sayso(*command, "--resume"))
            assert ".rows.csv.batch is missing or damaged; start afresh without --resume" in line
    assert sayso(*command).status == 1
    assert len(Path("rows.csv").read_text().splitlines()) == 26


def test_a_batch_that_fails_before_the_first_row_leaves_no_file(tmp_path: Path) -> None:
    with contextlib.suppress(StoppedError), Journal(tmp_path / "rows.csv", {}):
        raise StoppedError
    assert list(tmp_path.iterdir()) == []


def test_an_empty_list_gives_a_header(sayso: Callable[..., Result], tiny_model_path: Path, tmp_path: Path) -> None:
    (tmp_path / "list").touch()
    result = sayso("classify", "--files-from", tmp_path / "list", "-m", tiny_model_path, "-o", tmp_path / "rows.csv")
    assert result.status == 0
    assert (tmp_path / "rows.csv").read_text().splitlines() == ["path,label,confidence,start,end,runners_up,error"]
