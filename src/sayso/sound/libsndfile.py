"""Sound files read with libsndfile, whose headers are checked before they are believed."""

import contextlib
import io
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import soundfile

from sayso.errors import AudioError, FormatError
from sayso.sound.sources import binary_file, reading
from sayso.sound.stream import Decoded, Samples, block_length, check_format

# File name suffixes of the formats that libsndfile reads.
SUFFIXES = frozenset(
    {
        *(".wav", ".wave", ".w64", ".rf64", ".flac", ".ogg", ".oga", ".opus", ".mp3"),
        *(".aiff", ".aif", ".aifc", ".au", ".caf"),
    }
)
# libsndfile silently shortens a truncated file; only its log shows how many bytes the header declares, and how many
# there are.
_SHORTENED = re.compile(
    r"^\s*(?:data|SSND|BODY|Data Size|riff|Riff size)\s*: (?P<declared>\d+) \(should be (?P<present>\d+)\)",
    re.MULTILINE,
)
# A program that writes to a pipe does not know the length yet, and declares one near the largest 31- or 32-bit number.
_UNDECLARED = 0x7F00_0000


@contextlib.contextmanager
def decoded(place: Path | BinaryIO, name: str, chunk: float) -> Iterator[Decoded]:
    """Open a sound file, check its header, and yield what decodes it.

    Parameters
    ----------
    place : Path or binary file object
        A path, or an open file that can seek, which is read from its beginning and left open.
    name : str
        What errors call it.
    chunk : float
        Seconds to decode at a time.

    Raises
    ------
    FormatError
        If libsndfile does not know the format.
    AudioError
        If the file cannot be read, is empty or truncated, or has a rate or number of channels outside the limits; from
        the blocks, if there are fewer samples than the header declares, or they cannot be decoded.
    """
    with contextlib.ExitStack() as stack:
        content = stack.enter_context(binary_file(place, name))
        with reading(name):
            size = content.seek(0, io.SEEK_END)
            content.seek(0)
        if size == 0:
            raise AudioError(f"{name} is empty (0 bytes); copy or record it again")
        # Given a path, libsndfile reads the file itself; through Python each of its small reads is a call.
        file = stack.enter_context(_sound_file(_system_path(place) if isinstance(place, Path) else content, name))
        log = file.extra_info
        if file.frames == 0 and "\ndata : 0\n" in log:
            # A recorder that was killed left the length in its WAV header at zero, which libsndfile believes.
            content.seek(0)
            finished = content.read().replace(b"data\0\0\0\0", b"data\xff\xff\xff\xff", 1)
            file = stack.enter_context(_sound_file(io.BytesIO(finished), name))
        check_format(name, file.samplerate, file.channels)
        for found in _SHORTENED.finditer(log):
            declared, present = int(found["declared"]), int(found["present"])
            if present < declared < _UNDECLARED:
                raise AudioError(
                    f"{name} is truncated: its header declares {declared} bytes, not {present}; copy or record it again"
                )
        # After each read soundfile seeks to the position that it already has, which fails at the end of a FLAC stream
        # of undeclared length. Blocks are read in order here and need no seeking.
        file.seekable = lambda: False
        length = _declared_length(file)
        yield Decoded(_blocks(file, name, chunk, length), file.channels, file.samplerate, length)


class _Steady:
    """A file that keeps its position when libsndfile, misled by a damaged header, seeks to before its beginning.

    An exception cannot pass through libsndfile: its traceback would be printed, and reading would go on.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.tell, self.read = file.tell, file.read
        if hasattr(file, "readinto"):
            self.readinto = file.readinto

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        try:
            return self._file.seek(offset, whence)
        except (OSError, ValueError, OverflowError):
            return self._file.tell()


def _system_path(path: Path) -> str | bytes:
    """Return a path as soundfile takes it, which refuses text that is not valid Unicode, and takes - for a pipe."""
    name = "./-" if str(path) == "-" else str(path)
    return name if os.name == "nt" else os.fsencode(name)


def _sound_file(content: BinaryIO | str | bytes, name: str) -> Any:
    try:
        return soundfile.SoundFile(content if isinstance(content, str | bytes) else _Steady(content))
    except (soundfile.SoundFileError, TypeError) as error:
        # TypeError: for a file with the suffix .raw, which has no header, soundfile requires the format.
        reason = getattr(error, "error_string", "").rstrip(". ") or "it has no header"
        raise FormatError(
            f"{name} is not a sound file that can be read, or it is damaged: {reason}; convert it to WAV or FLAC"
        ) from error


def _declared_length(file: Any) -> int | None:
    """Return how many samples per channel the header declares, or None if it does not.

    MP3 has no such field, and for a variable bit rate libsndfile's guess is wrong by a multiple. For a FLAC stream of
    undeclared length libsndfile returns the largest 64-bit number.
    """
    frames = int(file.frames)
    return None if file.format == "MP3" or frames > 2**62 else frames


def _blocks(file: Any, name: str, chunk: float, declared: int | None) -> Iterator[Samples]:
    size, count = block_length(chunk, file.samplerate, file.channels), 0
    while declared is None or count < declared:
        try:
            block = file.read(size, dtype="float32", always_2d=True)
        except soundfile.SoundFileError as error:
            raise AudioError(
                f"{name} cannot be decoded beyond sample {count}: it is truncated or damaged; copy or record it again"
            ) from error
        if len(block) == 0:
            break
        count += len(block)
        yield block
    if declared is not None and count < declared:
        raise AudioError(
            f"{name} is truncated: its header declares {declared} samples, not {count}; copy or record it again"
        )
