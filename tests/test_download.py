"""Downloads from a real server: whatever breaks, what lies under the name of a data set is whole and right."""

import contextlib
import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from file_server import FileServer
from sayso.download import catalogue, download, http
from sayso.download.catalogue import DataSet
from sayso.errors import DownloadError, StorageError

NOISE = os.urandom(2_000_000)
FILES = {"yes/0a_nohash_0.wav": b"yes", "no/0a_nohash_0.wav": b"no", "_background_noise_/n.wav": NOISE}
ARCHIVE = "tiny.tar.gz"
PART = f"{ARCHIVE}.part"


def tar(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"./{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


TAR = tar(FILES)
OTHER = bytes(byte ^ 0xFF for byte in TAR)  # another file of the same size


def named(content: bytes, archive: str = ARCHIVE) -> DataSet:
    """Describe a data set that is fetched from this content."""
    return DataSet(
        "tiny",
        "a test",
        "http://nowhere.invalid",
        archive,
        len(content),
        hashlib.sha256(content).hexdigest(),
        3_000_000,
    )


TINY = named(TAR)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "PAUSES", (0.0,) * 3)
    for name in ("http_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def server() -> Iterator[FileServer]:
    files = FileServer()
    files.files[ARCHIVE] = TAR
    yield files
    files.stop()


class Report(NamedTuple):
    steps: list[tuple[str, int, int]]
    lines: list[str]


def get(server: FileServer | str, folder: Path, data_set: DataSet = TINY) -> Report:
    """Download into a folder, and check what is there afterwards."""
    steps: list[tuple[str, int, int]] = []
    lines: list[str] = []
    mirror = server if isinstance(server, str) else server.address
    path = download.download(data_set, folder, mirror, lambda *step: steps.append(step), lines.append)
    assert path == folder / "tiny"
    assert contents(path) == FILES
    assert visible(folder) == ["tiny"]
    return Report(steps, lines)


def contents(folder: Path) -> dict[str, bytes]:
    """Return all files of a data set but sayso's own."""
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name != catalogue.MARKER]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def visible(folder: Path) -> list[str]:
    """Return what is in the folder besides the lock, which stays."""
    return sorted(path.name for path in folder.iterdir() if path.name != ".tiny.lock")


def leave_part(server: FileServer, folder: Path, count: int = 900_000) -> None:
    """Break a download off so that only a part has come."""
    server.cuts = [count, 0, 0, 0]
    with pytest.raises(DownloadError, match=r"the connection broke off; .* is kept: look after the network"):
        get(server, folder)
    assert visible(folder) == [PART, f"{PART}.json"]
    server.requests.clear()


