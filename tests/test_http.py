"""Downloads from a real server: what is interrupted is resumed, and parts of different files are never joined."""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from cases import case
from file_server import INVERTED, FileServer
from sayso.download import http
from sayso.errors import DownloadError, StorageError

NAME = "tiny.tar.gz"
CONTENT = os.urandom(2_000_000)
OTHER = CONTENT.translate(INVERTED)


@pytest.fixture(autouse=True)
def no_pauses_and_no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "PAUSES", (0.0,) * 3)
    for name in ("http_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def server() -> Iterator[FileServer]:
    server = FileServer()
    server.files[NAME] = CONTENT
    yield server
    server.stop()


@pytest.fixture
def part(tmp_path: Path) -> Path:
    return tmp_path / f"{NAME}.part"


class Fetched(NamedTuple):
    steps: list[tuple[int, int]]
    lines: list[str]


def fetch(server: FileServer | str, part: Path) -> Fetched:
    """Download a file, and check what is there afterwards."""
    steps: list[tuple[int, int]] = []
    lines: list[str] = []
    address = server if isinstance(server, str) else server.address
    http.fetch(f"{address}/{NAME}", part, len(CONTENT), lambda *step: steps.append(step), lines.append)
    assert part.read_bytes() == CONTENT
    return Fetched(steps, lines)


def leave_part(server: FileServer, part: Path, count: int = 900_000) -> None:
    """Interrupt a download so that only a part has arrived."""
    server.cuts = [count, 0, 0, 0]
    with pytest.raises(DownloadError, match=r"connection was interrupted; 0.9 of 2.0 MB are kept; check the network"):
        fetch(server, part)
    assert part.read_bytes() == server.files[NAME][:count]
    server.requests.clear()


def test_an_interrupted_connection_is_resumed(server: FileServer, part: Path) -> None:
    server.cuts = [300_000, 700_000]
    fetched = fetch(server, part)
    assert server.ranges_asked() == [None, "bytes=300000-", "bytes=1000000-"]
    assert [headers.get("If-Range") for _, headers in server.requests] == [None, '"first"', '"first"']
    assert fetched.lines[0].startswith("stopped at 0.3 of 2.0 MB: the connection was interrupted; trying again")
    assert "resuming at 1.0 of 2.0 MB" in fetched.lines
    assert fetched.steps == sorted(fetched.steps)
    assert fetched.steps[-1] == (len(CONTENT), len(CONTENT))


def test_a_later_run_resumes(server: FileServer, part: Path) -> None:
    leave_part(server, part)
    assert fetch(server, part).lines == ["resuming at 0.9 of 2.0 MB"]
    assert server.ranges_asked() == ["bytes=900000-"]


def test_a_complete_file_is_not_downloaded_again(server: FileServer, part: Path) -> None:
    part.write_bytes(CONTENT)
    assert fetch(server, part) == Fetched([], [])
    assert server.requests == []


def test_a_server_that_sends_only_whole_files_starts_over(server: FileServer, part: Path) -> None:
    for lengths in (True, False):
        with case("lengths", lengths):
            part.unlink(missing_ok=True)
            server.requests.clear()
            server.ranges, server.lengths = False, lengths
            server.cuts = [500_000, 800_000]
            fetched = fetch(server, part)
            assert server.ranges_asked() == [None, "bytes=500000-", "bytes=800000-"]
            assert fetched.lines[1].startswith("starting over")


def test_retries_end_when_nothing_new_arrives(server: FileServer, part: Path) -> None:
    server.ranges, server.cuts = False, [500_000] * 10
    message = r"cannot download http.*tiny.tar.gz: the connection was interrupted; 0.5 of 2.0 MB"
    with pytest.raises(DownloadError, match=message):
        fetch(server, part)
    assert len(server.requests) == 1 + len(http.PAUSES)


def test_parts_of_a_file_that_has_changed_are_not_joined(server: FileServer, tmp_path: Path) -> None:
    for header in ("ETag", "Last-Modified"):
        with case(header):
            part = tmp_path / header
            server.validators = {header: '"old"', "ETag": '"old"' if header == "ETag" else 'W/"weak"'}
            server.files[NAME] = OTHER
            leave_part(server, part)
            server.validators, server.files[NAME] = {header: '"new"'}, CONTENT
            fetched = fetch(server, part)
            assert fetched.lines == ["starting over: the server cannot send only the rest, or its file has changed"]
            assert server.requests[0][1]["If-Range"] == '"old"'


def test_a_file_of_another_size_is_refused_and_the_part_is_kept(server: FileServer, part: Path) -> None:
    leave_part(server, part)
    for content, etag in (
        (CONTENT + b"more", '"first"'),
        (CONTENT[:-1], '"first"'),
        (b"<html>log in first</html>", ""),
    ):
        with case(len(content)):
            server.files[NAME], server.validators = content, {"ETag": etag}
            message = f"has {len(content):,} bytes; expected {len(CONTENT):,}; it is another file"
            with pytest.raises(DownloadError, match=message):
                fetch(server, part)
            assert part.read_bytes() == CONTENT[:900_000]


def test_a_stream_without_a_length_must_have_the_right_one(server: FileServer, part: Path) -> None:
    server.lengths, server.files[NAME] = False, CONTENT + b"more"
    with pytest.raises(DownloadError, match="has more bytes; expected"):
        fetch(server, part)
    server.files[NAME], server.ranges = CONTENT[:-1], False
    with pytest.raises(DownloadError, match="the server closed the connection"):
        fetch(server, part)
    server.files[NAME] = CONTENT
    fetch(server, part)


def test_transient_errors_are_retried_and_redirections_followed(server: FileServer, tmp_path: Path) -> None:
    server.faults = [(503, {}), (429, {})]
    assert fetch(server, tmp_path / "busy").lines[0].startswith("stopped at 0.0 of 2.0 MB: the server answers 503")
    server.faults = [(302, {"Location": f"{server.address}/elsewhere/{NAME}"})]
    fetch(server, tmp_path / "moved")


def test_other_answers_are_refused(server: FileServer, part: Path) -> None:
    for status in (403, 404, 416):
        server.faults = [(status, {})]
        with case(status), pytest.raises(DownloadError, match=f"answers {status} .*try later or use a mirror"):
            fetch(server, part)
    leave_part(server, part)
    for bounds in ("bytes 0-9/10", "bytes 0-1999999/2000000", "nonsense"):
        server.faults = [(206, {"Content-Range": bounds})]
        with case(bounds), pytest.raises(DownloadError, match="another part of the file than requested"):
            fetch(server, part)


def test_a_file_is_never_decompressed_on_the_way(server: FileServer, part: Path) -> None:
    server.validators["Content-Encoding"] = "gzip"
    fetch(server, part)
    assert server.requests[0][1]["Accept-Encoding"] == "identity"


def test_a_server_that_cannot_be_reached_is_reported(server: FileServer, part: Path) -> None:
    address = server.address
    server.stop()
    with pytest.raises(DownloadError, match="Connection refused"):
        fetch(address, part)
    with pytest.raises(DownloadError, match="is not an address"):
        fetch("nonsense", part)


def test_missing_certificates_are_not_reported_as_a_full_disk(part: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(part.with_name("nothing.pem")))
    with pytest.raises(DownloadError, match=r"cannot download https://.*nothing.pem; correct the network settings"):
        fetch("https://127.0.0.1:1", part)


def test_a_proxy_is_used(server: FileServer, part: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", server.address.removesuffix("/data"))
    fetch("http://nowhere.invalid/data", part)
    assert server.requests[0][0] == f"http://nowhere.invalid/data/{NAME}"


def test_a_mirror_resumes_what_another_server_sent(server: FileServer, part: Path) -> None:
    leave_part(server, part)
    mirror = FileServer()
    mirror.files[NAME], mirror.validators = CONTENT, {"ETag": '"of the mirror"'}
    try:
        fetch(mirror, part)
    finally:
        mirror.stop()
    assert mirror.ranges_asked() == ["bytes=900000-"]
    assert "If-Range" not in mirror.requests[0][1]


def test_a_damaged_record_or_part_does_no_harm(server: FileServer, part: Path) -> None:
    for record in (b"", b"[]", b"\xff", b'{"url": 1}'):
        with case(record):
            leave_part(server, part)
            part.with_name(f"{part.name}.json").write_bytes(record)
            fetch(server, part)
            http.discard(part)
            assert list(part.parent.iterdir()) == []
    part.write_bytes(CONTENT + b"too long")
    fetch(server, part)


def test_a_full_disk_keeps_what_was_downloaded(server: FileServer, part: Path) -> None:
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    # A limit on the size of files stops writing where a full disk would.
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, before[1]))
    try:
        with pytest.raises(
            StorageError, match=r"cannot write .*part: File too large; free some space and run the command"
        ):
            fetch(server, part)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert part.read_bytes() == CONTENT[: part.stat().st_size]
    fetch(server, part)
    assert server.ranges_asked() == [None, "bytes=1000000-"]


