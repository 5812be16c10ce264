"""One rule for the full scale of samples and one for their channels, decided once a sound.

Both are decided by the first second of sound, and by all of it if it is shorter; leading zeros do not count. So a clip
is judged as a whole, and a stream waits at its beginning for no more than a second. Nothing depends on how the sound is
cut into blocks.
"""

from collections.abc import Callable, Generator, Iterable, Iterator
from itertools import chain
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from sayso.errors import AudioError
from sayso.sound.stream import Decoded, Level, Samples, check_format, resampled

Blocks = NDArray[np.floating[Any]]
Out = TypeVar("Out")

# Seconds of sound by which scale and channel are decided.
SPAN = 1.0
# Floats have a full scale of 1, and may exceed it; no sound is this much (24 dB) louder than full scale.
LOUDEST = 16.0
# Full scales of integers that programs leave in floats, which when resampled may exceed them.
INTEGER_SCALES = (2.0**15, 2.0**23, 2.0**31)
# What 16 bits hold at the lower end of 32.
NARROW = 2.0**-16
# Channels cancel each other if their mean has less than this part of the power that it has of unrelated channels.
CANCELLED = 0.2
# Different whole numbers that a signal of full scale may consist of.
_FEW = 4
# Seconds after which it is judged again whether they do.
_FRAME = 0.05


def as_mono(decoded: Decoded, sample_rate: int, name: str, channel: int | None = None) -> Iterator[Samples]:
    """Check the blocks of a sound, bring them to full scale ±1, mix them to one channel and resample them.

    Parameters
    ----------
    decoded : Decoded
        The sound.
    sample_rate : int
        Wanted sample rate in Hz.
    name : str
        What errors call it.
    channel : int, optional
        The channel to take, counted from 1; by default their mean, or the best one if they cancel each other.

    Yields
    ------
    numpy.ndarray, shape (n,), dtype float32
        The next samples, at least one.

    Raises
    ------
    AudioError
        As `audio.load`; or if there is no such channel.
    """
    check_format(name, decoded.rate, decoded.channels)
    check_channel(name, decoded.channels, channel)
    span = round(SPAN * decoded.rate)
    blocks = mixed(scaled(decoded.blocks, decoded.level, span, name), decoded.rate, decoded.channels, channel, span)
    empty = True
    for block in resampled(blocks, decoded.rate, sample_rate):
        if len(block):
            empty = False
            yield block
    if empty:
        raise AudioError(f"{name} holds no samples, or too few for one at {sample_rate} Hz; give a longer sound")


def check_channel(name: str, channels: int, channel: int | None) -> None:
    """Refuse a channel that a sound does not have; `name` is what the error calls it."""
    if channel is not None and not 1 <= channel <= channels:
        raise AudioError(f"{name} has {channels} channel{'s'[: channels > 1]}, and no channel {channel}; give another")


def scaled(blocks: Iterable[Blocks], level: Level, span: int, name: str) -> Iterator[Blocks]:
    """Bring samples to a full scale of ±1, and refuse values that are not sound.

    Floats in which most of the first second is beyond ±1, or all are whole numbers, are integers that lack a division
    by their full scale. Integers of 32 bits are those of 16 until one is larger.

    Parameters
    ----------
    blocks : iterable of ndarray, shape (n, channels)
        The samples.
    level : {"fixed", "float", "int32"}
        How their full scale is known.
    span : int
        Samples by which it is decided.
    name : str
        What errors call the sound.

    Raises
    ------
    AudioError
        If samples are NaN, infinite, or far beyond any full scale.
    """
    if level == "fixed":
        for block in blocks:
            _peak(block, LOUDEST, name)
            yield block
        return
    source = iter(blocks)
    head, rest = yield from _beginning(source, span, np.asarray)
    scale = _float_scale(head, name) if level == "float" else NARROW
    for block in chain([head, rest], source):
        if level == "int32" and scale == NARROW and _peak(block, LOUDEST, name) > NARROW:
            scale = 1.0
        _peak(block, LOUDEST * scale, name)
        yield block if scale == 1 else (block / np.float32(scale)).astype(np.float32, copy=False)


