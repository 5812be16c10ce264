"""A network in two parts, for streams: layers that see a few neighbouring moments, and those that need a whole window.

The windows of a stream overlap: of ten in a second, each moment lies in ten. What the first layers say of it is the
same in all of them, and so is computed once.
"""

from itertools import takewhile

import numpy as np

from heed.nn.chain import Chain
from heed.nn.network import Network
from heed.nn.parameters import FloatArray


class FrontStream:
    """Takes a stream through the first layers of a network, each moment once.

    Parameters
    ----------
    network : Network
        The network; its first layers are those before the first one without a `reach`.

    """

    def __init__(self, network: Network) -> None:
        self._front, self._values = front(network), network.parameters.values
        moments, channels = network.input_shape
        *given, left = self._front.output_shape((channels, moments))
        # To give a moment, the front needs so many others beside that one.
        self._context = moments - left
        self._pending: FloatArray = np.empty((0, channels), network.parameters.vector.dtype)
        self._nothing: FloatArray = np.empty((0, *given[::-1]), network.parameters.vector.dtype)

    def push(self, frames: FloatArray) -> FloatArray:
        """Take the next moments of the stream, and return what the front says of those that are now complete.

        Parameters
        ----------
        frames : ndarray, shape (moments, channels)
            Moments of the input, any number of them.

        Returns
        -------
        moments : ndarray, shape (moments, ...)
            Those of the output, as `back` takes them; from the second call on as many as there are new frames.
        """
        self._pending = np.concatenate([self._pending, frames])
        ready = len(self._pending) - self._context
        if ready <= 0:
            return self._nothing
        moments, _ = self._front.forward(self._values, self._pending.T[..., None], None)
        self._pending = self._pending[ready:]
        return moments[..., 0].T


def front(network: Network) -> Chain:
    """Return the layers of a network before the first one without a `reach`, maybe none."""
    return Chain(tuple(takewhile(lambda layer: layer.reach is not None, network.chain.layers)))


def back(network: Network) -> Network:
    """Return the layers behind the front as a network, which takes windows of what the front gives."""
    before = front(network)
    behind, values = len(before.layers), network.parameters.values
    shape = before.output_shape(network.input_shape[::-1])[::-1]
    rest = Network(network.chain.layers[behind:], shape, network.parameters.vector.dtype)
    names = zip(rest.chain.names, network.chain.names[behind:], strict=True)
    rest.parameters.assign({new: values[old] for new, old in names})
    return rest
