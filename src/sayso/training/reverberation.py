"""Reverberation for training clips: simulated impulse responses of rooms, and convolution with them.

Sound reaches a microphone directly and by way of the walls. Each reflection sounds as if it came from a mirror image of
the speaker behind the wall. The sum over all images is the impulse response of the room, and a clip convolved with it
sounds as if it had been recorded there.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]

SPEED_OF_SOUND = 343.0  # metres per second, at 20 °C
SMALLEST, LARGEST = (2.5, 2.5, 2.2), (8.0, 6.0, 3.5)  # sizes of rooms, in metres
WALL = 0.3  # smallest distance of speaker and microphone from the walls, in metres
LONGEST = 0.5  # longest impulse response, in seconds; the faint end of a longer one is cut off


def impulse_response(reverberation_time: float, sample_rate: int, rng: np.random.Generator) -> FloatArray:
    """Simulate the impulse response of a random box-shaped room by the image-source method.

    J. Allen and D. Berkley, "Image method for efficiently simulating small-room acoustics", 1979. The reflection
    coefficient of the walls follows from the reverberation time by Eyring's formula.

    Parameters
    ----------
    reverberation_time : float
        Time in which the sound level falls by 60 dB (T60), in seconds.
    sample_rate : int
        Samples per second.
    rng : Generator
        Draws the size of the room and the positions of speaker and microphone.

    Returns
    -------
    response : ndarray of float32, shape (samples,)
        Starts with the direct sound, so that it adds no delay; has energy 1, so that it hardly changes the level.
    """
    size = rng.uniform(SMALLEST, LARGEST)
    speaker, microphone = rng.uniform(WALL, size - WALL), rng.uniform(WALL, size - WALL)
    volume, surface = size.prod(), 2 * (size.prod() / size).sum()
    reflected = np.exp(-0.161 * volume / (surface * reverberation_time))  # part of the energy, at each wall
    length = round(min(reverberation_time, LONGEST) * sample_rate)

    direct = float(np.linalg.norm(speaker - microphone))
    furthest = direct + length / sample_rate * SPEED_OF_SOUND

    squares, bounces = [], []
    for axis in range(3):
        last = int(np.ceil(length / sample_rate * SPEED_OF_SOUND / (2 * size[axis]))) + 1
        number = np.arange(-last, last + 1)
        # Images come in pairs at 2 n size ± speaker, reflected |n| times by one wall and |n - p| times by the other.
        offsets = np.concatenate([2 * number * size[axis] + sign * speaker[axis] for sign in (1, -1)])
        squares.append(np.square(offsets - microphone[axis]))
        bounces.append(np.concatenate([np.abs(number - mirrored) + np.abs(number) for mirrored in (0, 1)]))
    # Walls that invert the sign keep the thousands of late reflections from adding up to a rumble (E. Lehmann and A.
    # Johansson, "Prediction of energy decay in room impulse responses simulated with an image-source model", 2008).
    amplitudes = (-np.sqrt(reflected)) ** np.arange(sum(int(walls.max()) for walls in bounces) + 1)
    response = np.zeros(length)
    # One plane of images after the other, which fits into the processor's cache.
    for square, walls in zip(squares[0], bounces[0], strict=True):
        plane = square + squares[1][:, None] + squares[2]
        near = plane < furthest**2
        distances = np.sqrt(plane[near])
        delays = np.rint((distances - direct) / SPEED_OF_SOUND * sample_rate).astype(np.int64)
        reflections = amplitudes[(walls + bounces[1][:, None] + bounces[2])[near]] / np.maximum(distances, 0.1)
        # A delay may be rounded up to the length.
        response += np.bincount(delays, reflections, length)[:length]
    return (response / np.linalg.norm(response)).astype(np.float32)


@dataclass(frozen=True)
class ImpulseResponses:
    """Fourier transforms of room impulse responses, computed once for clips of one length.

    Attributes
    ----------
    spectra : ndarray of complex64, shape (responses, size // 2 + 1)
        The transforms.
    size : int
        Length of a transform in samples; enough for a clip and the longest response.
    """

    spectra: NDArray[np.complex64]
    size: int

    @classmethod
    def generate(
        cls, count: int, times: tuple[float, float], clip_samples: int, sample_rate: int, rng: np.random.Generator
    ) -> Self:
        """Simulate `count` rooms with reverberation times between `times` seconds, for clips of `clip_samples`."""
        size = _fast_length(clip_samples + round(LONGEST * sample_rate))
        responses = [impulse_response(rng.uniform(*times), sample_rate, rng) for _ in range(count)]
        return cls(np.stack([np.fft.rfft(response, size) for response in responses]), size)

    def convolve(self, clip: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Convolve a clip with a randomly drawn response; the result has the length of the clip."""
        spectrum = np.fft.rfft(clip, self.size)
        spectrum *= self.spectra[rng.integers(len(self.spectra))]
        # In single precision, as the spectrum is; the types of NumPy do not tell.
        return np.asarray(np.fft.irfft(spectrum, self.size)[: len(clip)], np.float32)


def _fast_length(samples: int) -> int:
    """Return the next length that a Fourier transform is fast for: one without prime factors above 5."""
    lengths = (2**a * 3**b * 5**c for a in range(samples.bit_length() + 1) for b in range(8) for c in range(6))
    return min(int(length) for length in lengths if length >= samples)
