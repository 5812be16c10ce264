"""Unpack archives that need not be trusted: only plain files and folders, within one new folder and a limited size.

An archive with anything else is refused as a whole, and what was already unpacked is removed.
"""

import bz2
import contextlib
import copy
import gzip
import io
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import IO

from sayso.errors import DownloadError, StorageError, shown, untrusted

CHUNK = 1 << 18
# Files, and folders that had to be created for them.
MOST_ENTRIES = 500_000
# Folders within folders, and bytes of one name: more could not be removed again, or not be created.
DEEPEST, LONGEST_NAME = 16, 255
# Bytes that a tar archive is read ahead, and that it may have besides between the contents of two files: headers, long
# names, padding. A parsed header takes many times its bytes.
AHEAD, HEADERS = 1 << 16, 1 << 16
# Bytes of the table of contents of a zip archive, which is held in memory as a whole: at most 365,000 files.
MOST_CONTENTS = 16 << 20
# Compressions of zip archives whose memory can be bounded.
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)


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
            with (
                archive.open("rb") as file,
                untrusted(
                    lambda reason: DownloadError(
                        f"the archive {archive} is damaged or not an archive: {reason}; download it again"
                    )
                ),
            ):
                kind = _unpack_zip if file.read(2) == b"PK" else _unpack_tar
                file.seek(0)
                kind(file, _Target(folder, limit, lambda: progress(file.tell(), total)))
        except BaseException:
            with contextlib.suppress(OSError):
                remove(folder)
            raise
        progress(total, total)
    except OSError as error:
        raise StorageError(
            f"cannot unpack {archive} into {folder}: {error.strerror or error}; free space or choose another folder"
        ) from error


def remove(folder: Path) -> None:
    """Remove a folder with everything in it, however deep: `shutil.rmtree` calls itself for each level."""
    folders = [str(folder)]
    for place in folders:  # which grows
        with os.scandir(place) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                else:
                    Path(entry.path).unlink()
    for place in reversed(folders):
        Path(place).rmdir()


class _Target:
    """The new folder, in which files and folders are created unless they do not belong there."""

    def __init__(self, folder: Path, limit: int, progress: Callable[[], None]) -> None:
        self._folder = folder
        self._limit = limit
        self._progress = progress
        self._bytes = 0
        self._entries = 0

    def add_folder(self, name: str) -> None:
        self._create(self._place(name), name)

    def add_file(self, name: str, size: int, content: IO[bytes]) -> None:
        path = self._place(name)
        self._bytes += size
        if self._bytes > self._limit:
            raise _refusal(f"more than {self._limit:,} bytes")
        self._create(path.parent, name)
        try:
            with path.open("xb") as file:
                while size and (block := content.read(min(size, CHUNK))):
                    file.write(block)
                    size -= len(block)
                    self._progress()
        except FileExistsError as error:
            raise _refusal(f"{shown(name)} twice") from error
        # Some checksums are only compared at the end.
        if size or content.read(1):
            raise EOFError(f"{shown(name)} is not as long as declared")

    def _create(self, folder: Path, name: str) -> None:
        """Create the folder of an entry and those above it, which count as entries, too."""
        if folder.is_dir():
            return
        self._count(len(folder.relative_to(self._folder).parts))
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            raise _refusal(f"{shown(name)} both as a file and as a folder") from error

    def _count(self, entries: int) -> None:
        self._entries += entries
        if self._entries > MOST_ENTRIES:
            raise _refusal(f"more than {MOST_ENTRIES:,} files and folders")

    def _place(self, name: str) -> Path:
        """Return the path of an entry; backslashes and colons would lead outside on Windows."""
        self._count(1)
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or any(character in name for character in "\\:\0"):
            raise _refusal(f"{shown(name)}, which leads outside its folder")
        if len(path.parts) > DEEPEST:
            raise _refusal(f"{shown(name)}, which is more than {DEEPEST} folders deep")
        if any(len(part.encode("utf-8", "surrogateescape")) > LONGEST_NAME for part in path.parts):
            raise _refusal(f"{shown(name)}, a name of more than {LONGEST_NAME} bytes")
        return self._folder / path


class _Metered(io.RawIOBase):
    """A stream that can be read only as far as its allowance, so that a small archive cannot fill the memory."""

    def __init__(self, stream: gzip.GzipFile) -> None:
        self._stream = stream
        self.allowance = AHEAD + HEADERS

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
        with tarfile.open(mode="r|", fileobj=metered, bufsize=AHEAD) as archive:
            while member := archive.next():
                # tarfile keeps a list of all members, which is not needed here and would grow.
                archive.members.clear()  # type: ignore[attr-defined]
                # So would the headers for all files that follow; names and sizes are in those of single files.
                archive.pax_headers = {}
                if member.isdir():
                    target.add_folder(member.name)
                elif member.isreg() and not member.issparse() and (content := archive.extractfile(member)):
                    metered.allowance += member.size
                    target.add_file(member.name, member.size, content)
                else:
                    raise _refusal(f"{shown(member.name)}, which is a link, a device or not a regular file")
                metered.allowance = AHEAD + HEADERS


class _Modest(io.RawIOBase):
    """A file of which no more is read at once than a table of contents may have, as `zipfile` reads it in one piece."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def read(self, size: int = -1, /) -> bytes:
        if size > MOST_CONTENTS:
            raise _refusal(f"a table of contents of more than {MOST_CONTENTS:,} bytes")
        return self._file.read(size)


def _unpack_zip(file: IO[bytes], target: _Target) -> None:
    with zipfile.ZipFile(_Modest(file)) as archive:
        for member in archive.infolist():
            # The upper half is the Unix mode, or zero if the archive was made on another system.
            kind = stat.S_IFMT(member.external_attr >> 16)
            if not member.filename:
                raise _refusal("a file without a name")
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise _refusal(f"{shown(member.filename)}, which is a link, a device or not a regular file")
            if member.is_dir():
                target.add_folder(member.filename)
            else:
                with _content(archive, member) as content:
                    target.add_file(member.filename, member.file_size, content)


def _content(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> IO[bytes]:
    """Open a file in a zip archive, so that reading a part of it takes little memory."""
    if member.compress_type not in METHODS:
        raise _refusal(f"{shown(member.filename)}, compressed by a rare method")
    if member.compress_type != zipfile.ZIP_BZIP2:
        return archive.open(member)
    # `zipfile` decompresses each block that it reads as a whole, and bzip2 makes gigabytes of 4 kB. So only the
    # compressed bytes are read through it; they have checksums of their own.
    packed = copy.copy(member)
    packed.compress_type, packed.file_size = zipfile.ZIP_STORED, member.compress_size
    del packed.CRC
    return bz2.BZ2File(archive.open(packed))


def _refusal(what: str) -> DownloadError:
    return DownloadError(
        f"the archive is refused and nothing is unpacked: it holds {what}; expected plain files in folders; "
        "get it from another source"
    )