def mixed(
    blocks: Iterable[Blocks], rate: float, channels: int, channel: int | None = None, span: int = 0
) -> Iterator[Samples]:
    """Mix channels to one: a chosen one, their mean, or the best one from where they begin to cancel each other.

    Two microphones with opposite signs, or a balanced cable taken for stereo, have a mean of nearly nothing. Power is
    that of the differences between successive samples, in which an offset counts nothing.

    Parameters
    ----------
    blocks : iterable of ndarray, shape (n, channels)
        The samples.
    rate : float
        Sample rate in Hz.
    channels : int
        Number of channels.
    channel : int, optional
        The channel to take, counted from 1.
    span : int
        Samples that are waited for at the beginning, so that the decision holds for all of them.
    """
    if channels == 1 or channel is not None:
        number = 0 if channel is None else channel - 1
        yield from (np.ascontiguousarray(block[:, number], np.float32) for block in blocks)
        return
    source, frame = iter(blocks), max(round(_FRAME * rate), 2)
    head, rest = yield from _beginning(source, span, _mean)
    powers = _powers(head)
    best = _best(powers)
    yield _mean(head) if best is None else np.ascontiguousarray(head[:, best], np.float32)
    for block in chain([rest], source):
        rest = block if block is rest else np.concatenate([rest, block])
        if best is None:
            # Whole frames, so that it does not matter how the sound is cut.
            whole, start = len(rest) // frame * frame, 0
            while start < whole and best is None:
                powers = powers + _powers(rest[start : start + frame])
                best = _best(powers)
                start += frame if best is None else 0
            yield _mean(rest[:start])
            rest = rest[start:]
        if best is not None:
            yield np.ascontiguousarray(rest[:, best], np.float32)
            rest = rest[:0]
    yield _mean(rest)


def _mean(block: Blocks) -> Samples:
    return np.ascontiguousarray(block.mean(axis=1), np.float32)


def _powers(block: Blocks) -> NDArray[np.float64]:
    """Return the energy of each channel and, last, of their mean."""
    if len(block) < 2:
        return np.zeros(block.shape[1] + 1)
    differences = np.diff(np.column_stack([block, block.mean(axis=1)]), axis=0)
    powers: NDArray[np.float64] = np.einsum("sc,sc->c", differences, differences, dtype=np.float64)
    return powers


def _best(powers: NDArray[np.float64]) -> int | None:
    """Return the channel with the most power, counted from 0, if the channels cancel each other."""
    channels, mean = powers[:-1], powers[-1]
    if mean < CANCELLED * channels.sum() / len(channels) ** 2:
        return int(channels.argmax())
    return None


def _beginning(
    source: Iterator[Blocks], span: int, convert: Callable[[Blocks], Out]
) -> Generator[Out, None, tuple[Blocks, Blocks]]:
    """Yield leading zeros, converted, and return the first second of sound and what else was read."""
    block: Blocks = np.empty((0, 1), np.float32)
    for block in source:
        if block.any():
            start = int(block.any(axis=1).argmax())
            if start:
                yield convert(block[:start])
            parts, count = [block[start:]], len(block) - start
            # Nothing more is read where nothing is to be waited for.
            while count < span and (more := next(source, None)) is not None:
                parts.append(more)
                count += len(more)
            sound = np.concatenate(parts) if len(parts) > 1 else parts[0]
            return sound[:span], sound[span:]
        yield convert(block)
    return block[:0], block[:0]


def _float_scale(head: Blocks, name: str) -> float:
    """Return the full scale of floats."""
    peak = _peak(head, 2 * INTEGER_SCALES[-1], name)
    if peak <= 1:
        return 1.0
    magnitudes = np.abs(head)
    # Not only a few of them: those of damaged files.
    beyond = peak > LOUDEST and np.percentile(magnitudes[magnitudes > 0], 99) > 1
    if not beyond and not _are_integers(head):
        return 1.0
    return next(scale for scale in INTEGER_SCALES if peak <= 2 * scale)


def _are_integers(samples: Blocks) -> bool:
    """Return whether samples are whole numbers, and more of them than a test signal has."""
    return np.array_equal(samples, np.rint(samples)) and len(np.unique(samples)) > _FEW


def _peak(block: Blocks, most: float, name: str) -> float:
    """Return the largest magnitude; NaN fails the comparison as well."""
    peak = max(float(block.max()), -float(block.min())) if block.size else 0.0
    if not peak <= most:
        raise AudioError(
            f"{name} holds NaN, infinite or absurdly large samples; expected sound within ±1; convert or record it"
        )
    return peak
