"""Generated rooms: how a word sounds across a room, for training.

Sound reaches the microphone directly and by way of the walls. Each reflection sounds as if it came from an image of the
speaker behind the wall; summing up all images gives the room's impulse response, and convolving a clip with it puts
the speaker into the room.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]

SPEED_OF_SOUND = 343.0  # metres a second, at 20 °C
SMALLEST, LARGEST = (2.5, 2.5, 2.2), (8.0, 6.0, 3.5)  # metres
WALL = 0.3  # metres that speaker and microphone keep from the walls
LONGEST = 0.3  # seconds that a response lasts at the most; the faint rest of a long one is cut off


def room_response(reverberation_time: float, sample_rate: int, rng: np.random.Generator) -> FloatArray:
    """Make the impulse response of a random box-shaped room, by the image-source method.

    J. Allen and D. Berkley, "Image method for efficiently simulating small-room acoustics", 1979. The reflection
    coefficient of the walls follows from the reverberation time by Eyring's formula.

    Parameters
    ----------
    reverberation_time : float
        Seconds in which the sound falls by 60 dB (T60).
    sample_rate : int
        Samples a second.
    rng : Generator
        Draws the room, the speaker's place and the microphone's.

    Returns
    -------
    response : ndarray of float32, shape (samples,)
        Beginning with the direct sound, so that it delays nothing; of energy 1, so that it hardly changes the level.
    """
    size = rng.uniform(SMALLEST, LARGEST)
    speaker, microphone = rng.uniform(WALL, size - WALL), rng.uniform(WALL, size - WALL)
    volume, surface = size.prod(), 2 * (size.prod() / size).sum()
    reflected = np.exp(-0.161 * volume / (surface * reverberation_time))  # of the energy, at each wall
    length = round(min(reverberation_time, LONGEST) * sample_rate)

    squares, bounces = np.zeros((1, 1, 1)), np.zeros((1, 1, 1), np.int64)
    for axis in range(3):
        furthest = int(np.ceil(length / sample_rate * SPEED_OF_SOUND / (2 * size[axis]))) + 1
        number = np.arange(-furthest, furthest + 1)
        # Images stand in pairs at 2 n size ± speaker, seen through |n| walls on one side and |n - p| on the other.
        offsets = np.concatenate([2 * number * size[axis] + sign * speaker[axis] for sign in (1, -1)])
        walls = np.concatenate([np.abs(number - mirrored) + np.abs(number) for mirrored in (0, 1)])
        shape = [-1 if other == axis else 1 for other in range(3)]
        squares = squares + np.square(offsets - microphone[axis]).reshape(shape)
        bounces = bounces + walls.reshape(shape)
    distances = np.sqrt(squares)
    direct = float(np.linalg.norm(speaker - microphone))
    delays = np.rint((distances - direct) / SPEED_OF_SOUND * sample_rate).astype(np.int64)
    heard = delays < length
    # Walls that turn the sign keep late reflections, thousands of them, from adding up to a rumble (E. Lehmann and A.
    # Johansson, "Prediction of energy decay in room impulse responses simulated with an image-source model", 2008).
    amplitudes = (-np.sqrt(reflected)) ** bounces[heard] / np.maximum(distances[heard], 0.1)
    response = np.bincount(delays[heard], amplitudes, length)
    return (response / np.linalg.norm(response)).astype(np.float32)


@dataclass(frozen=True)
class Rooms:
    """Impulse responses, transformed once, to convolve clips of one length with.

    Attributes
    ----------
    spectra : ndarray of complex64, shape (rooms, size // 2 + 1)
        Their Fourier transforms.
    size : int
        Samples of a transform; enough for a clip and the longest response.
    """

    spectra: NDArray[np.complex64]
    size: int

    @classmethod
    def generate(
        cls, count: int, times: tuple[float, float], clip_samples: int, sample_rate: int, rng: np.random.Generator
    ) -> Self:
        """Make `count` rooms with reverberation times in that range, for clips of that length."""
        from scipy import fft

        size = fft.next_fast_len(clip_samples + round(LONGEST * sample_rate), real=True)
        responses = [room_response(rng.uniform(*times), sample_rate, rng) for _ in range(count)]
        return cls(np.stack([fft.rfft(response, size) for response in responses]), size)

    def put(self, clip: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Return the clip as it sounds in one of the rooms, of the same length."""
        from scipy import fft

        spectrum = fft.rfft(clip, self.size)
        spectrum *= self.spectra[rng.integers(len(self.spectra))]
        heard: FloatArray = fft.irfft(spectrum, self.size, overwrite_x=True)[: len(clip)]
        return heard
