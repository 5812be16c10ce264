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
from sayso.sound.sources import Place
from sayso.sound.stream import Samples, check_format

# Formats that libsndfile knows, by the suffixes that their files have.
SUFFIXES = frozenset(
    {
        *(".wav", ".wave", ".w64", ".rf64", ".flac", ".ogg", ".oga", ".opus", ".mp3"),
        *(".aiff", ".aif", ".aifc", ".au", ".caf"),
    }
)
# Numbers decoded at a time, all channels together: a second of ordinary sound, and 16 MB of any.
MOST_AT_ONCE = 2**22
# libsndfile shortens a truncated file silently and notes it in its log: the bytes that the header declares, then those
# there are.
_SHORTENED = re.compile(
    r"^\s*(?:data|SSND|BODY|Data Size|riff|Riff size)\s*: (?P<declared>\d+) \(should be (?P<present>\d+)\)",
    re.MULTILINE,
)
# A program that writes to a pipe cannot know the length and declares one near the largest 31- or 32-bit number instead.
_ENDLESS = 0x7F00_0000


@contextlib.contextmanager
def opened(source: Place, name: str) -> Iterator[Any]:
    """Open a sound with libsndfile, check its header, and yield the SoundFile.

    Parameters
    ----------
    source : Path, str, bytes or binary file object
        A path, the content of a file, or an open file, which is read from its beginning and left open.
    name : str
        What an error calls it.

    Raises
    ------
    FormatError
        If libsndfile does not know the format.
    AudioError
        If it cannot be read, is empty or truncated, or its rate or number of channels is none that sound has.
    """
    with contextlib.ExitStack() as stack:
        content = stack.enter_context(_binary_file(source, name))
        # libsndfile reads a file on disk by itself; through Python each of its small reads is a call.
        on_disk = isinstance(source, str | Path) and not isinstance(content, io.BytesIO)
        file = stack.enter_context(_sound_file(_system_path(str(source)) if on_disk else content, name))
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
        yield file


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
def _binary_file(source: Place, name: str) -> Iterator[BinaryIO]:
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


def _system_path(path: str) -> str | bytes:
    """Return a path as soundfile takes it; as text it would refuse names that are no valid text."""
    return path if os.name == "nt" else os.fsencode(path)


def _sound_file(content: BinaryIO | str | bytes, name: str) -> Any:
    try:
        return soundfile.SoundFile(content if isinstance(content, str | bytes) else _Steady(content))
    except (soundfile.SoundFileError, TypeError) as error:
        # TypeError: soundfile wants to be told the format of a headerless file, which it knows by the suffix .raw.
        reason = getattr(error, "error_string", "").rstrip(". ") or "it has no header"
        raise FormatError(
            f"{name} is no sound file that can be read, or it is damaged: {reason}; convert it to WAV or FLAC"
        ) from error


def declared_frames(file: Any) -> int | None:
    """Return how many samples a channel the header declares, or None where it only guesses or does not know.

    MP3 has no such field, and libsndfile's guess is wrong by a multiple for a variable bit rate; for a FLAC stream of
    undeclared length libsndfile gives the largest number there is.
    """
    frames = int(file.frames)
    return None if file.format == "MP3" or frames > 2**62 else frames


def blocks(file: Any, name: str, chunk: float) -> Iterator[Samples]:
    """Yield the samples of an open file as blocks of `chunk` seconds, shape (n, channels), at the file's own rate.

    Raises
    ------
    AudioError
        If the file holds fewer samples than its header declares, or cannot be decoded to its end.
    """
    size = max(1, min(round(chunk * file.samplerate), MOST_AT_ONCE // file.channels))
    count, declared = 0, declared_frames(file)
    while declared is None or count < declared:
        try:
            block = file.read(size, dtype="float32", always_2d=True)
        except soundfile.SoundFileError as error:
            raise AudioError(
                f"{name} cannot be decoded beyond sample {count}: it is truncated or damaged; copy or record it anew"
            ) from error
        if len(block) == 0:
            break
        count += len(block)
        yield block
    if declared is not None and count < declared:
        raise AudioError(
            f"{name} is truncated: its header declares {declared} samples, not {count}; copy or record it anew"
        )
