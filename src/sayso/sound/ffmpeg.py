"""Sound that libsndfile cannot read, decoded by ffmpeg where that is installed."""

import shutil
import struct
import subprocess
import tempfile
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from sayso.errors import FormatError
from sayso.sound.stream import Samples, from_blocks

# What ffmpeg is asked for; video, too, has sound.
SUFFIXES = frozenset(
    {
        *(".m4a", ".m4b", ".aac", ".ac3", ".amr", ".wma", ".wv", ".ape", ".mka"),
        *(".mp4", ".m4v", ".mov", ".3gp", ".webm", ".mkv", ".wmv", ".avi", ".flv", ".mpg", ".mpeg", ".ts"),
    }
)

# Sun's format has a header of seven fields, which is known before the length is, and any rate and number of channels.
_AU_HEADER = struct.Struct(">4s5I")
_AU_FLOATS = np.dtype(">f4")


def read_chunks(path: str, name: str, sample_rate: int, chunk: float, refused: FormatError) -> Iterator[Samples]:
    """Read a file piece by piece, as `audio.read_chunks` does.

    Parameters
    ----------
    path, name : str
        The file, and what an error calls it.
    sample_rate : int
        Wanted samples a second.
    chunk : float
        Seconds that are read at a time.
    refused : FormatError
        Why libsndfile did not read it.

    Yields
    ------
    numpy.ndarray, shape (n,), dtype float32
        The next samples, at least one.

    Raises
    ------
    FormatError
        If ffmpeg is not installed, or cannot read the file either.
    """
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
                yield from from_blocks(_blocks(process, size, channels), channels, rate, sample_rate, name)
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
