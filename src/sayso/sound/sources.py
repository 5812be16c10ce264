"""Where sound is read from: a path, bytes in memory, an open file, standard input or an address."""

import contextlib
import io
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO
from urllib.parse import urlsplit

from sayso.errors import ArgumentError, AudioError

Source = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO
"""Anything that sound can be read from; text is a path, an address, or "-" for standard input."""

STDIN = "-"


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


@contextlib.contextmanager
def local(source: Source) -> Iterator[Path | BinaryIO]:
    """Yield a source as a file on this machine, or as an open file that can seek.

    What can be read only once (standard input, a pipe, an address) is copied to a temporary file, which is deleted when
    the context ends.

    Raises
    ------
    ArgumentError
        If it is not a source of sound.
    AudioError
        If the source cannot be fetched or read, or is a file opened as text.
    """
    name = name_of(source)
    if isinstance(source, bytes | bytearray | memoryview):
        yield io.BytesIO(source)
    elif isinstance(source, str) and is_remote(source):
        with _temporary(PurePosixPath(urlsplit(source).path).suffix) as path:
            _fetch(source, path)
            yield path
    elif source == STDIN:
        with _copy(sys.stdin.buffer, name) as path:
            yield path
    elif isinstance(source, str | os.PathLike):
        path = Path(source)
        if _is_pipe(path):
            with binary_file(path, name) as pipe, _copy(pipe, name) as copied:
                yield copied
        else:
            yield path
    elif not callable(getattr(source, "read", None)):
        raise ArgumentError(
            f"sound cannot be read from {described(source)}; give a path, the bytes of a sound file, a file opened "
            'with mode "rb", or an array of samples with its sample_rate'
        )
    elif _can_seek(source, name):
        yield source
    else:
        with _copy(source, name) as path:
            yield path


@contextlib.contextmanager
def on_disk(place: Path | BinaryIO) -> Iterator[str]:
    """Yield the path of what `local` yields: its own, or that of a copy that is deleted when the context ends."""
    if isinstance(place, Path):
        yield str(place)
        return
    place.seek(0)
    with _copy(place, name_of(place)) as path:
        yield str(path)


@contextlib.contextmanager
def binary_file(place: Path | BinaryIO, name: str) -> Iterator[BinaryIO]:
    """Yield what `local` yields as an open file; close it only if it was opened here."""
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


def _can_seek(file: BinaryIO, name: str) -> bool:
    with reading(name):
        if not isinstance(file.read(0), bytes):
            raise AudioError(f'{name} is a file opened as text; open it with mode "rb"')
        return file.seekable()


def _is_pipe(path: Path) -> bool:
    """Return whether a path is a named pipe or a device; what is missing or unreadable is neither."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


@contextlib.contextmanager
def _copy(file: BinaryIO, name: str) -> Iterator[Path]:
    with _temporary("") as path:
        with reading(name), path.open("wb") as copied:
            shutil.copyfileobj(file, copied)
        yield path


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
