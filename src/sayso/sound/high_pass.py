"""A high-pass filter for streams: it removes an offset, hum and rumble below the voice."""

import functools
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sayso.sound.stream import Samples

Array = NDArray[np.float64]

# Samples that are filtered at a time.
_BLOCK = 64


class HighPass:
    """Filters a stream with a Butterworth high-pass of second order.

    The filter starts as if the first sample had been there for ever, so that an offset makes no click. Each sample
    depends on those before it only, and not on how the stream is cut.

    The recursion ``s' = A s + b x, y = c s + d x`` would take a step of Python for each sample. Written out for a block
    of samples it is a product with constant matrices, which leaves one step for each block.

    Parameters
    ----------
    cutoff : float
        Frequency in Hz at which the level falls by 3 dB; 0 leaves the stream as it is.
    sample_rate : int
        Samples per second.
    """

    def __init__(self, cutoff: float, sample_rate: int) -> None:
        self._filter = _filter(cutoff, sample_rate) if cutoff else None
        # The samples of the last block, which is not full, and the state before it.
        self._held = np.empty(0)
        self._state: Array | None = None

    def push(self, samples: Samples) -> Samples:
        """Filter the next samples of the stream, of shape (n,)."""
        if self._filter is None or not len(samples):
            return samples
        constants, state = self._filter, self._state
        if state is None:
            state = constants.at_rest * float(samples[0])
        before = len(self._held)
        held = np.concatenate([self._held, samples])
        full = len(held) // _BLOCK
        # Zeros behind the newest sample change none before it: each block is always the same product.
        blocks = np.pad(held, (0, -len(held) % _BLOCK)).reshape(-1, 1, _BLOCK)
        products = (blocks @ constants.from_samples)[:, 0]
        states = constants.states(state, products[:, _BLOCK:])
        filtered = products[:, :_BLOCK] + states[: len(blocks), :1] * constants.from_state[0]
        filtered += states[: len(blocks), 1:] * constants.from_state[1]
        self._held, self._state = held[full * _BLOCK :], states[full]
        result: Samples = filtered.reshape(-1)[before : len(held)].astype(np.float32)
        return result


def high_passed_clip(samples: Samples, cutoff: float, sample_rate: int) -> Samples:
    """Return a whole sound filtered as a stream of it would be."""
    return HighPass(cutoff, sample_rate).push(samples)


class _Filter(NamedTuple):
    """The constants of a filter with the recursion ``s' = A s + b x, y = c s + d x``, for blocks of samples.

    Attributes
    ----------
    at_rest : ndarray of float64, shape (2,)
        The state in which an offset of 1 gives 0.
    advance : ndarray of float64, shape (2, 2)
        What a block makes of the state before it.
    from_state : ndarray of float64, shape (2, block)
        What the state contributes to each sample of the output.
    from_samples : ndarray of float64, shape (block, block + 2)
        What each sample contributes to the output, and to the state after the block.
    """

    at_rest: Array
    advance: Array
    from_state: Array
    from_samples: Array

    def states(self, state: Array, added: Array) -> Array:
        """Return the state before each block and after the last, from what the samples of each block add to it."""
        (a, b), (c, d) = self.advance.tolist()
        first, second = state.tolist()
        states = [(first, second)]
        for one, two in added.tolist():
            first, second = a * first + b * second + one, c * first + d * second + two
            states.append((first, second))
        return np.array(states)


@functools.lru_cache
def _filter(cutoff: float, sample_rate: int) -> _Filter:
    """Compute the constants, by the bilinear transform of the analogue filter in transposed direct form II."""
    k = math.tan(math.pi * cutoff / sample_rate)
    scale = 1 / (1 + math.sqrt(2) * k + k * k)
    a1, a2 = 2 * (k * k - 1) * scale, (1 - math.sqrt(2) * k + k * k) * scale
    advance, b = np.array([[-a1, 1.0], [-a2, 0.0]]), np.array([-2 - a1, 1 - a2]) * scale
    powers = [np.eye(2)]
    for _ in range(_BLOCK):
        powers.append(advance @ powers[-1])
    from_state = np.stack([power[0] for power in powers[:_BLOCK]], axis=1)
    impulse = np.concatenate([np.zeros(_BLOCK), [scale], b @ from_state[:, :-1]])
    outputs = [impulse[_BLOCK - i : 2 * _BLOCK - i] for i in range(_BLOCK)]
    states = [power @ b for power in powers[_BLOCK - 1 :: -1]]
    return _Filter(
        np.array([-scale, scale]), powers[_BLOCK], from_state, np.hstack([np.stack(outputs), np.stack(states)])
    )
