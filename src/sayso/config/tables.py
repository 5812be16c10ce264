"""The tables of settings: features, augmentation, training, decision."""

from dataclasses import dataclass, field
from typing import Literal

from sayso.errors import SettingsError

# Numbers in the overlapping frames of one clip, before their transform.
MOST_FRAMED = 2**22


@dataclass(frozen=True)
class FeatureSettings:
    """How samples become features.

    Attributes
    ----------
    sample_rate : int
        Samples a second that the features are made from; every input is resampled to it.
    clip : float
        Seconds of sound that the network sees at once.
    window, hop : float
        Length of the analysis window and the distance between two of them, in seconds.
    fft_size : int
        Samples of one Fourier transform; the window stands in its middle, padded with zeros.
    low_frequency, high_frequency : float
        Range of the mel filters in hertz.
    mel_bands : int
        Number of mel filters.
    coefficients : int
        Number of cepstral coefficients (MFCC); 0 keeps the log-mel energies as they are.
    high_pass : float
        Frequency in hertz below which an offset, hum and rumble are removed from every sound before anything else is
        done with it, in training and use alike; 0 leaves them.
    floor : float
        Energies below this are raised to it before the logarithm. It is fixed, never relative to a clip, so that a
        stream and a file get the same features.
    """

    sample_rate: int = 16_000
    clip: float = 1.0
    window: float = 0.030
    hop: float = 0.020
    fft_size: int = 512
    low_frequency: float = 20.0
    high_frequency: float = 7_600.0
    mel_bands: int = 40
    coefficients: int = 40
    floor: float = 1e-10
    high_pass: float = 0.0

    def __post_init__(self) -> None:
        _require(4_000 <= self.sample_rate <= 192_000, self, "sample_rate", "between 4000 and 192000")
        # Bounded first, for what is infinite has no whole number of samples.
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
        _require(0 <= self.low_frequency < self.high_frequency, self, "low_frequency", "below high_frequency")
        _require(self.high_frequency <= self.sample_rate / 2, self, "high_frequency", "at most half the sample rate")
        _require(1 <= self.mel_bands <= 512, self, "mel_bands", "between 1 and 512")
        _require(0 <= self.coefficients <= self.mel_bands, self, "coefficients", "between 0 and mel_bands")
        _require(0 <= self.high_pass <= 1_000, self, "high_pass", "between 0 and 1000 Hz")
        # Single precision has no number much smaller.
        _require(1e-30 <= self.floor < 1, self, "floor", "at least 1e-30 and below 1")

    @property
    def clip_samples(self) -> int:
        """Samples that the network sees at once."""
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
        """Frames in one clip; only whole transforms count, nothing is padded."""
        return 1 + (self.clip_samples - self.fft_size) // self.hop_samples

    @property
    def width(self) -> int:
        """Numbers in one frame: cepstral coefficients, or mel bands if there are none."""
        return self.coefficients or self.mel_bands


@dataclass(frozen=True)
class AugmentationSettings:
    """How training clips are varied; 0 turns a variation off.

    Attributes
    ----------
    shift : float
        Largest displacement in time, in seconds, either way.
    speed : float
        Largest relative change of speed (and with it of pitch), either way.
    gain : float
        Largest change of level in decibels, either way.
    reverberation_probability : float
        Part of the clips that are heard in a generated room.
    reverberation_time : tuple of float
        Shortest and longest time in which the sound in such a room falls by 60 dB, in seconds.
    renewal : int
        Epochs for which a variation in speed, position and room is used; each epoch makes as many parts of the clips
        anew. What else is listed here, and shifts by whole frames, are drawn afresh each time.
    noise_probability : float
        Part of the clips that get background noise.
    noise_snr : tuple of float
        Lowest and highest signal-to-noise ratio in decibels.
    time_masks, time_mask_length : int, float
        Number of stretches of a clip that are blanked, and the longest, in seconds.
    frequency_masks, frequency_mask_bands : int, int
        Number of ranges of mel bands that are blanked, and the widest, in bands.
    """

    shift: float = 0.06
    speed: float = 0.12
    gain: float = 6.0
    reverberation_probability: float = 0.25
    reverberation_time: tuple[float, float] = (0.1, 0.6)
    renewal: int = 10
    noise_probability: float = 0.6
    noise_snr: tuple[float, float] = (0.0, 30.0)
    time_masks: int = 2
    time_mask_length: float = 0.1
    frequency_masks: int = 2
    frequency_mask_bands: int = 5

    def __post_init__(self) -> None:
        _require(0 <= self.shift <= 1, self, "shift", "between 0 and 1 second")
        _require(0 <= self.speed <= 0.5, self, "speed", "between 0 and 0.5")
        _require(0 <= self.gain <= 60, self, "gain", "between 0 and 60 dB")
        _require(0 <= self.reverberation_probability <= 1, self, "reverberation_probability", "between 0 and 1")
        _require(
            0.05 <= self.reverberation_time[0] <= self.reverberation_time[1] <= 2,
            self,
            "reverberation_time",
            "two rising numbers between 0.05 and 2 seconds",
        )
        _require(1 <= self.renewal <= 1_000, self, "renewal", "between 1 and 1000")
        _require(0 <= self.noise_probability <= 1, self, "noise_probability", "between 0 and 1")
        _require(
            -30 <= self.noise_snr[0] <= self.noise_snr[1] <= 100,
            self,
            "noise_snr",
            "two rising numbers between -30 and 100 dB",
        )
        _require(0 <= self.time_masks <= 16, self, "time_masks", "between 0 and 16")
        _require(0 <= self.time_mask_length <= 1, self, "time_mask_length", "between 0 and 1 second")
        _require(0 <= self.frequency_masks <= 16, self, "frequency_masks", "between 0 and 16")
        _require(0 <= self.frequency_mask_bands <= 512, self, "frequency_mask_bands", "between 0 and 512")


