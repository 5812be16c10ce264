"""Where sound is read from: a path, bytes in memory, an open file, standard input or an address."""

import contextlib
import io
import os
import re
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO
from urllib.parse import urlsplit

from sayso.errors import ArgumentError, AudioError, FormatError
from sayso.sound.forward import Forward

Source = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO
"""Anything that sound can be read from; text is a path, an address, or "-" for standard input."""

STDIN = "-"
_COPIED_AT_ONCE = 2**20
# First bytes of the compressed formats, and of those that hold them.
_SIGNATURE = 12
_KNOWN = re.compile(
    rb"RIFF|RIFX|RF64|BW64|riff|FORM|caff|\.snd|dns\.|fLaC|OggS|ID3|#!AMR|NIST|Creative|PVF1| paf|fap |\x64\xa3"
    rb"|wvpk|MAC |TTA1|ajkg|\.RMF|DSD |FRM8|MPCK|MP\+|\x0b\x77|\x7f\xfe\x80\x01"
    rb"|FLV\x01|\x1a\x45\xdf\xa3|\x30\x26\xb2\x75|\x00\x00\x01[\xb3\xba]|\x47\x40|....(?:ftyp|moov|mdat|free|wide|skip)"
    # Frames of MPEG sound: a version, a layer, a bit rate and a sample rate that exist; or AAC.
    rb"|\xff[\xe2-\xe7\xf2-\xff][\x10-\xef]|\xff[\xf0\xf1\xf8\xf9]",
    re.DOTALL,
)


def is_remote(name: str) -> bool:
    """Return whether a name is an address, such as s3://bucket/clip.wav, and not a path."""
    return "://" in name


def name_of(source: Source) -> str:
    """Return what messages call a source."""
    if source == STDIN:
        return "standard input"
    return os.fspath(source) if isinstance(source, str | os.PathLike) else "the given sound"


def described(value: object) -> str:
    """Return what messages call an argument of the wrong type."""
    return "None" if value is None else f"an object of type {type(value).__name__}"


class Opened:
    """An open source, which can be read forward, and also as a whole.

    Attributes
    ----------
    forward : Forward
        Reads it as it comes, from its beginning.
    """

    def __init__(self, file: BinaryIO, name: str, path: Path | None = None) -> None:
        self._file, self._name, self._path = file, name, path
        size = None
        if self._can_seek():
            with reading(name):
                size = file.seek(0, io.SEEK_END)
                file.seek(0)
        self._seekable = size is not None
        self.forward = Forward(file, name, size)

    @contextlib.contextmanager
    def place(self) -> Iterator[Path | BinaryIO]:
        """Yield its path, or an open file that can seek; what can be read only once is first copied to a file."""
        if self._seekable:
            yield self._path or self._file
            return
        self.forward.rewind()
        if not _KNOWN.match(self.forward.peek(_SIGNATURE)):
            # What is endless would be copied for ever.
            raise FormatError(f"{self._name} does not begin as any format of sound that is known; convert it to WAV")
        with _temporary("") as path:
            self.forward.release()
            with reading(self._name), path.open("wb") as copied:
                while data := self.forward.read(_COPIED_AT_ONCE):
                    copied.write(data)
            yield path

    def _can_seek(self) -> bool:
        if self._path:
            # A device may claim to be able to.
            return stat.S_ISREG(os.fstat(self._file.fileno()).st_mode)
        with reading(self._name):
            if not isinstance(self._file.read(0), bytes):
                raise AudioError(f'{self._name} is a file opened as text; open it with mode "rb"')
            return self._file is not sys.stdin.buffer and self._file.seekable()


