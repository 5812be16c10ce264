"""The constant arrays of feature extraction: window, mel filters and cosine transform."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from sayso.config import FeatureSettings
from sayso.extras import require

FloatArray = NDArray[np.float32]

# No number in a feature table is nearly as large; up to this, the energy of the loudest sound is finite.
LARGEST = 100.0


@dataclass(frozen=True, eq=False)
class FeatureTables:
    """The constant arrays of feature extraction, stored in model files so that recognition does not need librosa.

    Attributes
    ----------
    window : ndarray of float32, shape (fft_size,)
        Periodic Hann window of `window_samples`, with zeros on both sides.
    mel : ndarray of float32, shape (mel_bands, fft_size // 2 + 1)
        Triangular filters of equal area on the mel scale of Slaney's Auditory Toolbox (1998), as librosa makes them.
    cosine : ndarray of float32, shape (coefficients, mel_bands)
        First rows of the orthonormal discrete cosine transform, type II; no rows if the features are log-mel energies.
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
            The settings that the tables are for.

        Raises
        ------
        MissingPackageError
            If these are not installed.
        """
        require("training", "train")
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
        """Check that these tables fit the settings.

        Parameters
        ----------
        settings : FeatureSettings
            The settings to use the tables with.

        Raises
        ------
        ValueError
            If a table has another shape or type than the settings require, or absurdly large numbers.
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
                raise ValueError(f"feature table {name} has numbers beyond ±{LARGEST:g}; compute the tables again")
