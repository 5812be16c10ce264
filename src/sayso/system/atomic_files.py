"""Write files atomically: a crash never leaves a half-written one.

The bytes go to a temporary file in the same folder, which is flushed to disk and then renamed: readers see either the
old content or the new. The temporary file has a name that nobody can know before, and is always new: in a folder that
others can write to, a link under a predictable name could lead to any file of the user.
"""

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator
from io import FileIO
from pathlib import Path
from typing import BinaryIO

from sayso.errors import StorageError
from sayso.system.locked_file import BINARY


class TakenError(StorageError):
    """A file that would replace another one."""


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a file that replaces `path` when the block ends, and is deleted if the block fails.

    Parameters
    ----------
    path : Path
        The file to replace or create; its folder is created if it is missing.

    Yields
    ------
    file : BinaryIO
        Takes the new content.

    Raises
    ------
    StorageError
        If the folder cannot be created or the file cannot be written; the content of `path` is then unchanged.
    """
    with _written(path, lambda temporary: temporary.replace(path)) as file:
        yield file


@contextlib.contextmanager
def creating(path: Path) -> Iterator[BinaryIO]:
    """Open a file that appears at `path` when the block ends, as `replacing` does, but never replaces another one.

    Raises
    ------
    StorageError
        As for `replacing`.
    TakenError
        If there is something at `path`, be it a broken link.
    """
    with _written(path, lambda temporary: _rename_to_new(temporary, path)) as file:
        yield file


@contextlib.contextmanager
def _written(path: Path, publish: Callable[[Path], object]) -> Iterator[BinaryIO]:
    """Open a temporary file for `path`; when the block ends, flush it to disk and publish it."""
    temporary = None
    try:
        if path.is_dir():
            raise IsADirectoryError(0, "it is a folder")
        if path.exists() and not path.is_file():
            raise OSError(0, "it is a device and cannot be replaced by a file")
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=".sayso.", suffix=".tmp", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(_mode(path))
        publish(Path(temporary))
    except BaseException as error:
        if temporary:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()
        if isinstance(error, OSError):
            raise unwritable(path, error) from error
        raise


def _rename_to_new(temporary: Path, path: Path) -> None:
    """Rename a file unless there is one with the new name."""
    try:
        path.hardlink_to(temporary)
    except OSError:
        if os.path.lexists(path):
            raise TakenError(f"{path} exists; choose another name") from None
        # A file system without links.
        temporary.rename(path)
    else:
        temporary.unlink()


def open_new(path: Path) -> FileIO:
    """Open a new file for writing, without a buffer, in place of whatever has its name; never through a link."""
    path.unlink(missing_ok=True)
    return FileIO(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | BINARY, 0o666), "r+b")


def write_all(file: FileIO, content: bytes) -> None:
    """Write bytes to a file without a buffer, which may take a part of them at a time."""
    rest = memoryview(content)
    while rest:
        rest = rest[file.write(rest) or 0 :]


def unwritable(path: Path, error: OSError) -> StorageError:
    """Return the error that says that a file cannot be written, and what to do."""
    return StorageError(f"cannot write {path}: {error.strerror or error}; choose another place or free some space")


def write_atomically(path: Path, content: bytes) -> None:
    """Replace the content of the file at `path`, or leave it unchanged and raise as `replacing` does."""
    with replacing(path) as file:
        file.write(content)


def check_writable(path: Path) -> None:
    """Check before hours of work whether `path` can be written at their end; raises as `replacing` does."""
    try:
        with replacing(path):
            raise _NotNowError
    except _NotNowError:
        pass


class _NotNowError(Exception):
    """Ends the block of `replacing`, so that nothing is replaced."""


def _mode(path: Path) -> int:
    """Return the permissions that an ordinary file would have, as those of mkstemp are private."""
    try:
        return path.stat().st_mode & 0o777
    except FileNotFoundError:
        # The mask can only be read by setting it.
        mask = os.umask(0)
        os.umask(mask)
        return 0o666 & ~mask
