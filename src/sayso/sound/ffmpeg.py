"""Sound files that libsndfile cannot read, decoded with the program ffmpeg if it is installed."""

import shutil
import struct
import subprocess
import tempfile
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from sayso.errors import FormatError
from sayso.sound.stream import Samples, block_length, check_format, from_blocks

# File name suffixes of the formats that are left to ffmpeg, those of videos with sound among them.
SUFFIXES = frozenset(
    {
        *(".m4a", ".m4b", ".aac", ".ac3", ".amr", ".wma", ".wv", ".ape", ".mka"),
        *(".mp4", ".m4v", ".mov", ".3gp", ".webm", ".mkv", ".wmv", ".avi", ".flv", ".mpg", ".mpeg", ".ts"),
    }
)

# ffmpeg writes to a pipe in Sun's format: its header may leave the length open, and allows any rate and number of
# channels. The header begins with magic number, offset of the samples, length, encoding, rate and channels.
_AU_HEADER = struct.Struct(">4s5I")
_AU_FLOATS = np.dtype(">f4")


def read_chunks(path: str, name: str, sample_rate: int, chunk: float, refused: FormatError) -> Iterator[Samples]:
    """Read a file piece by piece, as `audio.read_chunks` does.

    Parameters
    ----------
    path, name : str
        The file, and what errors call it.
    sample_rate : int
        Wanted sample rate in Hz.
    chunk : float
        Seconds to read at a time.
    refused : FormatError
        Why libsndfile cannot read it.

    Yields
    ------
    numpy.ndarray, shape (n,), dtype float32
        The next samples, at least one.

    Raises
    ------
    FormatError
        If ffmpeg is not installed, or cannot read the file either.
    AudioError
        As `audio.from_array`.
    """
    program = shutil.which("ffmpeg")
    if program is None:
        raise FormatError(f"{refused}; or install ffmpeg, with which sayso reads more formats") from refused
    # With the prefix file: a name is never an option or an address; the whitelist keeps playlists from fetching what
    # they name. Of several audio streams the first is taken.
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
                check_format(name, rate, channels)
                blocks = _blocks(process, block_length(chunk, rate, channels), channels)
                yield from from_blocks(blocks, channels, rate, sample_rate, name)
            if process.wait() or len(header) < _AU_HEADER.size:
                log.seek(0)
                lines = log.read().decode(errors="replace").strip().splitlines() or ["it gives no reason"]
                reason = lines[-1].removeprefix(f"file:{path}: ")
                raise FormatError(f"{refused}; ffmpeg cannot read it either: {reason}") from refused
        finally:
            process.kill()


def _blocks(process: subprocess.Popen[bytes], length: int, channels: int) -> Iterator[npt.NDArray[np.float32]]:
    """Yield what ffmpeg writes, shape (up to `length`, channels); a last sample that lacks a channel is left out."""
    assert process.stdout
    frame = channels * _AU_FLOATS.itemsize
    while data := process.stdout.read(length * frame):
        yield np.frombuffer(data, _AU_FLOATS, len(data) // frame * channels).reshape(-1, channels).astype(np.float32)
