"""Downloads of data sets: whatever fails, what has the name of a data set is complete and correct."""

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

from cases import case
from file_server import INVERTED, FileServer
from sayso.download import catalogue, download
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
OTHER = TAR.translate(INVERTED)


def named(content: bytes, archive: str = ARCHIVE) -> DataSet:
    """Describe a data set whose archive has this content."""
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
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
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
    """Return all files of a data set except the marker."""
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name != catalogue.MARKER]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def visible(folder: Path) -> list[str]:
    """Return what is in the folder except the lock, which stays."""
    return sorted(path.name for path in folder.iterdir() if path.name != ".tiny.lock")


def test_a_data_set_is_downloaded_verified_and_unpacked_once(server: FileServer, tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "down"
    report = get(server, folder)
    assert report.lines == []
    assert list(dict.fromkeys(stage for stage, _, _ in report.steps)) == ["downloading", "verifying", "unpacking"]
    for stage in ("downloading", "verifying", "unpacking"):
        amounts = [(done, total) for name, done, total in report.steps if name == stage]
        assert amounts == sorted(amounts)
        assert amounts[-1] == (len(TAR), len(TAR))
    assert catalogue.is_complete(folder / "tiny")
    assert get(server, folder) == Report([], [])
    assert server.ranges_asked() == [None]


def test_a_part_of_another_file_is_found_by_the_hash(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / PART).write_bytes(OTHER[:900_000])
    with pytest.raises(DownloadError, match="the downloaded file is not the expected one and was deleted"):
        get(server, tmp_path)
    assert server.ranges_asked() == ["bytes=900000-"]
    assert visible(tmp_path) == []
    get(server, tmp_path)


def test_another_file_is_deleted_and_nothing_unpacked(server: FileServer, tmp_path: Path) -> None:
    server.files[ARCHIVE] = OTHER
    with pytest.raises(DownloadError, match=f"SHA-256 is {named(OTHER).sha256}, expected {TINY.sha256}"):
        get(server, tmp_path)
    assert visible(tmp_path) == []


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def test_a_zip_without_a_known_hash_is_verified_by_its_own_checksums(server: FileServer, tmp_path: Path) -> None:
    content = zipped({**{f"mini/{name}": content for name, content in FILES.items()}, "__MACOSX/mini/._x": b"junk"})
    mini = replace(named(content, "mini.zip"), sha256=None)
    server.files["mini.zip"] = content.replace(b"yes", b"YES", 3).replace(b"YES/0a", b"yes/0a")
    with pytest.raises(DownloadError, match=r"damaged or not an archive: Bad CRC-32 .*; download it again"):
        get(server, tmp_path, mini)
    assert visible(tmp_path) == []
    server.files["mini.zip"] = content
    get(server, tmp_path, mini)


def test_an_unsafe_archive_leaves_nothing(server: FileServer, tmp_path: Path) -> None:
    for files in ({**FILES, "../../outside": b"bad"}, {"bomb": bytes(2 * TINY.unpacked + 1)}):
        with case(list(files)):
            bad = tar(files)
            server.files[ARCHIVE] = bad
            with pytest.raises(DownloadError, match="the archive is refused"):
                get(server, tmp_path / "inner" / "data", named(bad))
            assert visible(tmp_path / "inner" / "data") == []
            assert list(tmp_path.iterdir()) == [tmp_path / "inner"]


def test_a_folder_that_is_not_a_data_set_is_left_alone(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "tiny" / "yes").mkdir(parents=True)
    with pytest.raises(StorageError, match=r"tiny exists and was not made by .*; move it away"):
        get(server, tmp_path)
    assert visible(tmp_path) == ["tiny"]
    assert server.requests == []


def test_too_little_space_is_reported_before_anything_is_downloaded(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needed = len(TAR) + TINY.unpacked
    space = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: space._replace(free=needed - 1))
    with pytest.raises(StorageError, match=r"GB of free space; expected 0.0 GB .*; free some space"):
        get(server, tmp_path)
    assert server.requests == []
    # What was already downloaded needs no more space.
    (tmp_path / PART).write_bytes(TAR[:1])
    get(server, tmp_path)


def test_a_folder_that_cannot_be_written_is_reported(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(StorageError, match=r"cannot write into .*file: (Not a directory|File exists)"):
        get(server, tmp_path / "file")


# A process that downloads, and sends itself a signal in the middle of a stage.
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


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
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
    size = (tmp_path / PART).stat().st_size
    assert len(TAR) / 2 < size <= len(TAR)
    get(server, tmp_path)
    assert server.ranges_asked() == [None] + [f"bytes={size}-"] * (size < len(TAR))


def test_two_processes_do_not_interfere(server: FileServer, tmp_path: Path) -> None:
    server.hold.clear()
    process = start(server, tmp_path)
    with contextlib.ExitStack() as stack:
        stack.callback(process.kill)
        assert process.stdout.readline() == "downloading\n"
        with pytest.raises(
            DownloadError, match=r"another sayso is downloading tiny into .*; wait until it has finished"
        ):
            get(server, tmp_path)
        server.hold.set()
        assert process.communicate()[1] == ""
        assert process.returncode == 0
    assert get(server, tmp_path) == Report([], [])
    assert server.ranges_asked() == [None]


def test_a_damaged_archive_is_deleted_so_that_the_next_run_mends_it(server: FileServer, tmp_path: Path) -> None:
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2):
        folder = tmp_path / str(method)
        content = zipped(FILES | {"no/2.wav": bytes(range(256)) * 40}, method)
        mini = replace(named(content, "mini.zip"), sha256=None)
        spot = content.index(b"no/2.wav") + 40
        for damage in (content[:spot] + bytes(99) + content[spot + 99 :], content[:spot] + bytes(len(content) - spot)):
            server.files["mini.zip"] = damage
            with case(method), pytest.raises(DownloadError, match=r"damaged or not an archive: .*; download it again"):
                get(server, folder, mini)
            assert visible(folder) == []
        server.files["mini.zip"] = content
        path = download.download(mini, folder, server.address, lambda *step: None, lambda line: None)
        assert contents(path).keys() == {*FILES, "no/2.wav"}


def test_what_an_unpacking_left_behind_is_removed_however_deep(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / ".tiny.unpacking" / "/".join("a" * 300)).mkdir(parents=True)
    get(server, tmp_path)
