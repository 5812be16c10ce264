"""A file that one process at a time may use; the lock ends with the process, however it ends."""

import errno
import os
import stat
import sys
from io import FileIO
from pathlib import Path

# A link at a predictable path could lead to any file of the user.
NO_LINKS = getattr(os, "O_NOFOLLOW", 0)
BINARY = getattr(os, "O_BINARY", 0)
# Some network file systems have no locks; there, nothing keeps two processes apart.
_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)


def open_regular(path: Path, flags: int = 0) -> FileIO:
    """Open a regular file for reading and writing, without a buffer, and never through a link; may raise an OSError."""
    file = FileIO(os.open(path, os.O_RDWR | NO_LINKS | BINARY | flags, 0o666), "r+b")
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "it is not a regular file")
    return file


def open_locked(path: Path) -> FileIO | None:
    """Open a file for reading and writing, create it if it is missing, and lock it until it is closed.

    Returns
    -------
    file : FileIO or None
        The file, without a buffer; None if another process has locked it.

    Raises
    ------
    OSError
        If it cannot be opened, or is a link or no regular file.
    """
    while True:
        file = open_regular(path, os.O_CREAT)
        try:
            if not _lock(file.fileno()):
                file.close()
                return None
            if _is_at(file, path):
                return file
        except BaseException:
            file.close()
            raise
        # The process that had the lock has deleted the file.
        file.close()


def _is_at(file: FileIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.lstat())
    except FileNotFoundError:
        return False


if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int) -> bool:
        # Far behind the content, as nobody else could read what is locked.
        os.lseek(handle, 2**30, os.SEEK_SET)
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _lock(handle: int) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
        return True
