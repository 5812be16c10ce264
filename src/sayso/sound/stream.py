"""Decoded sound of any rate and number of channels, checked, and resampled as a stream."""

from collections.abc import Iterable, Iterator
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from sayso.errors import ArgumentError, AudioError
from sayso.sound.sources import described

Samples = npt.NDArray[np.float32]

# A sample this large was probably clipped by the converter or the recording program.
CLIPPED = 0.999
LOWEST_RATE, HIGHEST_RATE = 1_000, 768_000
MOST_CHANNELS = 64
# Numbers decoded at a time, all channels together: 16 MB, more than a second of any ordinary sound.
MOST_AT_ONCE = 2**22


Level = Literal["fixed", "float", "int32"]
"""How the full scale of samples is known: it is 1; they are floats, which may have any; or integers of 32 bits, which
may hold those of 16."""


class Decoded(NamedTuple):
    """Sound that is decoded block by block.

    Attributes
    ----------
    blocks : iterator of ndarray of floating point, shape (n, channels)
        The samples.
    channels : int
        Number of channels.
    rate : float
        Sample rate in Hz.
    length : int or None
        Samples per channel, if that is known before they are decoded.
    level : {"fixed", "float", "int32"}
        How their full scale is known.
    """

    blocks: Iterator[npt.NDArray[np.floating[Any]]]
    channels: int
    rate: float
    length: int | None
    level: Level = "fixed"


def check_format(name: str, rate: float, channels: int) -> None:
    """Refuse a rate or number of channels outside the limits; `name` is what the error calls the sound.

    Raises
    ------
    AudioError
        If the rate is outside 1 kHz to 768 kHz, or the number of channels outside 1 to 64.
    """
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise AudioError(
            f"{name} has a rate of {rate} Hz; expected {LOWEST_RATE} to {HIGHEST_RATE}; correct or convert it"
        )
    if not 1 <= channels <= MOST_CHANNELS:
        raise AudioError(
            f"{name} has {channels} channels; expected 1 to {MOST_CHANNELS}; an array has shape (n, channels)"
        )


def block_length(seconds: float, rate: float, channels: int) -> int:
    """Return how many samples per channel to decode at a time: those of `seconds`, or fewer to save memory."""
    return max(1, min(round(seconds * rate), MOST_AT_ONCE // channels))


def resampled(blocks: Iterable[Samples], rate: float, sample_rate: float) -> Iterator[Samples]:
    """Resample a stream block by block, with soxr's high quality.

    Parameters
    ----------
    blocks : iterable of ndarray of float32, shape (n,)
        The stream; the result does not depend on how it is cut into blocks.
    rate, sample_rate : float
        Its sample rate and the wanted one, in Hz; if they are equal the blocks are passed on unchanged.

    Yields
    ------
    ndarray of float32, shape (m,)
        The next samples; sometimes none, because the resampler holds some back.
    """
    if rate == sample_rate:
        yield from blocks
        return
    import soxr

    stream = soxr.ResampleStream(rate, sample_rate, 1, dtype="float32", quality="HQ")
    for block in blocks:
        yield stream.resample_chunk(block)
    yield stream.resample_chunk(np.empty(0, np.float32), last=True)


def reblock(chunks: Iterable[Samples], step: int, together: int = 1) -> Iterator[Samples]:
    """Cut a stream into blocks of `together` steps; the rest at the end is padded with zeros to whole steps."""
    size = step * together
    rest = np.empty(0, np.float32)
    for chunk in chunks:
        if not isinstance(chunk, np.ndarray) or chunk.ndim != 1:
            shape = f"an array of shape {chunk.shape}" if isinstance(chunk, np.ndarray) else described(chunk)
            raise ArgumentError(f"a chunk of a stream is an array of samples of shape (samples,), not {shape}")
        rest = np.concatenate([rest, chunk])
        whole = len(rest) // size * size
        yield from (rest[start : start + size] for start in range(0, whole, size))
        rest = rest[whole:]
    if len(rest):
        yield np.concatenate([rest, np.zeros(-len(rest) % step, np.float32)])
