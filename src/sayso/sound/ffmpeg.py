"""Sound files that libsndfile cannot read, decoded with the program ffmpeg if it is installed."""

import contextlib
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from typing import IO

import numpy as np
import numpy.typing as npt

from sayso.errors import FormatError
from sayso.sound.stream import Decoded, block_length, check_format

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


@contextlib.contextmanager
def decoded(path: str, name: str, chunk: float, refused: FormatError) -> Iterator[Decoded]:
    """Start ffmpeg on a file and yield what decodes it.

    Parameters
    ----------
    path, name : str
        The file, and what errors call it.
    chunk : float
        Seconds to decode at a time.
    refused : FormatError
        Why libsndfile cannot read the file.

    Raises
    ------
    FormatError
        If ffmpeg is not installed, or cannot read the file either, which may show only in the blocks.
    AudioError
        If the file has a rate or number of channels outside the limits.
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

        def check() -> None:
            if process.wait():
                log.seek(0)
                lines = log.read().decode(errors="replace").strip().splitlines() or ["it gives no reason"]
                reason = lines[-1].removeprefix(f"file:{path}: ")
                raise FormatError(f"{refused}; ffmpeg cannot read it either: {reason}") from refused

        try:
            assert process.stdout
            header = process.stdout.read(_AU_HEADER.size)
            if len(header) < _AU_HEADER.size:
                check()
                raise refused
            _, offset, _, _, rate, channels = _AU_HEADER.unpack(header)
            process.stdout.read(offset - len(header))
            check_format(name, rate, channels)
            length = block_length(chunk, rate, channels)
            yield Decoded(_blocks(process.stdout, length, channels, check), channels, rate, None)
        finally:
            process.kill()


def _blocks(
    output: IO[bytes], length: int, channels: int, check: Callable[[], None]
) -> Iterator[npt.NDArray[np.float32]]:
    """Yield what ffmpeg writes, shape (up to `length`, channels), and check at its end whether it failed."""
    frame = channels * _AU_FLOATS.itemsize
    while data := output.read(length * frame):
        # Of a stream that breaks off, a last sample may lack a channel.
        yield np.frombuffer(data, _AU_FLOATS, len(data) // frame * channels).reshape(-1, channels).astype(np.float32)
    check()
