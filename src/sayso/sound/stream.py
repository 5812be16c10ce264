"""Decoded sound of any rate and number of channels, checked, and resampled as a stream."""

from collections.abc import Iterable, Iterator
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from sayso.errors import AudioError

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


class Resampler:
    """Resamples a stream as it comes, with soxr's high quality; the result does not depend on how it is cut.

    Parameters
    ----------
    rate, sample_rate : float
        Its sample rate and the wanted one, in Hz; if they are equal the stream is passed on unchanged.
    """

    def __init__(self, rate: float, sample_rate: float) -> None:
        self._stream: Any = None
        if rate != sample_rate:
            import soxr

            self._stream = soxr.ResampleStream(rate, sample_rate, 1, dtype="float32", quality="HQ")

    def push(self, samples: Samples, last: bool = False) -> Samples:
        """Return the samples that are complete now; some are held back until more come, or these are the `last`."""
        if self._stream is None:
            return samples
        resampled: Samples = self._stream.resample_chunk(samples, last=last)
        return resampled


def resampled(blocks: Iterable[Samples], rate: float, sample_rate: float) -> Iterator[Samples]:
    """Resample a stream block by block.

    Parameters
    ----------
    blocks : iterable of ndarray of float32, shape (n,)
        The stream.
    rate, sample_rate : float
        As for `Resampler`.

    Yields
    ------
    ndarray of float32, shape (m,)
        The next samples; sometimes none, because the resampler holds some back.
    """
    resampler = Resampler(rate, sample_rate)
    for block in blocks:
        yield resampler.push(block)
    if rate != sample_rate:
        yield resampler.push(np.empty(0, np.float32), last=True)


class Blocks:
    """Cuts a stream into blocks of whole steps, however it comes.

    Parameters
    ----------
    step : int
        Samples of a step.
    together : int
        Steps of a block.
    beginning : ndarray of float32, shape (n,), optional
        Samples that precede the stream.
    """

    def __init__(self, step: int, together: int = 1, beginning: Samples | None = None) -> None:
        self._step, self._size = step, step * together
        self._rest = np.empty(0, np.float32) if beginning is None else beginning

    def push(self, samples: Samples) -> list[Samples]:
        """Append samples to the stream and return the blocks that they complete, possibly none."""
        joined = np.concatenate([self._rest, samples])
        whole = len(joined) // self._size * self._size
        self._rest = joined[whole:]
        return [joined[start : start + self._size] for start in range(0, whole, self._size)]

    def close(self) -> list[Samples]:
        """Return what is left at the end of the stream, padded with zeros to whole steps, as at most one block."""
        rest, self._rest = self._rest, self._rest[:0]
        return [np.concatenate([rest, np.zeros(-len(rest) % self._step, np.float32)])] if len(rest) else []
