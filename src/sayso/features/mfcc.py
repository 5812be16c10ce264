"""Feature extraction: log-mel energies or MFCC of whole clips, or of a live stream frame by frame.

A frame depends only on its own samples, so that a file, a clip and a microphone give the same features.
"""

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from sayso.config import FeatureSettings
from sayso.features.filterbank import FeatureTables

FloatArray = NDArray[np.float32]

# Frames transformed at a time: few enough for the processor's cache, enough that the overhead of NumPy is small.
_BLOCK_FRAMES = 512
# Neighbouring mel filters cover the same few bins: computing eight at a time skips most of the zeros in the matrix,
# and keeps each product so small that BLAS does not start threads in addition to the caller's.
_BANDS_AT_ONCE = 8


class MfccExtractor:
    """Computes mel-frequency cepstral coefficients (Davis and Mermelstein, 1980) of whole clips.

    Equal to librosa's `mfcc` with ``center=False`` and ``top_db=None``. An extractor holds only constants, so any
    number of threads can share it.

    Parameters
    ----------
    settings : FeatureSettings
        Settings of the feature extraction.
    tables : FeatureTables
        The tables for these settings.

    Raises
    ------
    ValueError
        If the tables do not fit the settings.
    """

    def __init__(self, settings: FeatureSettings, tables: FeatureTables) -> None:
        tables.check(settings)
        self.settings = settings
        self.tables = tables
        self._filters = list(_filters(tables.mel))
        self._cosine = np.ascontiguousarray(tables.cosine.T)

    def __call__(self, clips: FloatArray, threads: int = 1) -> FloatArray:
        """Compute the features of clips.

        Parameters
        ----------
        clips : ndarray of float32, shape (clips, samples)
            Clips of equal length, at least one transform long.
        threads : int
            Number of threads; the result does not depend on it.

        Returns
        -------
        features : ndarray of float32, shape (clips, frames, width)
            MFCC, or log-mel energies if `coefficients` is 0.

        Raises
        ------
        ValueError
            If the clips have another type or shape, or are too short.
        """
        if threads == 1:
            return self.cepstra(self.log_mel(clips))
        features = np.empty((len(clips), self._frames(clips), self.settings.width), np.float32)

        def fill(some: FloatArray, place: FloatArray) -> None:
            place[:] = self.cepstra(self.log_mel(some))

        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(fill, np.array_split(clips, threads), np.array_split(features, threads)))
        return features

    def log_mel(self, clips: FloatArray) -> FloatArray:
        """Compute the log-mel energies of clips; see `energies` for the parameters and errors.

        Returns
        -------
        log_mel : ndarray of float32, shape (clips, frames, mel_bands)
            Energies in decibels.
        """
        return self.decibels(self.energies(clips))

    def energies(self, clips: FloatArray) -> FloatArray:
        """Compute the mel energies of clips: the energy of each frame within each mel filter.

        Parameters
        ----------
        clips : ndarray of float32, shape (clips, samples)
            Clips of equal length, at least one transform long.

        Returns
        -------
        energies : ndarray of float32, shape (clips, frames, mel_bands)
            Energies; ``frames = 1 + (samples - fft_size) // hop_samples``.

        Raises
        ------
        ValueError
            If the clips have another type or shape, or are too short.
        """
        settings = self.settings
        frames = self._frames(clips)
        # The same view as sliding_window_view's, at a fraction of its overhead, which matters for a single clip.
        clips = np.ascontiguousarray(clips)
        shape, (clip, sample) = (len(clips), frames, settings.fft_size), clips.strides
        windows = np.ndarray(shape, clips.dtype, clips, 0, (clip, settings.hop_samples * sample, sample))
        energies = np.empty((len(clips), frames, settings.mel_bands), np.float32)
        block = max(_BLOCK_FRAMES // frames, 1)
        spectra = np.empty((min(block, len(clips)), frames, settings.fft_size // 2 + 1), np.complex64)
        for start in range(0, len(clips), block):
            framed, part = windows[start : start + block], energies[start : start + block]
            spectrum = spectra[: len(framed)]
            # In single precision, as the samples are; the types of NumPy do not tell.
            np.fft.rfft(framed * self.tables.window, out=spectrum)  # type: ignore[arg-type]
            squares = spectrum.view(np.float32)
            np.square(squares, out=squares)
            # One product per clip, always of the same shape: a clip's features do not depend on its neighbours.
            for bands, bins, weights in self._filters:
                np.matmul(squares[..., bins], weights, out=part[..., bands])
        return energies

    def decibels(self, energies: FloatArray) -> FloatArray:
        """Convert mel energies to decibels, ``10 log10(max(energy, floor))``, in place, and return them."""
        np.maximum(energies, self.settings.floor, out=energies)
        # NumPy's natural logarithm is vectorised on more processors than its decimal one.
        np.log(energies, out=energies)
        return np.multiply(energies, 10 / math.log(10), out=energies)

    @property
    def band_widths(self) -> FloatArray:
        """Factors that scale each filter's peak to 1: energies times widths sum to about the energy of a frame."""
        widths: FloatArray = 1 / np.maximum(self.tables.mel.max(axis=1), np.finfo(np.float32).tiny)
        return widths

    def cepstra(self, log_mel: FloatArray) -> FloatArray:
        """Convert log-mel energies to cepstral coefficients.

        Parameters
        ----------
        log_mel : ndarray of float32, shape (clips, frames, mel_bands)
            Energies in decibels.

        Returns
        -------
        features : ndarray of float32, shape (clips, frames, width)
            Coefficients, or the energies themselves (not a copy) if `coefficients` is 0.
        """
        return log_mel @ self._cosine if self.settings.coefficients else log_mel

    def _frames(self, clips: FloatArray) -> int:
        """Return the number of frames per clip; raise ValueError if the clips cannot be used."""
        _check_samples(clips, "(clips, samples)", 2)
        samples, fft_size = clips.shape[1], self.settings.fft_size
        if samples < fft_size:
            raise ValueError(
                f"clips have {samples} samples; expected at least the {fft_size} of one transform; pad them with zeros"
            )
        return 1 + int(samples - fft_size) // self.settings.hop_samples


class FeatureStream:
    """Computes the features of a stream as its samples arrive, each frame once.

    Parameters
    ----------
    extractor : MfccExtractor
        Computes the frames.
    """

    def __init__(self, extractor: MfccExtractor) -> None:
        self._extractor = extractor
        self._pending = np.empty(0, np.float32)

    def push(self, samples: FloatArray) -> FloatArray:
        """Process the next samples of the stream and return the frames that they complete.

        Parameters
        ----------
        samples : ndarray of float32, shape (samples,)
            Any number of samples; the features do not depend on how the stream is cut.

        Returns
        -------
        frames : ndarray of float32, shape (frames, width)
            The frames whose last sample is among `samples`, possibly none.

        Raises
        ------
        ValueError
            If the samples have another type or shape.
        """
        _check_samples(samples, "(samples,)", 1)
        settings = self._extractor.settings
        self._pending = np.concatenate([self._pending, samples])
        if len(self._pending) < settings.fft_size:
            return np.empty((0, settings.width), np.float32)
        frames: FloatArray = self._extractor(self._pending[None])[0]
        self._pending = self._pending[len(frames) * settings.hop_samples :].copy()
        return frames


def _filters(mel: FloatArray) -> Iterator[tuple[slice, slice, FloatArray]]:
    """Split the mel matrix into products of a few bands with the bins that these bands cover.

    The complex numbers of a spectrum are seen as ``re 0, im 0, re 1, im 1, ...``. Both parts of a bin get the bin's
    weight, so that the product with their squares sums them to the bin's power.

    Yields
    ------
    bands, bins, weights : slice, slice, ndarray of float32, shape (bins, bands)
        Bands of the product, squares that it uses, and the matrix.
    """
    packed = np.repeat(mel, 2, axis=1)
    for first in range(0, len(mel), _BANDS_AT_ONCE):
        bands = slice(first, min(first + _BANDS_AT_ONCE, len(mel)))
        covered = np.flatnonzero(packed[bands].any(axis=0))
        bins = slice(int(covered[0]), int(covered[-1]) + 1) if len(covered) else slice(0)
        yield bands, bins, np.ascontiguousarray(packed[bands, bins].T)


def _check_samples(samples: FloatArray, shape: str, dimensions: int) -> None:
    if samples.dtype != np.float32 or samples.ndim != dimensions:
        raise ValueError(
            f"samples are {samples.dtype} of shape {samples.shape}; expected float32 of shape {shape}; "
            "convert them first"
        )
