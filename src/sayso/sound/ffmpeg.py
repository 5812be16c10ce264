"""Sound files that libsndfile cannot read, decoded with the program ffmpeg if it is installed."""

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from sayso.errors import FormatError
from sayso.sound import uncompressed
from sayso.sound.forward import Forward
from sayso.sound.stream import Decoded

# File name suffixes of the formats that are left to ffmpeg, those of videos with sound among them.
SUFFIXES = frozenset(
    {
        *(".m4a", ".m4b", ".m4r", ".aac", ".ac3", ".eac3", ".amr", ".awb", ".wma", ".asf", ".wv", ".ape", ".mka"),
        *(
            ".weba",
            ".spx",
            ".gsm",
            ".tta",
            ".dts",
            ".mpc",
            ".shn",
            ".dsf",
            ".dff",
            ".ra",
            ".rm",
            ".tak",
            ".qcp",
            ".adts",
        ),
        *(".mp4", ".m4v", ".mov", ".3gp", ".3g2", ".webm", ".mkv", ".wmv", ".avi", ".flv", ".mpg", ".mpeg", ".ts"),
        *(".mts", ".m2ts", ".vob", ".ogv", ".ogx", ".f4v", ".f4a"),
    }
)


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
            # Sun's format: its header may leave the length open, and allows any rate and number of channels.
            found = uncompressed.decoded(Forward(process.stdout, name), name, chunk)
            if found is None:
                check()
                raise refused
            yield found._replace(blocks=_blocks(found, check))
        finally:
            process.kill()


def _blocks(found: Decoded, check: Callable[[], None]) -> Iterator[npt.NDArray[np.floating[Any]]]:
    """Yield what ffmpeg writes, and check at its end whether it failed."""
    yield from found.blocks
    check()
