"""A network in two parts for streams: layers with a short context, and layers that need a whole window.

The windows of a stream overlap: where one starts every tenth of its length, each frame lies in ten. The outputs of the
first layers for a frame are the same in all of these, except near the ends of a window, where the context reaches into
the padding. So the first layers process only the beginning of each window, where the padding is new, and its end, where
the frames are new.
"""

from itertools import accumulate

import numpy as np

from sayso.nn.chain import Chain
from sayso.nn.network import Network
from sayso.nn.parameters import FloatArray


class WindowStream:
    """Runs the first layers of a network on a stream and returns windows of their outputs for the other layers.

    Parameters
    ----------
    network : Network
        The network; see `front` and `back` for its two parts.
    step : int
        Frames from one window to the next, at most the length of a window.
    """

    def __init__(self, network: Network, step: int) -> None:
        self._step, self._length = step, network.input_shape[0]
        self._front, self._values = front(network, step), network.parameters.values
        self._context = sum(layer.context or 0 for layer in self._front.layers)
        channels, dtype = network.input_shape[1:], network.parameters.vector.dtype
        *outputs, _ = self._front.output_shape((*channels[::-1], self._length))
        # The stream from the beginning of the next window on, and the front's outputs for it, without its ends.
        self._stream: FloatArray = np.empty((*channels[::-1], 0), dtype)
        self._inner: FloatArray = np.empty((*outputs, 0), dtype)

    def push(self, frames: FloatArray, capacity: int) -> tuple[FloatArray, int]:
        """Process the next frames of the stream.

        Parameters
        ----------
        frames : ndarray, shape (frames, channels)
            Any number of frames that completes at most `capacity` windows.
        capacity : int
            Number of windows in the result, complete or not.

        Returns
        -------
        windows : ndarray, shape (capacity, frames, ...)
            The windows that are now complete, as inputs of `back`, followed by zeros.
        count : int
            Number of complete windows.
        """
        self._stream = np.concatenate([self._stream, frames.T], axis=-1)
        step, length, context = self._step, self._length, self._context
        count = max((self._stream.shape[-1] - length) // step + 1, 0)
        windows = np.zeros((*self._inner.shape[:-1], length, capacity), self._inner.dtype)
        if count:
            if not self._inner.shape[-1]:
                before = length - step
                self._inner = self._apply(self._stream[..., :before, None])[..., context : before - context, 0]
            starts = range(0, count * step, step)
            first, last = self._ends(starts)
            new = last[..., context : context + step, :].swapaxes(-1, -2)
            self._inner = np.concatenate([self._inner, new.reshape(*new.shape[:-2], -1)], axis=-1)
            windows[..., :context, :count] = first[..., :context, :]
            for number, start in enumerate(starts):
                inner = self._inner[..., start : start + length - 2 * context]
                windows[..., context : length - context, number] = inner
            windows[..., length - context :, :count] = last[..., context + step :, :]
            self._stream = self._stream[..., count * step :]
            self._inner = self._inner[..., count * step :]
        return windows.T, count

    def _ends(self, starts: range) -> tuple[FloatArray, FloatArray]:
        """Compute the front's outputs for the first and the last frames of windows: one step and its context."""
        size = self._step + 2 * self._context
        offset = self._length - size
        firsts = [self._stream[..., start : start + size] for start in starts]
        lasts = [self._stream[..., start + offset : start + offset + size] for start in starts]
        outputs = self._apply(np.stack(firsts + lasts, axis=-1))
        return outputs[..., : len(starts)], outputs[..., len(starts) :]

    def _apply(self, x: FloatArray) -> FloatArray:
        return self._front.forward(self._values, x, None)[0]


def front(network: Network, step: int) -> Chain:
    """Return the first layers of a network, possibly none, for which computing the ends of a window costs less."""
    layers, frames = network.chain.layers, network.input_shape[0]
    contexts = accumulate(frames if layer.context is None else layer.context for layer in layers)
    return Chain(layers[: sum(2 * (step + 2 * context) < frames for context in contexts)])


def back(network: Network, step: int) -> Network:
    """Return the layers after the front as a network whose inputs are windows of the front's outputs."""
    before = front(network, step)
    shape = before.output_shape(network.input_shape[::-1])[::-1]
    rest = Network(network.chain.layers[len(before.layers) :], shape, network.parameters.vector.dtype)
    names = zip(rest.chain.names, network.chain.names[len(before.layers) :], strict=True)
    rest.parameters.assign({new: network.parameters.values[old] for new, old in names})
    return rest
