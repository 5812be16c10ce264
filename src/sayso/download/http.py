"""Download a file over HTTP: resume where a download was interrupted, retry, and verify.

The part that has been downloaded is in a file, with another file beside it that records the version of the server's
file, so that parts of different versions are never joined.
"""

import hashlib
import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from sayso.errors import DamageError, DownloadError, StorageError, untrusted
from sayso.system.atomic_files import write_atomically

if TYPE_CHECKING:
    from requests import Response, Session

Progress = Callable[[int, int], None]
Report = Callable[[str], None]

CHUNK = 1 << 18
# Seconds to wait for a connection, and for data.
TIMEOUT = (15.0, 60.0)
# Seconds to wait before each retry; the download fails after this many attempts in a row without new data.
PAUSES = (0.0, 1.0, 2.0, 4.0)
# HTTP status codes after which a retry may succeed.
TRANSIENT = {408, 429, 500, 502, 503, 504}

# Numbers that a server may send: Python's own idea of digits includes superscripts, and has no limit of their number.
_NUMBER = re.compile(r"[0-9]{1,18}")
_CONTENT_RANGE = re.compile(rf"bytes (?P<start>{_NUMBER.pattern})-[0-9]+/(?P<total>{_NUMBER.pattern}|\*)")
# The version of a file, as a request can repeat it.
_VALIDATOR = re.compile(r"[ -~]{1,1000}")


def fetch(url: str, path: Path, size: int, progress: Progress, report: Report) -> None:
    """Download a file of known size, resuming after the bytes that are already there.

    Parameters
    ----------
    url : str
        The file.
    path : Path
        Where to write it.
    size : int
        Its size in bytes.
    progress : callable
        Called with the bytes done and their total.
    report : callable
        Called with a line of text about each interruption.

    Raises
    ------
    DownloadError
        If the server does not have the file, has one of another size, or repeatedly cannot be reached; the part
        downloaded so far is kept.
    StorageError
        If the file cannot be written.
    """
    import requests
    import urllib3

    handled = (OSError, urllib3.exceptions.HTTPError, StorageError)
    if size_of(path) > size:
        discard(path)
    furthest, failures = size_of(path), 0
    with requests.Session() as session:
        while size_of(path) != size:
            try:
                with untrusted(
                    lambda reason: DownloadError(f"{url} answers what cannot be understood: {reason}; use a mirror"),
                    *handled,
                ):
                    _fetch_rest(session, url, path, size, progress, report)
                reason = "the server closed the connection"
            except urllib3.exceptions.ProtocolError:
                reason = "the connection was interrupted"
            except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
                if isinstance(error, ValueError):
                    raise DownloadError(f"{url} is not an address ({error}); expected https://host/folder") from error
                reason = _cause(error)
            except OSError as error:  # a fault of this machine, such as missing certificates
                raise DownloadError(f"cannot download {url}: {error}; correct the network settings") from error
            done = size_of(path)
            if done == size:
                break
            failures = 0 if done > furthest else failures + 1
            furthest = max(furthest, done)
            if failures == len(PAUSES):
                raise DownloadError(
                    f"cannot download {url}: {reason}; {_share(done, size)} are kept; check the network and run the "
                    "command again"
                )
            report(f"stopped at {_share(done, size)}: {reason}; trying again")
            time.sleep(PAUSES[failures])


def _fetch_rest(session: "Session", url: str, path: Path, size: int, progress: Progress, report: Report) -> None:
    """Request the missing bytes once, and write what arrives."""
    done = size_of(path)
    # Without a content encoding, as the bytes of a compressed transfer could not be counted.
    headers = {"Accept-Encoding": "identity"}
    if done:
        headers["Range"] = f"bytes={done}-"
        if validator := _saved_validator(path, url):
            headers["If-Range"] = validator
    with session.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
        start = _start(response, url, done, size)
        if start:
            report(f"resuming at {_share(start, size)}")
        elif done:
            report("starting over: the server cannot send only the rest, or its file has changed")
        try:
            with path.open("ab" if start else "wb") as file:
                _save_validator(path, url, response)
                for block in response.raw.stream(CHUNK, decode_content=False):
                    file.write(block)
                    start += len(block)
                    if start > size:
                        raise _wrong_size(url, "more", size)
                    progress(start, size)
        except OSError as error:
            raise StorageError(
                f"cannot write {path}: {error.strerror or error}; free some space and run the command again; what "
                "was downloaded is kept"
            ) from error


def _start(response: "Response", url: str, done: int, size: int) -> int:
    """Return the position of the first byte in a response, after checking that it is a part of the right file."""
    import requests

    status = response.status_code
    if status in TRANSIENT:
        raise requests.HTTPError(f"the server answers {status} {response.reason}")
    if status not in (200, 206):
        raise DownloadError(f"{url} answers {status} {response.reason}; expected the file; try later or use a mirror")
    start, total = 0, response.headers.get("Content-Length", "*")
    if status == 206:
        found = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if not found or int(found["start"]) != done:
            raise DownloadError(f"{url} answers with another part of the file than requested; use a mirror")
        start, total = done, found["total"]
    if _NUMBER.fullmatch(total) and int(total) != size:
        raise _wrong_size(url, f"{int(total):,}", size)
    return start


def verify(path: Path, sha256: str, progress: Progress) -> None:
    """Check a file against its hash; if they differ delete it, so that the next run starts again."""
    digest, done, total = hashlib.sha256(), 0, size_of(path)
    with path.open("rb") as file:
        while block := file.read(CHUNK):
            digest.update(block)
            done += len(block)
            progress(done, total)
    if digest.hexdigest() != sha256:
        discard(path)
        raise DownloadError(
            "the downloaded file is not the expected one and was deleted: its SHA-256 is "
            f"{digest.hexdigest()}, expected {sha256}; run the command again or use a mirror"
        )


def size_of(path: Path) -> int:
    """Return the size of a file in bytes, 0 if it does not exist."""
    return path.stat().st_size if path.exists() else 0


def _share(done: int, size: int) -> str:
    return f"{done / 1e6:,.1f} of {size / 1e6:,.1f} MB"


def _wrong_size(url: str, count: str, size: int) -> DownloadError:
    return DownloadError(f"{url} has {count} bytes; expected {size:,}; it is another file: use a mirror")


def _cause(error: BaseException) -> str:
    """Return the message of the system error that is at the root of a chain of exceptions."""
    while inner := error.__cause__ or error.__context__:
        error = inner
    return getattr(error, "strerror", None) or str(error)


def _sidecar(path: Path) -> Path:
    return path.with_name(path.name + ".json")


def _save_validator(path: Path, url: str, response: "Response") -> None:
    """Record the version of the server's file: a strong ETag, or else the time of its last change."""
    validator = response.headers.get("ETag", "")
    if not validator.startswith('"'):
        validator = response.headers.get("Last-Modified", "")
    write_atomically(_sidecar(path), json.dumps({"url": url, "validator": validator}).encode())


def _saved_validator(path: Path, url: str) -> str:
    """Return the version of the file that the bytes in `path` are a part of, or an empty string.

    A mirror counts versions in its own way. Where there is no version to compare, only size and hash are checked.
    """
    try:
        with untrusted():
            saved = json.loads(_sidecar(path).read_bytes())
            validator = str(saved["validator"])
            return validator if saved["url"] == url and _VALIDATOR.fullmatch(validator) else ""
    except (OSError, DamageError):
        return ""


def discard(path: Path) -> None:
    """Delete a downloaded file or part, and the record of its version."""
    path.unlink(missing_ok=True)
    _sidecar(path).unlink(missing_ok=True)
