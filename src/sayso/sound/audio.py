"""Sound from a path, bytes, a file object or an array, as float32 mono at the wanted rate.

Every input takes the same way: blocks of samples are checked, mixed to one channel and resampled as a stream, so a file
of any length needs little memory and reading it whole gives the same samples as reading it in chunks.
"""

import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile

from sayso.errors import AudioError
from sayso.sound.libsndfile import Source, check_format, declared_frames, name_of, opened

Samples = npt.NDArray[np.float32]

AUDIO_SUFFIXES = frozenset(
    {
        ".wav",
        ".wave",
        ".w64",
        ".rf64",
        ".flac",
        ".ogg",
        ".oga",
        ".opus",
        ".mp3",
        ".aiff",
        ".aif",
        ".aifc",
        ".au",
        ".caf",
    }
)

# Full scale is 1. Some programs write floats in the range of 16-bit integers, which is still sound; far beyond that it
# is not, and squaring it would overflow.
LARGEST_SAMPLE = 1e6
# Numbers decoded at a time, all channels together: a second of ordinary sound, and 16 MB of any.
MOST_AT_ONCE = 2**22


def load(source: Source, sample_rate: int, longest: float = math.inf) -> Samples:
    """Read a whole sound file.

    Parameters
    ----------
    source : Path, str, bytes or binary file object
        A path, the content of a file, or an open file, which is read from its beginning and left open.
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
        If the file is missing, unreadable, empty, no sound file (then it is a FormatError), truncated or damaged; if it
        holds no samples, or samples that are NaN, infinite or absurdly large; if its rate is outside 1 kHz to 768 kHz
        or it has more than 64 channels; if it is longer than `longest`.
    """
    chunks, length = [], 0
    for chunk in read_chunks(source, sample_rate):
        chunks.append(chunk)
        length += len(chunk)
        if length > longest * sample_rate:
            raise AudioError(f"{name_of(source)} is longer than {longest:g} s; cut it into clips of one word each")
    return np.concatenate(chunks)