def test_a_data_set_is_fetched_checked_and_unpacked_once(server: FileServer, tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "down"
    report = get(server, folder)
    assert report.lines == []
    assert list(dict.fromkeys(stage for stage, _, _ in report.steps)) == ["downloading", "verifying", "unpacking"]
    for stage in ("downloading", "verifying", "unpacking"):
        amounts = [(done, total) for name, done, total in report.steps if name == stage]
        assert amounts == sorted(amounts)
        assert amounts[-1] == (len(TAR), len(TAR))
    assert catalogue.is_whole(folder / "tiny")
    assert get(server, folder) == Report([], [])
    assert server.ranges_asked() == [None]


def test_a_cut_connection_is_taken_up_where_it_broke(server: FileServer, tmp_path: Path) -> None:
    server.cuts = [300_000, 700_000]
    report = get(server, tmp_path)
    assert server.ranges_asked() == [None, "bytes=300000-", "bytes=1000000-"]
    assert [headers.get("If-Range") for _, headers in server.requests] == [None, '"first"', '"first"']
    assert report.lines[0].startswith("stopped at 0.3 of 2.0 MB: the connection broke off; trying again")
    assert "going on at 1.0 of 2.0 MB" in report.lines
    amounts = [done for stage, done, _ in report.steps if stage == "downloading"]
    assert amounts == sorted(amounts)


def test_a_later_run_goes_on(server: FileServer, tmp_path: Path) -> None:
    leave_part(server, tmp_path)
    assert get(server, tmp_path).lines == ["going on at 0.9 of 2.0 MB"]
    assert server.ranges_asked() == ["bytes=900000-"]


def test_what_has_come_whole_is_not_fetched_again(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / PART).write_bytes(TAR)
    get(server, tmp_path)
    assert server.requests == []


@pytest.mark.parametrize("lengths", [True, False])
def test_a_server_that_sends_only_whole_files(lengths: bool, server: FileServer, tmp_path: Path) -> None:
    server.ranges, server.lengths = False, lengths
    server.cuts = [500_000, 800_000]
    report = get(server, tmp_path)
    assert server.ranges_asked() == [None, "bytes=500000-", "bytes=800000-"]
    assert report.lines[1].startswith("starting over")


def test_a_server_that_always_breaks_off_is_given_up(server: FileServer, tmp_path: Path) -> None:
    server.ranges, server.cuts = False, [500_000] * 10
    with pytest.raises(DownloadError, match=r"cannot get http.*tiny.tar.gz: the connection broke off; 0.5 of 2.0 MB"):
        get(server, tmp_path)
    assert len(server.requests) == 1 + len(http.PAUSES)


@pytest.mark.parametrize("header", ["ETag", "Last-Modified"])
def test_a_changed_file_is_not_glued_to_the_old_one(header: str, server: FileServer, tmp_path: Path) -> None:
    server.validators = {header: '"old"', "ETag": '"old"' if header == "ETag" else 'W/"weak"'}
    server.files[ARCHIVE] = OTHER
    leave_part(server, tmp_path)
    server.validators, server.files[ARCHIVE] = {header: '"new"'}, TAR
    report = get(server, tmp_path)
    assert report.lines == ["starting over: the server cannot send the rest alone, or its file has changed"]
    assert server.requests[0][1]["If-Range"] == '"old"'


def test_a_changed_file_that_nothing_betrays_is_found_by_its_hash(server: FileServer, tmp_path: Path) -> None:
    server.validators, server.files[ARCHIVE] = {}, OTHER
    leave_part(server, tmp_path)
    server.files[ARCHIVE] = TAR
    with pytest.raises(DownloadError, match="what came is another file and was deleted"):
        get(server, tmp_path)
    assert visible(tmp_path) == []
    get(server, tmp_path)


def test_a_file_of_another_size_is_refused_and_what_has_come_is_kept(server: FileServer, tmp_path: Path) -> None:
    leave_part(server, tmp_path)
    for content, etag in ((TAR + b"more", '"first"'), (TAR[:-1], '"first"'), (b"<html>log in first</html>", "")):
        server.files[ARCHIVE], server.validators = content, {"ETag": etag}
        with pytest.raises(DownloadError, match=f"has {len(content):,} bytes; expected {len(TAR):,}; it is another"):
            get(server, tmp_path)
        assert (tmp_path / PART).read_bytes() == TAR[:900_000]


def test_a_stream_without_a_length_must_end_where_it_should(server: FileServer, tmp_path: Path) -> None:
    server.lengths, server.files[ARCHIVE] = False, TAR + b"more"
    with pytest.raises(DownloadError, match="has more bytes; expected"):
        get(server, tmp_path)
    server.files[ARCHIVE], server.ranges = TAR[:-1], False
    with pytest.raises(DownloadError, match="the server closed the connection"):
        get(server, tmp_path)
    server.files[ARCHIVE] = TAR
    get(server, tmp_path)


def test_another_file_is_deleted_and_nothing_unpacked(server: FileServer, tmp_path: Path) -> None:
    server.files[ARCHIVE] = OTHER
    with pytest.raises(DownloadError, match=f"SHA-256 is {named(OTHER).sha256}, expected {TINY.sha256}"):
        get(server, tmp_path)
    assert visible(tmp_path) == []


def test_what_a_server_may_answer(server: FileServer, tmp_path: Path) -> None:
    server.faults = [(503, {}), (429, {})]
    assert get(server, tmp_path / "patient").lines[0].startswith("stopped at 0.0 of 2.0 MB: the server answers 503")
    server.faults = [(302, {"Location": f"{server.address}/elsewhere/{ARCHIVE}"})]
    get(server, tmp_path / "moved")
    for status in (403, 404, 416):
        server.faults = [(status, {})]
        with pytest.raises(DownloadError, match=f"answers {status} .*try later or name a mirror"):
            get(server, tmp_path / "no")
    leave_part(server, tmp_path / "part")
    for bounds in ("bytes 0-9/10", "nonsense"):
        server.faults = [(206, {"Content-Range": bounds})]
        with pytest.raises(DownloadError, match="another part than asked for"):
            get(server, tmp_path / "part")


def test_an_archive_that_is_declared_as_packed_for_the_journey_stays_as_it_is(
    server: FileServer, tmp_path: Path
) -> None:
    server.validators["Content-Encoding"] = "gzip"
    get(server, tmp_path)
    assert server.requests[0][1]["Accept-Encoding"] == "identity"


def test_a_server_that_is_not_there(server: FileServer, tmp_path: Path) -> None:
    address = server.address
    server.stop()
    with pytest.raises(DownloadError, match="Connection refused"):
        get(address, tmp_path)
    with pytest.raises(DownloadError, match="is no address"):
        get("nonsense", tmp_path)


def test_certificates_that_are_missing_are_not_taken_for_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "nothing.pem"))
    with pytest.raises(DownloadError, match=r"cannot get https://.*nothing.pem; mend the network settings"):
        get("https://127.0.0.1:1", tmp_path)


