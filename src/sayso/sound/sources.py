"""Sound from wherever it is kept: a file, standard input, an object store; by ffmpeg what libsndfile cannot read."""

import contextlib
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from sayso.errors import AudioError, FormatError
from sayso.sound import audio
from sayso.sound.audio import Samples

STDIN = "-"
# What ffmpeg is asked for; video, too, has sound.
FFMPEG_SUFFIXES = frozenset(
    {
        *(".m4a", ".m4b", ".aac", ".ac3", ".amr", ".wma", ".wv", ".ape", ".mka"),
        *(".mp4", ".m4v", ".mov", ".3gp", ".webm", ".mkv", ".wmv", ".avi", ".flv", ".mpg", ".mpeg", ".ts"),
    }
)
SUFFIXES = audio.AUDIO_SUFFIXES | FFMPEG_SUFFIXES

# Sun's format has a header of seven fields, which is known before the length is, and any rate and number of channels.
_AU_HEADER = struct.Struct(">4s5I")
_AU_FLOATS = np.dtype(">f4")


def is_remote(name: str) -> bool:
    """Tell an address, such as s3://bucket/clip.wav, from a path."""
    return "://" in name


def read_chunks(name: str, sample_rate: int, chunk: float = 1.0) -> Iterator[Samples]:
    """Read sound piece by piece, in memory that does not grow with its length.

    Parameters
    ----------
    name : str
        A path, an address that fsspec knows, or "-" for standard input.
    sample_rate : int
        Wanted samples a second.
    chunk : float
        Seconds that are read at a time, about.

    Yields
    ------
    numpy.ndarray, shape (n,), dtype float32
        The next samples, at least one.

    Raises
    ------
    AudioError
        As `audio.read_chunks` does; if the format is none of libsndfile's, and ffmpeg is missing or cannot read it
        either; if it cannot be fetched.
    """
    with local(name) as path:
        try:
            try:
                yield from audio.read_chunks(path, sample_rate, chunk)
            except FormatError as error:
                yield from _by_ffmpeg(path, sample_rate, chunk, error)
        except AudioError as error:
            # A copy is called what it is a copy of.
            raise type(error)(str(error).replace(path, spoken_name(name))) from error


def spoken_name(name: str) -> str:
    """Return what to call a sound in talking to people."""
    return "standard input" if name == STDIN else name


@contextlib.contextmanager
def local(name: str) -> Iterator[str]:
    """Yield the path of a file with this sound: itself, or a copy that is there as long as the context.

    Raises
    ------
    AudioError
        If it cannot be fetched.
    """
    if name != STDIN and not is_remote(name):
        yield name
        return
    with tempfile.TemporaryDirectory(prefix="sayso.") as folder:
        path = Path(folder) / ("sound" + (Path(name).suffix if is_remote(name) else ""))
        with path.open("wb") as file:
            if name == STDIN:
                shutil.copyfileobj(sys.stdin.buffer, file)
            else:
                _fetch(name, file)
        yield str(path)


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


def _by_ffmpeg(path: str, sample_rate: int, chunk: float, refused: FormatError) -> Iterator[Samples]:
    """Decode with ffmpeg what libsndfile has refused."""
    program = shutil.which("ffmpeg")
    if program is None:
        raise FormatError(f"{refused}; or install ffmpeg, with which sayso reads more formats") from refused
    # The prefix keeps a name from being taken for an option or an address, the list what a playlist names from being
    # fetched. The first sound of a film is taken.
    command = (
        "-nostdin -v error -xerror -protocol_whitelist file,pipe -i file:{} -map 0:a:0 -c:a pcm_f32be -f au pipe:1"
    )
    arguments = [part.format(path) if part == "file:{}" else part for part in command.split()]
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen(
            [program, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log
        ) as process,
    ):
        try:
            assert process.stdout
            header = process.stdout.read(_AU_HEADER.size)
            if len(header) == _AU_HEADER.size:
                _, offset, _, _, rate, channels = _AU_HEADER.unpack(header)
                process.stdout.read(offset - len(header))
                size = max(round(chunk * rate), 1) * channels * _AU_FLOATS.itemsize
                yield from audio.from_blocks(_blocks(process, size, channels), channels, rate, sample_rate, path)
            if process.wait() or len(header) < _AU_HEADER.size:
                log.seek(0)
                lines = log.read().decode(errors="replace").strip().splitlines() or ["it gives no reason"]
                reason = lines[-1].removeprefix(f"file:{path}: ")
                raise FormatError(f"{refused}; ffmpeg cannot read it either: {reason}") from refused
        finally:
            process.kill()


def _blocks(process: subprocess.Popen[bytes], size: int, channels: int) -> Iterator[npt.NDArray[np.float32]]:
    assert process.stdout
    while data := process.stdout.read(size):
        whole = len(data) // (channels * _AU_FLOATS.itemsize) * channels
        yield np.frombuffer(data, _AU_FLOATS, whole).reshape(-1, channels).astype(np.float32)
