"""Write files atomically: a crash never leaves a half-written one.

The bytes go to a temporary file in the same folder, which is flushed to disk and then renamed: readers see either the
old content or the new.
"""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from sayso.errors import StorageError


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
        Path(temporary).replace(path)
    except BaseException as error:
        if temporary:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()
        if isinstance(error, OSError):
            reason = error.strerror or error
            raise StorageError(f"cannot write {path}: {reason}; choose another place or free some space") from error
        raise


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
