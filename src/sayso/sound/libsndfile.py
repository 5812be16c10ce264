"""Sound files read with libsndfile, whose headers are checked before they are believed."""

import contextlib
import io
import os
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

import soundfile

from sayso.errors import AudioError, FormatError
from sayso.sound.joined import beginnings
from sayso.sound.sources import Window, binary_file, reading
from sayso.sound.stream import Decoded, Level, Samples, block_length, check_format
from sayso.sound.uncompressed import UNDECLARED, is_miscounted

# File name suffixes of the formats that libsndfile reads.
SUFFIXES = frozenset(
    {
        *(".wav", ".wave", ".bwf", ".w64", ".rf64", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".mp2", ".mp1"),
        *(".aiff", ".aif", ".aifc", ".au", ".snd", ".caf", ".sph", ".nist", ".voc", ".paf", ".pvf", ".sf", ".ircam"),
        *(".avr", ".8svx", ".sds", ".sd2", ".wve"),
    }
)
# libsndfile silently shortens a truncated file; only its log shows how many bytes the header declares, and how many
# there are.
_SHORTENED = re.compile(
    r"^\s*(?:data|SSND|BODY|Data Size|riff|Riff size)\s*: (?P<declared>\d+) \(should be (?P<present>\d+)\)",
    re.MULTILINE,
)


@contextlib.contextmanager
def decoded(place: Path | BinaryIO, name: str, chunk: float) -> Iterator[Decoded]:
    """Open a sound file, check its header, and yield what decodes it and what may be joined to it.

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
        If the file cannot be read or is truncated, or has a rate or number of channels outside the limits; from the
        blocks, if there are fewer samples than the header declares, they cannot be decoded, or a sound that is joined
        has another format.
    """
    with contextlib.ExitStack() as stack:
        content = stack.enter_context(binary_file(place, name))
        with reading(name):
            size = content.seek(0, io.SEEK_END)
            starts = beginnings(content, size, name)
            content.seek(0)
        if len(starts) == 1:
            # Given a path, libsndfile reads the file itself; through Python each of its small reads is a call.
            file = stack.enter_context(_sound_file(_system_path(place) if isinstance(place, Path) else content, name))
            yield _checked(file, name, chunk, size)
            return
        windows = [Window(content, start, stop) for start, stop in pairwise([*starts, size])]
        first = _checked(stack.enter_context(_sound_file(windows[0], name)), name, chunk, size)

        def blocks() -> Iterator[Samples]:
            yield from first.blocks
            for window in windows[1:]:
                left = size - window.start
                try:
                    with _sound_file(window, name) as file:
                        part = _checked(file, name, chunk, left)
                        if (part.channels, part.rate) != (first.channels, first.rate):
                            raise AudioError("it has another rate or number of channels")
                        yield from part.blocks
                except AudioError as error:
                    raise AudioError(
                        f"{name} holds another sound after the first {window.start} bytes, and the {left} bytes from "
                        f"there cannot be read: {error}; split it there"
                    ) from error

        yield first._replace(blocks=blocks(), length=None)


def _checked(file: Any, name: str, chunk: float, size: int) -> Decoded:
    """Return what decodes an open file, or raise AudioError if its header shows that something is missing."""
    check_format(name, file.samplerate, file.channels)
    for found in _SHORTENED.finditer(file.extra_info):
        declared, present = int(found["declared"]), int(found["present"])
        if present < declared < UNDECLARED and not is_miscounted(declared - present, size - present):
            raise AudioError(
                f"{name} is truncated: its header declares {declared} bytes, not {present}; copy or record it again"
            )
    # After each read soundfile seeks to the position that it already has, which fails at the end of a FLAC stream of
    # undeclared length. Blocks are read in order here and need no seeking.
    file.seekable = lambda: False
    length = _declared_length(file)
    level: Level = "float" if file.subtype in ("FLOAT", "DOUBLE") else "fixed"
    return Decoded(_blocks(file, name, chunk, length), file.channels, file.samplerate, length, level)


class _Steady:
    """A file that keeps its position when libsndfile, misled by a damaged header, seeks to before its beginning.

    An exception cannot pass through libsndfile: its traceback would be printed, and reading would go on.
    """

    def __init__(self, file: BinaryIO | Window) -> None:
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


def _sound_file(content: BinaryIO | Window | str | bytes, name: str) -> Any:
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

    MPEG sound has no such field, and for a variable bit rate libsndfile's guess is wrong by a multiple. For a FLAC
    stream of undeclared length libsndfile returns the largest 64-bit number.
    """
    frames = int(file.frames)
    return None if file.subtype.startswith("MPEG") or frames > 2**62 else frames


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