def test_a_proxy_is_used(server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", server.address.removesuffix("/data"))
    get("http://nowhere.invalid/data/", tmp_path)
    assert server.requests[0][0] == f"http://nowhere.invalid/data/{ARCHIVE}"


def test_a_mirror_goes_on_with_what_another_server_sent(server: FileServer, tmp_path: Path) -> None:
    leave_part(server, tmp_path)
    mirror = FileServer()
    mirror.files[ARCHIVE], mirror.validators = TAR, {"ETag": '"of the mirror"'}
    try:
        get(mirror, tmp_path)
    finally:
        mirror.stop()
    assert mirror.ranges_asked() == ["bytes=900000-"]
    assert "If-Range" not in mirror.requests[0][1]


def test_a_damaged_note_or_part_does_no_harm(server: FileServer, tmp_path: Path) -> None:
    for note in (b"", b"[]", b"\xff", b'{"url": 1}'):
        leave_part(server, tmp_path / "note")
        (tmp_path / "note" / f"{PART}.json").write_bytes(note)
        get(server, tmp_path / "note")
        shutil.rmtree(tmp_path / "note")
    (tmp_path / PART).write_bytes(TAR + b"too long")
    get(server, tmp_path)


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def test_a_zip_without_a_known_hash_is_checked_by_its_own_sums(server: FileServer, tmp_path: Path) -> None:
    content = zipped({**{f"mini/{name}": content for name, content in FILES.items()}, "__MACOSX/mini/._x": b"junk"})
    mini = replace(named(content, "mini.zip"), sha256=None)
    server.files["mini.zip"] = content.replace(b"yes", b"YES", 3).replace(b"YES/0a", b"yes/0a")
    with pytest.raises(DownloadError, match=r"damaged or no archive: Bad CRC-32 .*; download it again"):
        get(server, tmp_path, mini)
    assert visible(tmp_path) == []
    server.files["mini.zip"] = content
    get(server, tmp_path, mini)


def test_an_unsafe_archive_leaves_nothing(server: FileServer, tmp_path: Path) -> None:
    for files in ({**FILES, "../../outside": b"bad"}, {"bomb": bytes(2 * TINY.unpacked + 1)}):
        bad = tar(files)
        server.files[ARCHIVE] = bad
        with pytest.raises(DownloadError, match="the archive is refused"):
            get(server, tmp_path / "inner" / "data", named(bad))
        assert visible(tmp_path / "inner" / "data") == []
        assert list(tmp_path.iterdir()) == [tmp_path / "inner"]


def test_a_folder_of_somebody_else_is_left_alone(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "tiny" / "yes").mkdir(parents=True)
    with pytest.raises(StorageError, match=r"tiny exists and is not what .* makes; move it away"):
        get(server, tmp_path)
    assert visible(tmp_path) == ["tiny"]
    assert server.requests == []


def test_too_little_space_is_told_before_anything_is_fetched(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needed = len(TAR) + TINY.unpacked
    space = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: space._replace(free=needed - 1))
    with pytest.raises(StorageError, match=r"GB of free space; expected 0.0 GB .*; free some space"):
        get(server, tmp_path)
    assert server.requests == []
    # What has come already needs no space any more.
    (tmp_path / PART).write_bytes(TAR[:1])
    get(server, tmp_path)


def test_a_full_disk_keeps_what_has_come(server: FileServer, tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    # A limit on the size of files stops writing where a full disk would.
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, before[1]))
    try:
        with pytest.raises(
            StorageError, match=r"cannot write .*part: File too large; free some space and run it again"
        ):
            get(server, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert TAR.startswith((tmp_path / PART).read_bytes())
    get(server, tmp_path)
    assert server.ranges_asked() == [None, "bytes=1000000-"]


def test_a_place_that_cannot_be_written(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(StorageError, match=r"cannot write into .*file: (Not a directory|File exists)"):
        get(server, tmp_path / "file")


# A process that downloads, and sends itself a signal when it has come so far.
SCRIPT = """
import json, os, signal, sys
from pathlib import Path
from sayso.download import catalogue, download
folder, address, data_set, stage, number = sys.argv[1:]
def progress(now, done, total):
    print(now, flush=True)
    if now == stage and 2 * done > total:
        os.kill(os.getpid(), int(number))
download.download(catalogue.DataSet(**json.loads(data_set)), Path(folder), address, progress, lambda line: None)
"""


def start(server: FileServer, folder: Path, stage: str = "", number: int = 0) -> subprocess.Popen[str]:
    arguments = (folder, server.address, json.dumps(vars(TINY)), stage, number)
    command = [sys.executable, "-c", SCRIPT, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.skipif(os.name == "nt", reason="Windows knows no such signals")
@pytest.mark.parametrize(
    ("stage", "number", "left"),
    [
        ("downloading", signal.SIGKILL, [PART, f"{PART}.json"]),
        ("downloading", signal.SIGINT, [PART, f"{PART}.json"]),
        ("unpacking", signal.SIGKILL, [".tiny.unpacking", PART, f"{PART}.json"]),
    ],
)
def test_a_process_that_is_killed_can_be_run_again(
    stage: str, number: int, left: list[str], server: FileServer, tmp_path: Path
) -> None:
    process = start(server, tmp_path, stage, number)
    process.communicate()
    assert process.returncode == -number
    assert visible(tmp_path) == left
    come = (tmp_path / PART).stat().st_size
    assert len(TAR) / 2 < come <= len(TAR)
    get(server, tmp_path)
    assert server.ranges_asked() == [None] + [f"bytes={come}-"] * (come < len(TAR))


def test_two_processes_do_not_spoil_each_other(server: FileServer, tmp_path: Path) -> None:
    server.hold.clear()
    process = start(server, tmp_path)
    with contextlib.ExitStack() as stack:
        stack.callback(process.kill)
        assert process.stdout.readline() == "downloading\n"
        with pytest.raises(DownloadError, match=r"another sayso is downloading tiny into .*; wait until it is done"):
            get(server, tmp_path)
        server.hold.set()
        assert process.communicate()[1] == ""
        assert process.returncode == 0
    assert get(server, tmp_path) == Report([], [])
    assert server.ranges_asked() == [None]