@contextlib.contextmanager
def opened(source: Source, only_files: bool = False) -> Iterator[Opened]:
    """Open a source; an address is first copied to a temporary file, which is deleted when the context ends.

    Parameters
    ----------
    source : Path, str, bytes or binary file object
        What to open.
    only_files : bool
        Whether to refuse a path that is not a regular file, without opening it: a pipe that nobody writes to waits for
        ever.

    Raises
    ------
    ArgumentError
        If it is not a source of sound.
    AudioError
        If the source cannot be fetched or read, or is a file opened as text.
    """
    name = name_of(source)
    if isinstance(source, bytes | bytearray | memoryview):
        yield Opened(io.BytesIO(source), name)
    elif isinstance(source, str) and is_remote(source):
        with fetched(source) as path, binary_file(path, name) as file:
            yield Opened(file, name, path)
    elif source == STDIN:
        if sys.stdin is None:
            raise AudioError("there is no standard input; give a file")
        yield Opened(sys.stdin.buffer, name)
    elif isinstance(source, str | os.PathLike):
        path = Path(source)
        if only_files and _is_special(path):
            raise AudioError(f"{name} is a pipe or a device, not a regular file; save the sound in a file")
        with binary_file(path, name) as file:
            yield Opened(file, name, path)
    elif not callable(getattr(source, "read", None)):
        raise ArgumentError(
            f"sound cannot be read from {described(source)}; give a path, the bytes of a sound file, a file opened "
            'with mode "rb", or an array of samples with its sample_rate'
        )
    else:
        yield Opened(source, name)


@contextlib.contextmanager
def fetched(address: str) -> Iterator[Path]:
    """Yield the path of a copy of what an address holds, which is deleted when the context ends."""
    with _temporary(PurePosixPath(urlsplit(address).path).suffix) as path:
        _fetch(address, path)
        yield path


@contextlib.contextmanager
def on_disk(place: Path | BinaryIO) -> Iterator[str]:
    """Yield the path of a file: its own, or that of a copy that is deleted when the context ends."""
    if isinstance(place, Path):
        yield str(place)
        return
    with _temporary("") as path:
        with reading("the given sound"), path.open("wb") as copied:
            place.seek(0)
            shutil.copyfileobj(place, copied)
        yield str(path)


class Window:
    """A part of a file that can seek, as a file of its own."""

    def __init__(self, file: BinaryIO, start: int, stop: int) -> None:
        self.start = start
        self._file, self._stop, self._at = file, stop, start

    def tell(self) -> int:
        """Return the position within the part."""
        return self._at - self.start

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a position within the part."""
        base = {io.SEEK_SET: self.start, io.SEEK_CUR: self._at, io.SEEK_END: self._stop}[whence]
        if base + offset < self.start:
            raise ValueError("a position before the beginning")
        self._at = base + offset
        return self.tell()

    def read(self, size: int = -1) -> bytes:
        """Read up to so many bytes."""
        left = max(self._stop - self._at, 0)
        self._file.seek(self._at)
        data = self._file.read(left if size < 0 else min(size, left))
        self._at += len(data)
        return data


@contextlib.contextmanager
def binary_file(place: Path | BinaryIO, name: str) -> Iterator[BinaryIO]:
    """Yield a path, or an open file, as an open file; close it only if it was opened here."""
    if not isinstance(place, Path):
        yield place
        return
    with reading(name):
        file = place.open("rb")
    with file:
        yield file


@contextlib.contextmanager
def reading(name: str) -> Iterator[None]:
    """Raise an AudioError for what goes wrong in opening or reading a file; `name` is what the error calls it."""
    try:
        yield
    except (OSError, ValueError) as error:
        # ValueError: a path with a zero character, or a file that is already closed.
        reason = getattr(error, "strerror", None) or error
        raise AudioError(f"cannot read {name}: {reason}; give a sound file that exists and may be read") from error


def _is_special(path: Path) -> bool:
    """Return whether a path is a named pipe or a device; what is missing or unreadable is neither."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


@contextlib.contextmanager
def _temporary(suffix: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="sayso.") as folder:
        yield Path(folder) / f"sound{suffix}"


def _fetch(address: str, path: Path) -> None:
    try:
        import fsspec
    except ImportError as error:
        raise AudioError(f'reading {address} needs fsspec: pip install "sayso[dask]"') from error
    try:
        with fsspec.open(address, "rb") as source, path.open("wb") as file:
            shutil.copyfileobj(source, file)
    except Exception as error:  # each file system of fsspec raises its own errors
        reason = str(error) or type(error).__name__
        raise AudioError(f"cannot fetch {address}: {reason}; correct the address, or copy the file here") from error
