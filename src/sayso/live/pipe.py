"""Sound from a pipe, read as it comes: WAV, as `arecord` writes it, or raw samples."""

import wave
from collections.abc import Iterator
from io import BufferedReader

import numpy as np

from sayso.errors import AudioError
from sayso.sound.audio import read_chunks
from sayso.sound.stream import Samples, check_format, resampled

# Seconds of sound per read.
BLOCK = 0.05
# First bytes of formats that must be read to the end before they can be decoded: FLAC, Ogg, AIFF, MP3 with a tag.
READ_WHOLE = (b"fLaC", b"OggS", b"FORM", b"ID3")


def piped_chunks(pipe: BufferedReader, sample_rate: int) -> Iterator[Samples]:
    """Read sound from a pipe in chunks.

    Parameters
    ----------
    pipe : BufferedReader
        WAV of 16 or 32 bits is read as it comes, at any rate and with any number of channels. FLAC, Ogg, AIFF and MP3
        are read to their end first. Anything else is interpreted as raw 16-bit little-endian samples, mono, at
        `sample_rate`.
    sample_rate : int
        Samples per second of the chunks.

    Yields
    ------
    ndarray of float32, shape (samples,)
        The next samples.

    Raises
    ------
    AudioError
        If the pipe is empty, or holds WAV of another kind.
    """
    start = pipe.peek(4)[:4]
    if not start:
        raise AudioError("standard input is empty; pipe sound into it, as WAV or raw 16-bit samples")
    if start.startswith(READ_WHOLE):
        yield from read_chunks(pipe, sample_rate)
    elif start == b"RIFF":
        yield from _wav_chunks(pipe, sample_rate)
    else:
        yield from _raw_chunks(pipe, sample_rate)


def _raw_chunks(pipe: BufferedReader, sample_rate: int) -> Iterator[Samples]:
    while data := pipe.read(2 * round(BLOCK * sample_rate)):
        yield _mono(data[: len(data) // 2 * 2], "<i2", 1)


def _wav_chunks(pipe: BufferedReader, sample_rate: int) -> Iterator[Samples]:
    try:
        file = wave.open(pipe)  # noqa: SIM115 - the pipe is not ours to close
    except (wave.Error, EOFError, RuntimeError) as error:
        # RuntimeError: a chunk that declares more bytes than there are, in a file (`< file`), which unlike a pipe can
        # seek.
        reason = str(error) or "it ends too early"
        raise AudioError(
            f"standard input is WAV that cannot be read as it comes ({reason}); "
            "pipe 16-bit PCM, or give the file by its name"
        ) from error
    kind = {2: "<i2", 4: "<i4"}.get(file.getsampwidth())
    if kind is None:
        raise AudioError(f"standard input is WAV of {8 * file.getsampwidth()} bits; expected 16 or 32; convert it")

    check_format("standard input", file.getframerate(), file.getnchannels())

    def blocks() -> Iterator[Samples]:
        whole = file.getnchannels() * file.getsampwidth()
        while data := file.readframes(round(BLOCK * file.getframerate())):
            yield _mono(data[: len(data) // whole * whole], kind, file.getnchannels())

    yield from resampled(blocks(), file.getframerate(), sample_rate)


def _mono(data: bytes, kind: str, channels: int) -> Samples:
    """Convert bytes to samples between -1 and 1, averaged over the channels."""
    integers = np.frombuffer(data, kind).reshape(-1, channels)
    samples: Samples = (integers.astype(np.float32) / np.float32(-float(np.iinfo(kind).min))).mean(axis=1)
    return samples
