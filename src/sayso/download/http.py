"""Fetch a file over HTTP until it is whole: go on where a broken download stopped, and trust nothing unchecked.

What has come lies in a file of its own; a note beside it tells which version of the server's file it is a part of.
"""

import hashlib
import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from sayso.errors import DownloadError, StorageError
from sayso.system.atomic_files import write_atomically

if TYPE_CHECKING:
    from requests import Response, Session

Progress = Callable[[int, int], None]
Tell = Callable[[str], None]

CHUNK = 1 << 18
# Seconds to wait for a connection, and for the next bytes.
TIMEOUT = (15.0, 60.0)
# Seconds to wait before trying again; after as many failures that brought nothing new, the download is given up.
PAUSES = (0.0, 1.0, 2.0, 4.0)
# Answers of a server that may be another a moment later.
PASSING = {408, 429, 500, 502, 503, 504}

_CONTENT_RANGE = re.compile(r"bytes (?P<start>\d+)-\d+/(?P<total>\d+|\*)")


def fetch(url: str, path: Path, size: int, progress: Progress, tell: Tell) -> None:
    """Bring a file of known size into `path`, going on with the bytes that are already there.

    Raises
    ------
    DownloadError
        If the server does not have the file, has one of another size, or cannot be reached again and again; what has
        come is kept.
    StorageError
        If the file cannot be written.
    """
    import requests
    import urllib3

    if length(path) > size:
        forget(path)
    furthest, failures = length(path), 0
    with requests.Session() as session:
        while length(path) != size:
            try:
                _fetch_rest(session, url, path, size, progress, tell)
                reason = "the server closed the connection"
            except urllib3.exceptions.ProtocolError:
                reason = "the connection broke off"
            except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
                if isinstance(error, ValueError):
                    raise DownloadError(f"{url} is no address ({error}); expected https://host/folder") from error
                reason = _cause(error)
            except OSError as error:  # of this machine: certificates that are not where they should be
                raise DownloadError(f"cannot get {url}: {error}; mend the network settings") from error
            done = length(path)
            if done == size:
                break
            failures = 0 if done > furthest else failures + 1
            furthest = max(furthest, done)
            if failures == len(PAUSES):
                raise DownloadError(
                    f"cannot get {url}: {reason}; {_share(done, size)} is kept: look after the network and run it again"
                )
            tell(f"stopped at {_share(done, size)}: {reason}; trying again")
            time.sleep(PAUSES[failures])


def _fetch_rest(session: "Session", url: str, path: Path, size: int, progress: Progress, tell: Tell) -> None:
    """Ask once for the bytes that are missing and write down what comes."""
    done = length(path)
    # The file as it is; nothing packed for the journey, whose bytes could not be counted.
    headers = {"Accept-Encoding": "identity"}
    if done:
        headers["Range"] = f"bytes={done}-"
        if validator := _noted_validator(path, url):
            headers["If-Range"] = validator
    with session.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
        start = _start(response, url, done, size)
        if start:
            tell(f"going on at {_share(start, size)}")
        elif done:
            tell("starting over: the server cannot send the rest alone, or its file has changed")
        try:
            with path.open("ab" if start else "wb") as file:
                _note_validator(path, url, response)
                for block in response.raw.stream(CHUNK, decode_content=False):
                    file.write(block)
                    start += len(block)
                    if start > size:
                        raise _other_file(url, "more", size)
                    progress(start, size)
        except OSError as error:
            raise StorageError(
                f"cannot write {path}: {error.strerror or error}; free some space and run it again, what has come is "
                "kept"
            ) from error


def _start(response: "Response", url: str, done: int, size: int) -> int:
    """Return at which byte an answer begins, having made sure that it belongs to the file that is wanted."""
    import requests

    status = response.status_code
    if status in PASSING:
        raise requests.HTTPError(f"the server answers {status} {response.reason}")
    if status not in (200, 206):
        raise DownloadError(f"{url} answers {status} {response.reason}; expected the file; try later or name a mirror")
    start, total = 0, response.headers.get("Content-Length", "*")
    if status == 206:
        found = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if not found or int(found["start"]) != done:
            raise DownloadError(f"{url} answers with another part than asked for; name a mirror")
        start, total = done, found["total"]
    if total.isdigit() and int(total) != size:
        raise _other_file(url, f"{int(total):,}", size)
    return start


def verify(path: Path, sha256: str, progress: Progress) -> None:
    """Compare a file with its hash, and delete it if it is another, so that the next run starts afresh."""
    digest, done, total = hashlib.sha256(), 0, length(path)
    with path.open("rb") as file:
        while block := file.read(CHUNK):
            digest.update(block)
            done += len(block)
            progress(done, total)
    if digest.hexdigest() != sha256:
        forget(path)
        raise DownloadError(
            f"what came is another file and was deleted: its SHA-256 is {digest.hexdigest()}, expected {sha256}; run "
            "it again or name a mirror"
        )


def length(path: Path) -> int:
    """Return how many bytes of a file have come."""
    return path.stat().st_size if path.exists() else 0


def _share(done: int, size: int) -> str:
    return f"{done / 1e6:,.1f} of {size / 1e6:,.1f} MB"


def _other_file(url: str, count: str, size: int) -> DownloadError:
    return DownloadError(f"{url} has {count} bytes; expected {size:,}; it is another file: name a mirror")


def _cause(error: BaseException) -> str:
    """Return what the system said first, without the many wrappings of those who passed it on."""
    while inner := error.__cause__ or error.__context__:
        error = inner
    return getattr(error, "strerror", None) or str(error)


def _note(path: Path) -> Path:
    return path.with_name(path.name + ".json")


def _note_validator(path: Path, url: str, response: "Response") -> None:
    """Write down the version of the server's file: a strong ETag, or when it was last changed."""
    validator = response.headers.get("ETag", "")
    if not validator.startswith('"'):
        validator = response.headers.get("Last-Modified", "")
    write_atomically(_note(path), json.dumps({"url": url, "validator": validator}).encode())


def _noted_validator(path: Path, url: str) -> str:
    """Return the version that the bytes in `path` are a part of; without one, size and hash must do.

    Another address has other versions, so a download that goes on from a mirror is judged by size and hash, too.
    """
    try:
        noted = json.loads(_note(path).read_bytes())
        return str(noted["validator"]) if noted["url"] == url else ""
    except (OSError, ValueError, LookupError, TypeError):
        return ""


def forget(path: Path) -> None:
    """Delete what has come of a file."""
    path.unlink(missing_ok=True)
    _note(path).unlink(missing_ok=True)