def test_headers_that_are_not_what_they_should_be_do_no_harm(server: FileServer, tmp_path: Path) -> None:
    # Superscripts are digits to Python, and it converts no number of thousands of digits.
    lengths = ("\xb2", "\xb9\xb2", "9" * 5_000, "-1", "1e9", "", "0x10", "\xbd")
    for number, length in enumerate(lengths):
        server.faults = [(200, {"Content-Length": length})]
        with case("Content-Length", length[:10]), contextlib.suppress(DownloadError):
            fetch(server, tmp_path / str(number))
    leave_part(server, tmp_path / "part")
    for bounds in (f"bytes {'9' * 5_000}-1/2", "bytes \xb2-1/2", f"bytes 0-1/{'9' * 5_000}", "bytes 900000-/2000000"):
        server.faults = [(206, {"Content-Range": bounds})]
        with case("Content-Range", bounds[:10]), pytest.raises(DownloadError, match="another part of the file"):
            fetch(server, tmp_path / "part")
    for place in (
        "http://[",
        "http://[::1",
        "http://\xb2",
        "http://a\xffb:x/",
        "http://" + "a" * 300,
        "//:99999999999/",
    ):
        server.faults = [(302, {"Location": place})] * 9
        with case("Location", place[:20]), pytest.raises(DownloadError) as caught:
            fetch(server, tmp_path / "part")
        assert "\n" not in str(caught.value)


def test_a_version_that_no_request_can_repeat_is_not_sent(server: FileServer, part: Path) -> None:
    deep = b"[" * 100_000
    address = f"{server.address}/{NAME}"
    for version in ("caf\xe9", "\u0142", "a\nb", "\ud800", "x" * 5_000, 3, 10**400, ["a"], None, deep):
        with case(str(version)[:20]):
            leave_part(server, part)
            record = json.dumps({"url": address, "validator": version}).encode() if version is not deep else deep
            part.with_name(f"{part.name}.json").write_bytes(record)
            fetch(server, part)
            http.discard(part)
