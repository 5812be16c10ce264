"""Read sound from any source as float32 mono at the wanted sample rate.

All sound takes the same path, for every command: it is decoded in blocks, as it comes if it is uncompressed, else by
libsndfile or, failing that, by ffmpeg; and the blocks are brought to one scale, mixed to one channel and resampled as a
stream. So a file of any length needs little memory, and reading it whole gives the same samples as reading it in
chunks.
"""

import contextlib
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from sayso.errors import AudioError, FormatError
from sayso.sound import ffmpeg, libsndfile, uncompressed
from sayso.sound.headers import Layout
from sayso.sound.mixing import as_mono
from sayso.sound.sources import Source, name_of, on_disk, opened
from sayso.sound.stream import Decoded, Level, Samples

# File name suffixes of sound files. Raw samples are among them: no folder says what they are, which is not ignored.
SUFFIXES = libsndfile.SUFFIXES | ffmpeg.SUFFIXES | {".raw", ".pcm", ".sln", ".vox"}


def load(
    source: Source, sample_rate: int, longest: float = math.inf, channel: int | None = None, only_files: bool = False
) -> Samples:
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
    channel : int, optional
        The channel to take, counted from 1; by default their mean, or the best one if they cancel each other.
    only_files : bool
        Whether to refuse a path to a pipe or a device, which could wait for ever.

    Returns
    -------
    numpy.ndarray, shape (samples,), dtype float32
        One channel, with full scale at ±1, resampled with soxr's high quality.

    Raises
    ------
    AudioError
        If the file is missing, unreadable, empty, not a sound file (then it is a FormatError), truncated or damaged, or
        cannot be fetched; if it holds no samples, or samples that are NaN, infinite or absurdly large; if its rate is
        outside 1 kHz to 768 kHz, or it has more than 64 channels or not the one asked for; if it is longer than
        `longest`.
    """
    chunks, length = [], 0
    for chunk in read_chunks(source, sample_rate, channel=channel, only_files=only_files):
        chunks.append(chunk)
        length += len(chunk)
        if length > longest * sample_rate:
            raise AudioError(f"{name_of(source)} is longer than {longest:g} s; cut it into clips of one word each")
    return np.concatenate(chunks)


def read_chunks(
    source: Source,
    sample_rate: int,
    chunk: float = 1.0,
    channel: int | None = None,
    raw: Layout | None = None,
    only_files: bool = False,
) -> Iterator[Samples]:
    """Read sound in chunks, in memory that does not grow with its length.

    The chunks joined together are exactly what `load` returns. Nothing is opened before the first chunk is requested.
    Uncompressed sound (WAV, AU, AIFF, CAF, raw samples) is read from standard input, pipes and open files as it comes;
    if compressed, it is first copied to a temporary file, as is what an address holds.

    Parameters
    ----------
    source : Path, str, bytes or binary file object
        As for `load`.
    sample_rate : int
        Wanted sample rate in Hz.
    chunk : float
        Seconds to read at a time; the chunks vary around this length, because the resampler holds some samples back.
    channel, only_files
        As for `load`.
    raw : Layout, optional
        How samples without a header are stored.

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
    with _decoded(source, name, chunk, raw, only_files) as decoded:
        yield from as_mono(decoded, sample_rate, name, channel)


class Info(NamedTuple):
    """Length of a sound in seconds, and its own sample rate in Hz."""

    seconds: float
    rate: int


def info(source: Source, only_files: bool = False) -> Info:
    """Return the length and sample rate of a sound.

    They are read from the header if it declares them; MP3 files, streams of undeclared length and what ffmpeg reads are
    decoded and counted.

    Raises
    ------
    AudioError
        As for `load`, as far as the header shows what is wrong.
    """
    with _decoded(source, name_of(source), 1.0, None, only_files) as (blocks, _, rate, length, _):
        return Info((sum(map(len, blocks)) if length is None else length) / rate, int(rate))


@contextlib.contextmanager
def _decoded(source: Source, name: str, chunk: float, raw: Layout | None, only_files: bool) -> Iterator[Decoded]:
    """Decode a sound as it comes if it is uncompressed; else as a whole, with libsndfile or, failing that, ffmpeg."""
    with contextlib.ExitStack() as stack:
        sound = stack.enter_context(opened(source, only_files))
        if not sound.forward.peek(1):
            raise AudioError(f"{name} is empty (0 bytes); copy or record it again")
        if raw:
            yield uncompressed.as_decoded(sound.forward, raw, name, chunk)
            return
        if decoded := uncompressed.decoded(sound.forward, name, chunk):
            yield decoded
            return
        place = stack.enter_context(sound.place())
        try:
            decoded = stack.enter_context(libsndfile.decoded(place, name, chunk))
        except FormatError as refused:
            path = stack.enter_context(on_disk(place))
            decoded = stack.enter_context(ffmpeg.decoded(path, name, chunk, refused))
        yield decoded


def from_array(samples: npt.ArrayLike, rate: float, sample_rate: int, channel: int | None = None) -> Samples:
    """Convert an array of samples to what `load` returns.

    Parameters
    ----------
    samples : array_like, shape (n,) or (n, channels)
        Integers are divided by their full scale; it is that of 16 bits if wider ones hold no larger values. Unsigned
        ones have their zero in the middle. Floats have a full scale of 1, and may exceed it, unless they are integers
        that were not divided.
    rate : float
        Sample rate of the array in Hz.
    sample_rate : int
        Wanted sample rate in Hz.
    channel : int, optional
        As for `load`.

    Returns
    -------
    numpy.ndarray, shape (samples,), dtype float32
        One channel, as `load` returns it, resampled.

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
    given = array.dtype
    if given.kind in "iu":
        array = _from_integers(array, name)
    elif given.kind == "f":
        with np.errstate(over="ignore"):
            array = array.astype(np.float32) if given.itemsize > 8 else array
    else:
        raise AudioError(f"{name} holds {array.dtype} values; give integer or floating point samples")
    level: Level = "float" if given.kind == "f" else "fixed"
    columns = array.reshape(len(array), -1) if array.size else np.empty((0, 1), np.float32)
    decoded = Decoded(iter([columns]), columns.shape[1], rate, len(columns), level)
    return np.concatenate(list(as_mono(decoded, sample_rate, name, channel)))


def _from_integers(array: npt.NDArray[Any], name: str) -> Samples:
    """Divide integers by the full scale that they have by their type, or by their values if these are far smaller."""
    unsigned, bits = array.dtype.kind == "u", 8 * array.dtype.itemsize
    lowest, highest = (int(array.min()), int(array.max())) if array.size else (0, 0)
    # Of 64 bits there is no sound; such arrays hold the values of fewer.
    for narrow in {8: (8,), 16: (16,), 32: (16, 32), 64: (16, 24, 32)}[bits]:
        full = 2 ** (narrow - 1)
        if unsigned and bits > 16 and highest < 2**8:
            full = 2**7
        middle = full if unsigned else 0
        if lowest - middle >= -full and highest - middle < full + (not unsigned):
            scaled: Samples = ((array.astype(np.float64) - middle) / full).astype(np.float32)
            return scaled
    raise AudioError(
        f"{name} holds integers up to {highest}; expected 32 bits at most; divide them by their full scale"
    )
