"""Unpack archives that need not be trusted: only plain files and folders, within one new folder and a limited size.

An archive with anything else is refused as a whole, and what was already unpacked is removed.
"""

import gzip
import io
import lzma
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import IO

from sayso.errors import DownloadError, StorageError

CHUNK = 1 << 18
MOST_ENTRIES = 500_000
# Bytes that a tar archive may have between the contents of two files: headers, long names, padding, read-ahead.
HEADERS = 1 << 20

_DAMAGE = (
    EOFError, RuntimeError, ValueError, gzip.BadGzipFile, lzma.LZMAError, struct.error,
    tarfile.TarError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


def unpack(archive: Path, folder: Path, limit: int, progress: Callable[[int, int], None]) -> None:
    """Unpack a zip or tar.gz archive into a new folder.

    Only regular files and folders are created, with ordinary permissions. Checksums in the archive are verified.

    Parameters
    ----------
    archive : Path
        The archive; its kind is recognised by its first bytes.
    folder : Path
        The folder to create; if anything fails it is removed again.
    limit : int
        Largest total size of the files in bytes.
    progress : callable
        Called repeatedly with the bytes of the archive done, and their total.

    Raises
    ------
    DownloadError
        If the archive is damaged or too large, or holds links, devices, a name twice, or names that lead outside.
    StorageError
        If the files cannot be written.
    """
    try:
        folder.mkdir()
        try:
            total = archive.stat().st_size
            with archive.open("rb") as file:
                kind = _unpack_zip if file.read(2) == b"PK" else _unpack_tar
                file.seek(0)
                kind(file, _Target(folder, limit, lambda: progress(file.tell(), total)))
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        progress(total, total)
    except _DAMAGE as error:
        raise DownloadError(
            f"the archive {archive} is damaged or not an archive: {error}; download it again"
        ) from error
    except OSError as error:
        raise StorageError(
            f"cannot unpack {archive} into {folder}: {error.strerror or error}; free space or choose another folder"
        ) from error


class _Target:
    """The new folder, in which files and folders are created unless they do not belong there."""

    def __init__(self, folder: Path, limit: int, progress: Callable[[], None]) -> None:
        self._folder = folder
        self._limit = limit
        self._progress = progress
        self._bytes = 0
        self._entries = 0

    def add_folder(self, name: str) -> None:
        path = self._place(name)
        try:
            path.mkdir(parents=True, exist_ok=True)
        except FileExistsError as error:
            raise _refusal(f"{name!r} both as a file and as a folder") from error

    def add_file(self, name: str, size: int, content: IO[bytes]) -> None:
        path = self._place(name)
        self._bytes += size
        if self._bytes > self._limit:
            raise _refusal(f"more than {self._limit:,} bytes")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as file:
                while size and (block := content.read(min(size, CHUNK))):
                    file.write(block)
                    size -= len(block)
                    self._progress()
        except (FileExistsError, NotADirectoryError) as error:
            raise _refusal(f"{name!r} twice") from error
        if size:
            raise EOFError(f"{name} ends too early")

    def _place(self, name: str) -> Path:
        """Return the path of an entry; backslashes and colons would lead outside on Windows."""
        self._entries += 1
        if self._entries > MOST_ENTRIES:
            raise _refusal(f"more than {MOST_ENTRIES:,} files")
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or any(character in name for character in "\\:\0"):
            raise _refusal(f"{name!r}, which leads outside its folder")
        return self._folder / path


class _Metered(io.RawIOBase):
    """A stream that can be read only as far as its allowance, so that a small archive cannot fill the memory."""

    def __init__(self, stream: gzip.GzipFile) -> None:
        self._stream = stream
        self.allowance = HEADERS

    def read(self, size: int = -1, /) -> bytes:
        block = self._stream.read(size)
        self.allowance -= len(block)
        if self.allowance < 0:
            raise _refusal(f"a header of more than {HEADERS:,} bytes")
        return block


def _unpack_tar(file: IO[bytes], target: _Target) -> None:
    """Unpack a tar.gz archive in one pass."""
    with gzip.GzipFile(fileobj=file) as plain:
        metered = _Metered(plain)
        with tarfile.open(mode="r|", fileobj=metered, bufsize=1 << 16) as archive:
            while member := archive.next():
                # tarfile keeps a list of all members, which is not needed here and would grow.
                archive.members.clear()  # type: ignore[attr-defined]
                if member.isdir():
                    target.add_folder(member.name)
                elif member.isreg() and not member.issparse() and (content := archive.extractfile(member)):
                    metered.allowance += member.size
                    target.add_file(member.name, member.size, content)
                else:
                    raise _refusal(f"{member.name!r}, which is a link, a device or not a regular file")
                metered.allowance = HEADERS


def _unpack_zip(file: IO[bytes], target: _Target) -> None:
    with zipfile.ZipFile(file) as archive:
        for member in archive.infolist():
            # The upper half is the Unix mode, or zero if the archive was made on another system.
            kind = stat.S_IFMT(member.external_attr >> 16)
            if not member.filename:
                raise _refusal("a file without a name")
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise _refusal(f"{member.filename!r}, which is a link, a device or not a regular file")
            if member.is_dir():
                target.add_folder(member.filename)
            else:
                with archive.open(member) as content:
                    target.add_file(member.filename, member.file_size, content)


def _refusal(what: str) -> DownloadError:
    return DownloadError(
        f"the archive is refused and nothing is unpacked: it holds {what}; expected plain files in folders; "
        "get it from another source"
    )
