"""Writing files so that a crash never leaves a half-written one.

The bytes go to a temporary file in the same folder, are forced to disk, and the file is renamed into place: readers see the
old content or the new, never a mixture.
"""

import contextlib
import os
import tempfile
from pathlib import Path

from heed.errors import StorageError


def write_atomically(path: Path, content: bytes) -> None:
    """Replace the file at `path` by `content`, wholly or not at all.

    Parameters
    ----------
    path : Path
        Where the file shall stand; its folder is made if it is missing.
    content : bytes
        The whole new content.

    Raises
    ------
    StorageError
        If the folder cannot be made or the file cannot be written; what stood at `path` is then unchanged.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            _copy_mode(path, name)
            os.replace(name, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(name)
            raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise StorageError(f"cannot write {path}: {reason}; choose another place or free some space") from error


def _copy_mode(path: Path, temporary: str) -> None:
    """Give the temporary file the permissions that an ordinarily created `path` would have."""
    try:
        mode = path.stat().st_mode & 0o777
    except FileNotFoundError:
        # mkstemp makes private files; a result is meant to be shared like any other. The mask can only be read by setting it.
        mask = os.umask(0)
        os.umask(mask)
        mode = 0o666 & ~mask
    os.chmod(temporary, mode)
