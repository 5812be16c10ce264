"""Read sound from any source as float32 mono at the wanted sample rate.

All sound takes the same path: it is decoded in blocks, by libsndfile or else by ffmpeg, and the blocks are checked,
mixed to one channel and resampled as a stream. So a file of any length needs little memory, and reading it whole gives
the same samples as reading it in chunks.
"""

import contextlib
import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sayso.errors import AudioError, FormatError
from sayso.sound import ffmpeg, libsndfile
from sayso.sound.sources import Source, local, name_of, on_disk
from sayso.sound.stream import Decoded, Samples, as_mono

# File name suffixes of sound files.
SUFFIXES = libsndfile.SUFFIXES | ffmpeg.SUFFIXES


def load(source: Source, sample_rate: int, longest: float = math.inf) -> Samples:
    """Read a whole sound file.

    Parameters
    ----------
    source : Path, str, bytes or binary file object
        A path, an address that fsspec knows, "-" for standard input, the content of a file, or an open file, which is
        read from its beginning (a pipe, from where it is) and left open.
    sample_rate : int
        Wanted sample rate in Hz.
    longest : float
        Longest sound in seconds; a longer one is refused without reading it to its end.

    Returns
    -------
    numpy.ndarray, shape (samples,), dtype float32
        The mean of the channels, with full scale at ±1, resampled with soxr's high quality.

    Raises
    ------
    AudioError
        If the file is missing, unreadable, empty, not a sound file (then it is a FormatError), truncated or damaged, or
        cannot be fetched; if it holds no samples, or samples that are NaN, infinite or absurdly large; if its rate is
        outside 1 kHz to 768 kHz or it has more than 64 channels; if it is longer than `longest`.
    """
    chunks, length = [], 0
    for chunk in read_chunks(source, sample_rate):
        chunks.append(chunk)
        length += len(chunk)
        if length > longest * sample_rate:
            raise AudioError(f"{name_of(source)} is longer than {longest:g} s; cut it into clips of one word each")
    return np.concatenate(chunks)


def read_chunks(source: Source, sample_rate: int, chunk: float = 1.0) -> Iterator[Samples]:
    """Read sound in chunks, in memory that does not grow with its length.

    The chunks joined together are exactly what `load` returns. Nothing is opened before the first chunk is requested.
    Standard input, pipes and addresses are first copied to a temporary file; a WAV file that declares no samples,
    because its recorder was killed, is read into memory.

    Parameters
    ----------
    source : Path, str, bytes or binary file object
        As for `load`.
    sample_rate : int
        Wanted sample rate in Hz.
    chunk : float
        Seconds to read at a time; the chunks vary around this length, because the resampler holds some samples back.

    Yields
    ------
    numpy.ndarray, shape (n,), dtype float32
        The next samples, at least one.

    Raises
    ------
    AudioError
        As for `load`; damage that the header does not show is found, and raised, only where it is.
    """
    name = name_of(source)
    with _decoded(source, name, chunk) as decoded:
        yield from as_mono(decoded, sample_rate, name)


class Info(NamedTuple):
    """Length of a sound in seconds, and its own sample rate in Hz."""

    seconds: float
    rate: int


def info(source: Source) -> Info:
    """Return the length and sample rate of a sound.

    They are read from the header if it declares them; MP3 files, streams of undeclared length and what ffmpeg reads are
    decoded and counted.

    Raises
    ------
    AudioError
        As for `load`, as far as the header shows what is wrong.
    """
    with _decoded(source, name_of(source), 1.0) as (blocks, _, rate, length):
        return Info((sum(map(len, blocks)) if length is None else length) / rate, int(rate))


@contextlib.contextmanager
def _decoded(source: Source, name: str, chunk: float) -> Iterator[Decoded]:
    """Decode a sound with libsndfile or, if that does not know the format, with ffmpeg."""
    with contextlib.ExitStack() as stack:
        place = stack.enter_context(local(source))
        try:
            decoded = stack.enter_context(libsndfile.decoded(place, name, chunk))
        except FormatError as refused:
            path = stack.enter_context(on_disk(place))
            decoded = stack.enter_context(ffmpeg.decoded(path, name, chunk, refused))
        yield decoded


def from_array(samples: npt.ArrayLike, rate: float, sample_rate: int) -> Samples:
    """Convert an array of samples to what `load` returns.

    Parameters
    ----------
    samples : array_like, shape (n,) or (n, channels)
        int16, int32 or floating point; integers are divided by their full scale, floats are taken as they are.
    rate : float
        Sample rate of the array in Hz.
    sample_rate : int
        Wanted sample rate in Hz.

    Returns
    -------
    numpy.ndarray, shape (samples,), dtype float32
        The mean of the channels, resampled.

    Raises
    ------
    AudioError
        If the array is empty, of another shape or type, or holds NaN, infinite or absurdly large values; if the rate or
        the number of channels is outside what `load` accepts.
    """
    name = "the array"
    try:
        array = np.asarray(samples)
    except ValueError as error:
        raise AudioError("the samples do not form a regular array; give one of shape (n,) or (n, channels)") from error
    if array.ndim not in (1, 2):
        raise AudioError(f"{name} has {array.ndim} dimensions; give one of shape (n,) or (n, channels)")
    if array.dtype.kind == "i" and array.dtype.itemsize in (2, 4):
        array = array.astype(np.float32) / np.float32(2 ** (8 * array.dtype.itemsize - 1))
    elif array.dtype.kind != "f":
        raise AudioError(f"{name} holds {array.dtype} values; give int16, int32 or floating point samples")
    columns = array.reshape(len(array), -1) if array.size else np.empty((0, 1), np.float32)
    decoded = Decoded(iter([columns]), columns.shape[1], rate, len(columns))
    return np.concatenate(list(as_mono(decoded, sample_rate, name)))
