"""The constant arrays of feature extraction, which a model keeps."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from sayso.config import FeatureSettings

FloatArray = NDArray[np.float32]

# No number of a feature table is nearly as large; with such, the energy of the loudest sound is still finite.
LARGEST = 100.0


@dataclass(frozen=True, eq=False)
class FeatureTables:
    """The constant arrays of feature extraction, kept in model files so that recognition needs no librosa.

    Attributes
    ----------
    window : ndarray of float32, shape (fft_size,)
        Periodic Hann window of `window_samples`, with zeros on both sides.
    mel : ndarray of float32, shape (mel_bands, fft_size // 2 + 1)
        Triangular filters of equal area on the mel scale of Slaney's Auditory Toolbox (1998), as librosa makes them.
    cosine : ndarray of float32, shape (coefficients, mel_bands)
        First rows of the orthonormal discrete cosine transform, type II; no rows where log-mel energies are kept.
    """

    window: FloatArray
    mel: FloatArray
    cosine: FloatArray

    @classmethod
    def from_settings(cls, settings: FeatureSettings) -> Self:
        """Compute the tables with librosa and SciPy.

        Parameters
        ----------
        settings : FeatureSettings
            What the tables are for.
        """
        import librosa
        import scipy.fft

        window = librosa.filters.get_window("hann", settings.window_samples, fftbins=True)
        mel = librosa.filters.mel(
            sr=settings.sample_rate,
            n_fft=settings.fft_size,
            n_mels=settings.mel_bands,
            fmin=settings.low_frequency,
            fmax=settings.high_frequency,
        )
        cosine = scipy.fft.dct(np.eye(settings.mel_bands), axis=0, norm="ortho")[: settings.coefficients]
        return cls(
            window=librosa.util.pad_center(window, size=settings.fft_size).astype(np.float32),
            mel=mel.astype(np.float32),
            cosine=cosine.astype(np.float32),
        )

    def check(self, settings: FeatureSettings) -> None:
        """Make sure that these tables fit the settings.

        Parameters
        ----------
        settings : FeatureSettings
            What the tables shall be used with.

        Raises
        ------
        ValueError
            If a table has another shape or type than the settings ask for, or absurdly large numbers.
        """
        shapes = {
            "window": (settings.fft_size,),
            "mel": (settings.mel_bands, settings.fft_size // 2 + 1),
            "cosine": (settings.coefficients, settings.mel_bands),
        }
        for name, shape in shapes.items():
            table = getattr(self, name)
            if table.shape != shape or table.dtype != np.float32:
                raise ValueError(
                    f"feature table {name} is {table.dtype} of shape {table.shape}; the settings need float32 of shape "
                    f"{shape}; make the tables from the same settings"
                )
            if table.size and not np.abs(table).max() <= LARGEST:
                raise ValueError(f"feature table {name} has numbers beyond ±{LARGEST:g}; make the tables anew")