def read_chunks(source: Source, sample_rate: int, chunk: float = 1.0) -> Iterator[Samples]:
    """Read a sound file piece by piece, in memory that does not grow with its length.

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
    with opened(source) as (file, name):
        yield from _resampled(_mono_blocks(file, name, chunk), file.samplerate, sample_rate, name)


def duration(source: Source) -> float:
    """Return the length of a sound file in seconds.

    It is read from the header where the header knows it; MP3 files and streams of undeclared length are decoded and
    counted.

    Raises
    ------
    AudioError
        As for `load`, as far as the header shows.
    """
    with opened(source) as (file, name):
        frames = declared_frames(file)
        if frames is None:
            frames = sum(len(block) for block in _mono_blocks(file, name, 1.0))
        return frames / int(file.samplerate)


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


def from_blocks(
    blocks: Iterable[npt.NDArray[np.floating[Any]]], channels: int, rate: float, sample_rate: int, name: str
) -> Iterator[Samples]:
    """Bring decoded samples, block by block, into the form that `read_chunks` yields.

    Parameters
    ----------
    blocks : iterable of ndarray of floating point, shape (n, channels)
        The samples.
    channels, rate : int, float
        How many channels they have, and how many samples a second.
    sample_rate : int
        Wanted samples a second.
    name : str
        What to call the sound in an error.

    Yields
    ------
    numpy.ndarray, shape (n,), dtype float32
        The next samples, at least one.

    Raises
    ------
    AudioError
        As `from_array`.
    """
    check_format(name, rate, channels)
    yield from _resampled((_mono(block, name) for block in blocks), rate, sample_rate, name)


def resampled(blocks: Iterable[Samples], rate: float, sample_rate: float) -> Iterator[Samples]:
    """Resample a stream block by block, with soxr's high quality.

    Parameters
    ----------
    blocks : iterable of ndarray of float32, shape (n,)
        The stream; how it is cut changes nothing.
    rate, sample_rate : float
        Samples a second that it has, and that it shall have; blocks are handed on as they are if both are the same.

    Yields
    ------
    ndarray of float32, shape (m,)
        The next samples; none, at times, as the resampler holds some back.
    """
    if rate == sample_rate:
        yield from blocks
        return
    import soxr

    stream = soxr.ResampleStream(rate, sample_rate, 1, dtype="float32", quality="HQ")
    for block in blocks:
        yield stream.resample_chunk(block)
    yield stream.resample_chunk(np.empty(0, np.float32), last=True)


def fit(samples: Samples, length: int) -> tuple[Samples, int]:
    """Make a clip of any length the window that the network sees, the word in its middle.

    Training and recognition both use this rule. The window with the most energy is sought; many neighbouring windows
    hold a whole word equally well, so among those around the best that hold at least 99 % of its energy, the middle
    one is taken. The energy is that of the differences from sample to sample: an offset of the microphone has none,
    and rumble little; it is summed up in grains of a thousandth of the window. To bring a word at the edge of a clip
    to the middle, the window may reach beyond the clip's ends by a quarter of its length, and holds zeros there; a
    clip shorter than half a window just stands in its middle.

    Parameters
    ----------
    samples : numpy.ndarray, shape (n,), dtype float32
        The clip.
    length : int
        Samples of the window.

    Returns
    -------
    window : numpy.ndarray, shape (length,), dtype float32
        The window, a new array.
    start : int
        Where the window starts in the clip, in samples; negative if zeros were put in front.
    """
    grain = max(length // 1000, 1)
    grains, wide = -(-len(samples) // grain), -(-length // grain)
    differences = np.zeros(grains * grain, np.float32)
    np.subtract(samples[1:], samples[:-1], out=differences[1 : len(samples)])
    parts = differences.reshape(grains, grain)
    powers = np.einsum("ij,ij->i", parts, parts, dtype=np.float64)
    running = np.concatenate((np.zeros(wide + 1), np.cumsum(powers), np.full(wide, powers.sum())))
    energies = running[wide:] - running[:-wide]  # of the windows that start at -wide, -wide + 1, ... grains
    best = int(energies.argmax())
    poorer = np.flatnonzero(energies < 0.99 * energies[best])
    position = int(np.searchsorted(poorer, best))
    first = int(poorer[position - 1]) + 1 if position > 0 else 0
    last = int(poorer[position]) - 1 if position < len(poorer) else len(energies) - 1
    surplus, reach = len(samples) - length, length // 4
    earliest, latest = min(-reach, surplus // 2), max(surplus + reach, surplus // 2)
    start = min(max(((first + last) // 2 - wide) * grain, earliest), latest)
    window = np.zeros(length, np.float32)
    part = samples[max(start, 0) : start + length]
    window[max(-start, 0) : max(-start, 0) + len(part)] = part
    return window, start


def _mono_blocks(file: Any, name: str, chunk: float) -> Iterator[Samples]:
    """Yield the file's samples as blocks of `chunk` seconds, shape (n,), at the file's own rate."""
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
        yield _mono(block, name)
    if declared is not None and count < declared:
        raise AudioError(
            f"{name} is truncated: its header declares {declared} samples, not {count}; copy or record it anew"
        )


def _mono(block: npt.NDArray[np.floating[Any]], name: str) -> Samples:
    """Mix (n, channels) to (n,), refusing values that are no sound; NaN fails the comparison with the rest."""
    if block.size and not max(float(block.max()), -float(block.min())) <= LARGEST_SAMPLE:
        raise AudioError(
            f"{name} holds NaN, infinite or absurdly large samples; expected sound within ±1; convert or record it anew"
        )
    mono = block[:, 0] if block.shape[1] == 1 else block.mean(axis=1)
    return np.ascontiguousarray(mono, np.float32)


def _resampled(blocks: Iterable[Samples], rate: float, sample_rate: int, name: str) -> Iterator[Samples]:
    """Yield the blocks at another rate, leaving out empty ones; sound of no length at all is an error."""
    empty = True
    for block in resampled(blocks, rate, sample_rate):
        if len(block):
            empty = False
            yield block
    if empty:
        raise AudioError(f"{name} holds no samples, or too few for one at {sample_rate} Hz; give a longer sound")
