"""Decoded samples of any rate and number of channels, block by block, as one stream of float32 mono."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from sayso.errors import AudioError

Samples = npt.NDArray[np.float32]
Blocks = Iterable[npt.NDArray[np.floating[Any]]]

# Full scale is 1. Some programs write floats in the range of 16-bit integers, which is still sound; far beyond that it
# is not, and squaring it would overflow.
LARGEST_SAMPLE = 1e6
# A sample this large was probably cut off by the converter or the recording program.
CLIPPED = 0.999
LOWEST_RATE, HIGHEST_RATE = 1_000, 768_000
MOST_CHANNELS = 64


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


def from_blocks(blocks: Blocks, channels: int, rate: float, sample_rate: int, name: str) -> Iterator[Samples]:
    """Bring decoded samples, block by block, into the form that `audio.read_chunks` yields.

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
        As `audio.from_array`.
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


# A sample this near to full scale is taken for clipped.
CLIPPED = 0.999
