"""The table of settings for feature extraction."""

from dataclasses import dataclass
from typing import Annotated

from sayso.config.quantities import Hertz, Seconds
from sayso.config.quantities import require as _require

# Samples in the overlapping frames of one clip, before the Fourier transform.
MOST_FRAMED = 2**22


@dataclass(frozen=True)
class FeatureSettings:
    """Feature extraction.

    Attributes
    ----------
    sample_rate : int
        Sample rate of the features in hertz; every input is resampled to it.
    clip : float
        Length of the network's input in seconds.
    window : float
        Length of the analysis window in seconds.
    hop : float
        Distance from one window to the next, in seconds.
    fft_size : int
        Samples per Fourier transform; the window is centred in it and padded with zeros.
    low_frequency : float
        Where the lowest mel filter starts, in hertz.
    high_frequency : float
        Where the highest mel filter ends, in hertz.
    mel_bands : int
        Number of mel filters.
    coefficients : int
        Number of cepstral coefficients (MFCC); 0 uses the log-mel energies themselves.
    high_pass : float
        Frequency in hertz below which an offset, hum and rumble are removed from every sound before anything else is
        done with it, in training and use alike; 0 leaves them.
    floor : float
        Energies below this are raised to it before the logarithm. It is absolute, not relative to a clip, so that a
        stream and a file give the same features.
    """

    sample_rate: Annotated[int, "Hz"] = 16_000
    clip: Seconds = 1.0
    window: Seconds = 0.030
    hop: Seconds = 0.020
    fft_size: Annotated[int, "samples"] = 512
    low_frequency: Hertz = 20.0
    high_frequency: Hertz = 7_600.0
    mel_bands: int = 40
    coefficients: int = 40
    floor: float = 1e-10
    high_pass: Hertz = 0.0

    def __post_init__(self) -> None:
        _require(4_000 <= self.sample_rate <= 192_000, self, "sample_rate", "between 4000 and 192000")
        # Bounded first, since an infinite length has no number of samples.
        _require(0 < self.clip <= 60, self, "clip", "above 0 and at most 60 seconds")
        _require(0 < self.window <= self.clip, self, "window", "positive and no longer than the clip")
        _require(0 < self.hop <= self.window, self, "hop", "positive and no longer than the window")
        _require(self.hop_samples >= 1, self, "hop", "at least one sample")
        _require(
            self.window_samples <= self.fft_size <= 2**15,
            self,
            "fft_size",
            f"at least the window's {self.window_samples} samples and at most {2**15}",
        )
        _require(self.fft_size <= self.clip_samples, self, "clip", "at least one transform of fft_size samples")
        _require(
            self.frames * self.fft_size <= MOST_FRAMED,
            self,
            "hop",
            f"so long that the {self.frames} frames of {self.fft_size} samples have at most {MOST_FRAMED} together",
        )
        _require(
            0 <= self.low_frequency < self.high_frequency, self, "low_frequency", "at least 0 and below high_frequency"
        )
        _require(self.high_frequency <= self.sample_rate / 2, self, "high_frequency", "at most half the sample rate")
        _require(1 <= self.mel_bands <= 512, self, "mel_bands", "between 1 and 512")
        _require(0 <= self.coefficients <= self.mel_bands, self, "coefficients", "between 0 and mel_bands")
        _require(0 <= self.high_pass <= 1_000, self, "high_pass", "between 0 and 1000 Hz")
        # Much smaller numbers do not exist in single precision.
        _require(1e-30 <= self.floor < 1, self, "floor", "at least 1e-30 and below 1")

    @property
    def clip_samples(self) -> int:
        """Samples in the network's input."""
        return round(self.clip * self.sample_rate)

    @property
    def window_samples(self) -> int:
        """Samples in one analysis window."""
        return round(self.window * self.sample_rate)

    @property
    def hop_samples(self) -> int:
        """Samples from one frame to the next."""
        return round(self.hop * self.sample_rate)

    @property
    def frames(self) -> int:
        """Frames in one clip; only complete transforms count, without padding at the ends."""
        return 1 + (self.clip_samples - self.fft_size) // self.hop_samples

    @property
    def width(self) -> int:
        """Features per frame: cepstral coefficients, or mel bands without them."""
        return self.coefficients or self.mel_bands
