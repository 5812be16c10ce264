"""Sound from wherever it is kept, as float32 mono at the wanted rate: the one reader of sayso.

Every input takes the same way: blocks of samples are checked, mixed to one channel and resampled as a stream, so a file
of any length needs little memory and reading it whole gives the same samples as reading it in chunks. What libsndfile
cannot read, ffmpeg is asked for.
"""

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from sayso.errors import AudioError, FormatError
from sayso.sound import ffmpeg, libsndfile
from sayso.sound.sources import Source, local, name_of, on_disk
from sayso.sound.stream import Samples, from_blocks

# Samples a second in which sound of unknown length is counted.
COUNTED = 16_000
# By these a folder is searched for sound.
SUFFIXES = libsndfile.SUFFIXES | ffmpeg.SUFFIXES


def load(source: Source, sample_rate: int, longest: float = math.inf) -> Samples:
    """Read a whole sound file.

    Parameters
    ----------
    source : Path, str, bytes or binary file object
        A path, an address that fsspec knows, "-" for standard input, the content of a file, or an open file, which is
        read from its beginning and left open.
    sample_rate : int
        Wanted samples a second.
    longest : float
        Seconds beyond which nothing is read and the sound is refused.

    Returns
    -------
    numpy.ndarray, shape (samples,), dtype float32
        The mean of the channels, full scale being ±1, resampled with soxr's high quality.

    Raises
    ------
    AudioError
        If the file is missing, unreadable, empty, no sound file (then it is a FormatError), truncated or damaged, or
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
    """Read sound piece by piece, in memory that does not grow with its length.

    The chunks joined together are exactly what `load` returns. Nothing is opened before the first chunk is asked for.
    An unfinished WAV file that declares no samples, and a file object that cannot seek, are read into memory first.

    Parameters
    ----------
    source : Path, str, bytes or binary file object
        As for `load`.
    sample_rate : int
        Wanted samples a second.
    chunk : float
        Seconds that are read at a time; the chunks vary around this length, because the resampler holds some samples
        back.

    Yields
    ------
    numpy.ndarray, shape (n,), dtype float32
        The next samples, at least one.

    Raises
    ------
    AudioError
        As for `load`; damage that no header betrays is found, and raised, only where it lies.
    """
    name = name_of(source)
    with local(source) as place:
        try:
            with libsndfile.opened(place, name) as file:
                decoded = libsndfile.blocks(file, name, chunk)
                yield from from_blocks(decoded, file.channels, file.samplerate, sample_rate, name)
        except FormatError as refused:
            with on_disk(place) as path:
                yield from ffmpeg.read_chunks(path, name, sample_rate, chunk, refused)


def duration(source: Source) -> float:
    """Return the length of a sound in seconds.

    It is read from the header where the header knows it; MP3 files, streams of undeclared length and what ffmpeg reads
    are decoded and counted.

    Raises
    ------
    AudioError
        As for `load`, as far as the header shows.
    """
    name = name_of(source)
    with local(source) as place:
        try:
            with libsndfile.opened(place, name) as file:
                frames = libsndfile.declared_frames(file)
                if frames is None:
                    frames = sum(len(block) for block in libsndfile.blocks(file, name, 1.0))
                return frames / int(file.samplerate)
        except FormatError as refused:
            with on_disk(place) as path:
                return sum(map(len, ffmpeg.read_chunks(path, name, COUNTED, 1.0, refused))) / COUNTED


def from_array(samples: npt.ArrayLike, rate: float, sample_rate: int) -> Samples:
    """Bring an array of samples into the form that `load` returns.

    Parameters
    ----------
    samples : array_like, shape (n,) or (n, channels)
        int16, int32 or floating point; integers are divided by their full scale, floats are taken as they are.
    rate : float
        Samples a second in the array.
    sample_rate : int
        Wanted samples a second.

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
        raise AudioError("the samples form no regular array; give one of shape (n,) or (n, channels)") from error
    if array.ndim not in (1, 2):
        raise AudioError(f"{name} has {array.ndim} dimensions; give one of shape (n,) or (n, channels)")
    if array.dtype.kind == "i" and array.dtype.itemsize in (2, 4):
        array = array.astype(np.float32) / np.float32(2 ** (8 * array.dtype.itemsize - 1))
    elif array.dtype.kind != "f":
        raise AudioError(f"{name} holds {array.dtype} values; give int16, int32 or floating point samples")
    columns = array.reshape(len(array), -1) if array.size else np.empty((0, 1), np.float32)
    return np.concatenate(list(from_blocks([columns], columns.shape[1], rate, sample_rate, name)))
