"""A network in two parts, for streams: layers that see a few neighbouring moments, and those that need a whole window.

The windows of a stream overlap: where one comes every tenth of a second, each moment lies in ten. What the first layers
say of it is the same in all of them, unless it lies so near to an end of the window that they see the padding beyond.
So of each window they are given only its beginning, where the padding is new, and its end, where the moments are new.
"""

from itertools import accumulate

import numpy as np

from sayso.nn.chain import Chain
from sayso.nn.network import Network
from sayso.nn.parameters import FloatArray


class WindowStream:
    """Takes a stream through the first layers of a network, and gives windows of what they say to the others.

    Parameters
    ----------
    network : Network
        The network; see `front` and `back` for its two parts.
    step : int
        Moments from one window to the next, at most as many as a window has.
    """

    def __init__(self, network: Network, step: int) -> None:
        self._step, self._moments = step, network.input_shape[0]
        self._front, self._values = front(network, step), network.parameters.values
        self._reach = sum(layer.reach or 0 for layer in self._front.layers)
        channels, dtype = network.input_shape[1:], network.parameters.vector.dtype
        *given, _ = self._front.output_shape((*channels[::-1], self._moments))
        # The stream from the beginning of the next window on, and what the front says of it, but for its ends.
        self._stream: FloatArray = np.empty((*channels[::-1], 0), dtype)
        self._inner: FloatArray = np.empty((*given, 0), dtype)

    def push(self, moments: FloatArray, room: int) -> tuple[FloatArray, int]:
        """Take the next moments of the stream.

        Parameters
        ----------
        moments : ndarray, shape (moments, channels)
            Any number of them, but no more than complete `room` windows.
        room : int
            How many windows the result holds, whether there are so many or not.

        Returns
        -------
        windows : ndarray, shape (room, moments, ...)
            The windows that are now complete, as `back` takes them, and zeros behind them.
        count : int
            How many are complete.
        """
        self._stream = np.concatenate([self._stream, moments.T], axis=-1)
        step, length, reach = self._step, self._moments, self._reach
        count = max((self._stream.shape[-1] - length) // step + 1, 0)
        windows = np.zeros((*self._inner.shape[:-1], length, room), self._inner.dtype)
        if count:
            if not self._inner.shape[-1]:
                before = length - step
                self._inner = self._apply(self._stream[..., :before, None])[..., reach : before - reach, 0]
            starts = range(0, count * step, step)
            first, last = self._ends(starts)
            new = last[..., reach : reach + step, :].swapaxes(-1, -2)
            self._inner = np.concatenate([self._inner, new.reshape(*new.shape[:-2], -1)], axis=-1)
            windows[..., :reach, :count] = first[..., :reach, :]
            for place, start in enumerate(starts):
                windows[..., reach : length - reach, place] = self._inner[..., start : start + length - 2 * reach]
            windows[..., length - reach :, :count] = last[..., reach + step :, :]
            self._stream = self._stream[..., count * step :]
            self._inner = self._inner[..., count * step :]
        return windows.T, count

    def _ends(self, starts: range) -> tuple[FloatArray, FloatArray]:
        """Compute what the front says of windows' first and last moments: a step of new ones, and what they reach."""
        size = self._step + 2 * self._reach
        moved = self._moments - size
        firsts = [self._stream[..., start : start + size] for start in starts]
        lasts = [self._stream[..., start + moved : start + moved + size] for start in starts]
        said = self._apply(np.stack(firsts + lasts, axis=-1))
        return said[..., : len(starts)], said[..., len(starts) :]

    def _apply(self, x: FloatArray) -> FloatArray:
        return self._front.forward(self._values, x, None)[0]


def front(network: Network, step: int) -> Chain:
    """Return the first layers of a network, maybe none: as many as have less to do with the ends of each window."""
    layers, moments = network.chain.layers, network.input_shape[0]
    reaches = accumulate(moments if layer.reach is None else layer.reach for layer in layers)
    return Chain(layers[: sum(2 * (step + 2 * reach) < moments for reach in reaches)])


def back(network: Network, step: int) -> Network:
    """Return the layers behind the front as a network, which takes windows of what the front gives."""
    before = front(network, step)
    shape = before.output_shape(network.input_shape[::-1])[::-1]
    rest = Network(network.chain.layers[len(before.layers) :], shape, network.parameters.vector.dtype)
    names = zip(rest.chain.names, network.chain.names[len(before.layers) :], strict=True)
    rest.parameters.assign({new: network.parameters.values[old] for new, old in names})
    return rest