@dataclass(frozen=True)
class TrainingSettings:
    """How the network learns.

    Attributes
    ----------
    epochs : int
        Most passes over the training clips.
    patience : int
        Epochs without a better validation accuracy after which training stops early; 0 never does.
    batch_size : int
        Clips for one step of gradient descent.
    shard_size : int
        Clips of a batch that go through the network together, each such part in a thread of its own; 0 takes the whole
        batch at once.
    optimizer : {"adamw", "adam", "sgd"}
        The rule that turns a gradient into a step.
    learning_rate : float
        Highest learning rate; the schedule shapes it.
    schedule : {"one-cycle", "cosine", "step", "constant"}
        Course of the learning rate over the whole training.
    warmup : float
        Part of the training in which the rate rises to its highest (cosine and one-cycle).
    momentum : float
        Part of the last step that is repeated (sgd only).
    weight_decay : float
        Decoupled weight decay (adamw only).
    label_smoothing : float
        Probability that the target moves from the right label to all labels alike.
    average_decay : float
        Decay a step of the running average of the weights, which is what is validated and saved; 0 uses the last
        weights.
    unknown_draws : float
        How many times as often as a word unknown speech is drawn: it is many words.
    unknown_by_word : bool
        Whether each word that is unknown speech is learned as a class of its own; their probabilities are added up.
    seed : int
        The same seed gives the same model on the same machine.
    """

    epochs: int = 60
    patience: int = 20
    batch_size: int = 128
    shard_size: int = 64
    optimizer: Literal["adamw", "adam", "sgd"] = "adamw"
    learning_rate: float = 0.002
    schedule: Literal["one-cycle", "cosine", "step", "constant"] = "one-cycle"
    warmup: float = 0.2
    momentum: float = 0.9
    weight_decay: float = 0.01
    label_smoothing: float = 0.1
    average_decay: float = 0.998
    unknown_draws: float = 1.0
    unknown_by_word: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        # Every epoch leaves a row in the model file.
        _require(1 <= self.epochs <= 10_000, self, "epochs", "between 1 and 10000")
        _require(self.patience >= 0, self, "patience", "0 or more")
        _require(2 <= self.batch_size <= 65_536, self, "batch_size", "between 2 and 65536")
        _require(0 <= self.shard_size <= 65_536, self, "shard_size", "between 0 and 65536")
        _require(0 < self.learning_rate <= 10, self, "learning_rate", "above 0 and at most 10")
        _require(0 <= self.warmup < 1, self, "warmup", "at least 0 and below 1")
        _require(0 <= self.momentum < 1, self, "momentum", "at least 0 and below 1")
        _require(0 <= self.weight_decay <= 1, self, "weight_decay", "between 0 and 1")
        _require(0 <= self.label_smoothing < 1, self, "label_smoothing", "at least 0 and below 1")
        _require(0 <= self.average_decay < 1, self, "average_decay", "at least 0 and below 1")
        _require(0.1 <= self.unknown_draws <= 10, self, "unknown_draws", "between 0.1 and 10")
        _require(0 <= self.seed < 2**63, self, "seed", "0 or more, below 2**63")


@dataclass(frozen=True)
class DecisionSettings:
    """How probabilities over time become detections.

    Attributes
    ----------
    step : float
        Seconds from one look at the sound to the next; at most the length of a window.
    smoothing : int
        Number of the latest looks whose probabilities are averaged; the newest counts so many times as the oldest, and
        from one to the next the weight falls evenly.
    threshold : float
        A word is detected when its average reaches this.
    margin : float
        A word is also detected when the average over the newer half of these looks is above the threshold by so much: a
        clear word need not wait for the other half. 1 is never.
    words : dict of str to float
        Words that have a threshold of their own.
    rearm : float
        A detected word can be detected again only after its average fell below this; a threshold of its own raises or
        lowers it in proportion.
    refractory : float
        Seconds after a detection in which no other follows.
    """

    step: float = 0.1
    smoothing: int = 7
    threshold: float = 0.6
    margin: float = 0.1
    words: dict[str, float] = field(default_factory=dict)
    rearm: float = 0.4
    refractory: float = 0.5

    def __post_init__(self) -> None:
        _require(0.01 <= self.step <= 1, self, "step", "between 0.01 and 1 second")
        _require(1 <= self.smoothing <= 100, self, "smoothing", "between 1 and 100")
        _require(0 < self.threshold <= 1, self, "threshold", "above 0 and at most 1")
        _require(0 <= self.margin <= 1, self, "margin", "between 0 and 1")
        _require(all(0 < own <= 1 for own in self.words.values()), self, "words", "thresholds above 0 and at most 1")
        _require(0 <= self.rearm <= self.threshold, self, "rearm", "at most the threshold")
        _require(0 <= self.refractory <= 60, self, "refractory", "between 0 and 60 seconds")


def _require(condition: bool, settings: object, name: str, expected: str) -> None:
    """Raise SettingsError unless `condition` holds; NaN fails every comparison and is refused with the rest."""
    if not condition:
        raise SettingsError(f"{name} is {getattr(settings, name)!r}; expected {expected}")
