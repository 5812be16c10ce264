"""Where sound is kept: in a file, in memory, on standard input, at an address."""

import contextlib
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from sayso.errors import AudioError

Source = Path | str | bytes | BinaryIO
"""Whatever sound is taken from; text is a path, an address, or "-" for standard input."""

Place = Path | str | bytes | BinaryIO
"""Sound on this machine; text is a path."""

STDIN = "-"


def is_remote(name: str) -> bool:
    """Tell an address, such as s3://bucket/clip.wav, from a path."""
    return "://" in name


def name_of(source: Source) -> str:
    """Return what to call a sound in talking to people."""
    if source == STDIN:
        return "standard input"
    return str(source) if isinstance(source, str | Path) else "the given sound"


@contextlib.contextmanager
def local(source: Source) -> Iterator[Place]:
    """Yield the sound on this machine: the source itself, or a copy that is there as long as the context.

    Raises
    ------
    AudioError
        If it cannot be fetched.
    """
    if not isinstance(source, str) or (source != STDIN and not is_remote(source)):
        yield source
        return
    with _temporary(Path(source).suffix if is_remote(source) else "") as path:
        with path.open("wb") as file:
            if source == STDIN:
                shutil.copyfileobj(sys.stdin.buffer, file)
            else:
                _fetch(source, file)
        yield path


@contextlib.contextmanager
def on_disk(place: Place) -> Iterator[str]:
    """Yield the path of a file with this sound: its own, or that of a copy that is there as long as the context."""
    if isinstance(place, str | Path):
        yield str(place)
        return
    with _temporary("") as path:
        with path.open("wb") as file:
            if isinstance(place, bytes):
                file.write(place)
            else:
                place.seek(0)
                shutil.copyfileobj(place, file)
        yield str(path)


@contextlib.contextmanager
def _temporary(suffix: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="sayso.") as folder:
        yield Path(folder) / f"sound{suffix}"


def _fetch(address: str, file: BinaryIO) -> None:
    try:
        import fsspec
    except ImportError as error:
        raise AudioError(f'reading {address} needs fsspec: pip install "sayso[dask]"') from error
    try:
        with fsspec.open(address, "rb") as source:
            shutil.copyfileobj(source, file)
    except Exception as error:  # each kind of store has errors of its own
        reason = str(error) or type(error).__name__
        raise AudioError(f"cannot fetch {address}: {reason}; correct the address, or copy the file here") from error
