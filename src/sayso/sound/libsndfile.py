"""A sound file, opened by libsndfile whatever it lies in, with a header that was not taken at its word."""

import contextlib
import io
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import soundfile

from sayso.errors import AudioError, FormatError

Source = Path | str | bytes | BinaryIO

LOWEST_RATE, HIGHEST_RATE = 1_000, 768_000
MOST_CHANNELS = 64

# libsndfile shortens a truncated file silently and notes it in its log: the bytes that the header declares, then those
# there are.
_SHORTENED = re.compile(
    r"^\s*(?:data|SSND|BODY|Data Size|riff|Riff size)\s*: (?P<declared>\d+) \(should be (?P<present>\d+)\)",
    re.MULTILINE,
)
# A program that writes to a pipe cannot know the length and declares one near the largest 31- or 32-bit number instead.
_ENDLESS = 0x7F00_0000


def name_of(source: Source) -> str:
    """Return what an error calls the source."""
    return str(source) if isinstance(source, str | Path) else "the given sound"


@contextlib.contextmanager
def opened(source: Source) -> Iterator[tuple[Any, str]]:
    """Open the source with libsndfile, check its header, and yield the SoundFile and the source's name in errors."""
    name = name_of(source)
    with contextlib.ExitStack() as stack:
        content = stack.enter_context(_binary_file(source, name))
        # libsndfile reads a file on disk by itself; through Python each of its small reads is a call.
        on_disk = isinstance(source, str | Path) and not isinstance(content, io.BytesIO)
        file = stack.enter_context(_sound_file(_system_path(name) if on_disk else content, name))
        log = file.extra_info
        if file.frames == 0 and "\ndata : 0\n" in log:
            # A recorder that was killed never wrote the length into its WAV header, and libsndfile believes the zero.
            content.seek(0)
            finished = content.read().replace(b"data\0\0\0\0", b"data\xff\xff\xff\xff", 1)
            file = stack.enter_context(_sound_file(io.BytesIO(finished), name))
        check_format(name, file.samplerate, file.channels)
        for found in _SHORTENED.finditer(log):
            declared, present = int(found["declared"]), int(found["present"])
            if present < declared < _ENDLESS:
                raise AudioError(
                    f"{name} is truncated: its header declares {declared} bytes, not {present}; copy or record it anew"
                )
        # soundfile seeks after each read to where it already stands, and fails to at the end of a FLAC stream of
        # undeclared length; blocks that are read in order never need it.
        file.seekable = lambda: False
        yield file, name


class _Steady:
    """A file that stays where it is when libsndfile, led by a damaged header, seeks to before its beginning.

    An error could not pass through libsndfile: its traceback would be printed, and the reading go on.
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


@contextlib.contextmanager
def _binary_file(source: Source, name: str) -> Iterator[BinaryIO]:
    """Yield the source as a binary file that can seek, standing at its beginning; close it if it was opened here."""
    with contextlib.ExitStack() as stack:
        try:
            if isinstance(source, str | Path):
                file: BinaryIO = stack.enter_context(Path(source).open("rb"))
            else:
                file = io.BytesIO(source) if isinstance(source, bytes) else source
            if not isinstance(file.read(0), bytes):
                raise AudioError(f'{name} is a file opened as text; open it with mode "rb"')
            if not file.seekable():
                file = io.BytesIO(file.read())
            size = file.seek(0, io.SEEK_END)
            file.seek(0)
        except (OSError, ValueError) as error:
            # ValueError: a path with a zero character, or a file that is already closed.
            reason = getattr(error, "strerror", None) or error
            raise AudioError(f"cannot read {name}: {reason}; give a sound file that exists and may be read") from error
        if size == 0:
            raise AudioError(f"{name} is empty (0 bytes); give a sound file, copied or recorded anew")
        yield file


def _system_path(name: str) -> str | bytes:
    """Return a path as soundfile takes it; as text it would refuse names that are no valid text."""
    return name if os.name == "nt" else os.fsencode(name)


def _sound_file(content: BinaryIO | str | bytes, name: str) -> Any:
    try:
        return soundfile.SoundFile(content if isinstance(content, str | bytes) else _Steady(content))
    except (soundfile.SoundFileError, TypeError) as error:
        # TypeError: soundfile wants to be told the format of a headerless file, which it knows by the suffix .raw.
        reason = getattr(error, "error_string", "").rstrip(". ") or "it has no header"
        raise FormatError(
            f"{name} is no sound file that can be read, or it is damaged: {reason}; convert it to WAV or FLAC"
        ) from error


def check_format(name: str, rate: float, channels: int) -> None:
    """Refuse what is no format of sound; `name` is what the error calls it.

    Raises
    ------
    AudioError
        If the rate is outside 1 kHz to 768 kHz, or there are no channels or more than 64.
    """
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise AudioError(
            f"{name} has a rate of {rate} Hz; expected {LOWEST_RATE} to {HIGHEST_RATE}; correct or convert it"
        )
    if not 1 <= channels <= MOST_CHANNELS:
        raise AudioError(
            f"{name} has {channels} channels; expected 1 to {MOST_CHANNELS}; an array has shape (n, channels)"
        )


def declared_frames(file: Any) -> int | None:
    """Return how many samples a channel the header declares, or None where it only guesses or does not know.

    MP3 has no such field, and libsndfile's guess is wrong by a multiple for a variable bit rate; for a FLAC stream of
    undeclared length libsndfile gives the largest number there is.
    """
    frames = int(file.frames)
    return None if file.format == "MP3" or frames > 2**62 else frames
