"""The way from samples to the input of the network, as a few tables that every format writes."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sayso.errors import ExportError
from sayso.export.operations import begins_with_spectrum
from sayso.model.model_file import Model
from sayso.nn.spectrum import cosines

FloatArray = NDArray[np.float32]


class HighPass(NamedTuple):
    """The Butterworth high-pass of second order as a recursion on a state s of two numbers.

    For each sample x, the output is y = output · s + direct x, and then s = transition s + input x. At the beginning s
    is (0, x) with the first sample x, as if it had been there for ever.

    In this form (a state variable filter with trapezoidal integrators) single precision is enough; the usual
    difference equation loses it, as the poles of a cutoff far below the sample rate are close to 1.

    Attributes
    ----------
    transition : ndarray of float64, shape (2, 2)
    input, output : ndarray of float64, shape (2,)
    direct : float
    """

    transition: NDArray[np.float64]
    input: NDArray[np.float64]
    output: NDArray[np.float64]
    direct: float

    @classmethod
    def of(cls, cutoff: float, sample_rate: int) -> "HighPass":
        """Design the filter of `sound.high_pass` by the bilinear transform."""
        slope, damping = math.tan(math.pi * cutoff / sample_rate), math.sqrt(2)
        first = 1 / (1 + slope * (slope + damping))
        second, third = slope * first, slope * slope * first
        return cls(
            np.array([[2 * first - 1, -2 * second], [2 * second, 1 - 2 * third]]),
            np.array([2 * second, 2 * third]),
            np.array([-damping * first - second, damping * second + third - 1]),
            1 - damping * second - third,
        )


@dataclass(frozen=True, eq=False)
class FrontEnd:
    """The constants of the way from samples to the input of the network.

    Each frame of `fft_size` samples is multiplied by the window and transformed; the mel filters sum the powers of its
    spectrum to energies, and the input is ``matrix @ log(max(energies, floor)) + offset``. Decibels, the cosine
    transform, the standardisation and a `Spectrum` as the first layer of the network are all in that matrix.

    Attributes
    ----------
    sample_rate, samples, fft_size, hop, frames : int
        Samples per second, per window of the network, per transform, from frame to frame; frames per window.
    floor : float
        Least energy.
    window : ndarray of float32, shape (fft_size,)
    mel : ndarray of float32, shape (mel_bands, fft_size // 2 + 1)
    matrix : ndarray of float32, shape (width, mel_bands)
    offset : ndarray of float32, shape (width,)
    high_pass : HighPass or None
        The filter that the sound goes through first.
    """

    sample_rate: int
    samples: int
    fft_size: int
    hop: int
    frames: int
    floor: float
    window: FloatArray
    mel: FloatArray
    matrix: FloatArray
    offset: FloatArray
    high_pass: HighPass | None

    @classmethod
    def of(cls, model: Model) -> "FrontEnd":
        """Collect the constants of a model."""
        features, tables, standardizer = model.features, model.tables, model.standardizer
        cosine = tables.cosine.astype(np.float64) if features.coefficients else np.eye(features.mel_bands)
        deviation = standardizer.deviation.astype(np.float64)
        matrix = 10 / math.log(10) * cosine / deviation[:, None]
        offset = -standardizer.mean / deviation
        if begins_with_spectrum(model.network):
            spectrum = cosines(len(offset), np.dtype(np.float64)).T
            matrix, offset = spectrum @ matrix, spectrum @ offset
        return cls(
            sample_rate=features.sample_rate,
            samples=features.clip_samples,
            fft_size=features.fft_size,
            hop=features.hop_samples,
            frames=features.frames,
            floor=features.floor,
            window=tables.window,
            mel=tables.mel,
            matrix=matrix.astype(np.float32),
            offset=offset.astype(np.float32),
            high_pass=HighPass.of(features.high_pass, features.sample_rate) if features.high_pass else None,
        )

    @property
    def silence(self) -> FloatArray:
        """Input of the network for a frame without a sound, shape (width,)."""
        silence: FloatArray = self.offset + self.matrix.sum(axis=1) * np.float32(math.log(self.floor))
        return silence

    def check_transform(self) -> None:
        """Refuse a length of the Fourier transform that the code in C and JavaScript does not know.

        Raises
        ------
        ExportError
            If it is not a power of two.
        """
        size = self.fft_size
        if size < 4 or size & (size - 1):
            raise ExportError(
                f"the model's features have fft_size = {size}; this format needs a power of two: train with the next "
                "one, to which the window is padded with zeros, or export to ONNX"
            )

    @property
    def filters(self) -> list[tuple[int, FloatArray]]:
        """The mel filters without the zeros on both sides: the first bin, and the weights from there on."""
        found = []
        for row in self.mel:
            covered = np.flatnonzero(row)
            first, end = (int(covered[0]), int(covered[-1]) + 1) if len(covered) else (0, 0)
            found.append((first, row[first:end]))
        return found
