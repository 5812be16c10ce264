"""The tables of settings for augmentation, training and the decision."""

from dataclasses import dataclass, field, replace
from typing import Annotated, Literal, Self

from sayso.config.odds import shifted
from sayso.config.quantities import Decibels, Nats, Seconds
from sayso.config.quantities import require as _require
from sayso.errors import SettingsError, shown

# Nats between the thresholds of the lowest and of the highest sensitivity.
SENSITIVITY_RANGE = 6.0


@dataclass(frozen=True)
class AugmentationSettings:
    """Augmentation of training clips; 0 turns an augmentation off.

    Attributes
    ----------
    shift : float
        Largest shift in time, in seconds, in either direction.
    speed : float
        Largest relative change of speed (and with it of pitch), up or down.
    gain : float
        Largest change of level in decibels, up or down.
    faint_probability : float
        Fraction of the clips whose level is instead lowered by up to `faint`.
    faint : float
        Largest attenuation of such a clip, in decibels.
    equalizer_probability : float
        Fraction of the clips whose spectrum is coloured by a random equaliser.
    equalizer : float
        Standard deviation of the gains of that equaliser, in decibels.
    band_probability : float
        Fraction of the clips that lose their high frequencies, as on a telephone, and fraction that lose the lowest.
    clipping_probability : float
        Fraction of the clips that are overdriven before any reverberation.
    clipping : float
        By how many decibels such a clip is overdriven at the most.
    reverberation_probability : float
        Fraction of the clips that are convolved with a generated room impulse response.
    reverberation_time : tuple of float
        Shortest and longest reverberation time (RT60, a decay by 60 dB), in seconds.
    renewal : int
        Epochs for which a clip keeps one augmentation of speed, position and reverberation; each epoch renews one
        `renewal`-th of the clips. All other augmentations, and shifts by whole frames, are drawn for each use.
    noise_probability : float
        Fraction of the clips that are mixed with background noise.
    noise_snr : tuple of float
        Lowest and highest signal-to-noise ratio in decibels.
    noise_speed : float
        Largest change of speed of the noise: 0.5 plays it up to 1.5 times as fast, and as many times slower.
    noise_pairs : float
        Fraction of the noises, also of those learned as silence, that are two recordings at once.
    time_masks : int
        Number of masked time intervals per clip.
    time_mask_length : float
        Longest masked time interval, in seconds.
    frequency_masks : int
        Number of masked ranges of mel bands per clip.
    frequency_mask_bands : int
        Widest masked range, in bands.
    """

    shift: Seconds = 0.06
    speed: float = 0.12
    gain: Decibels = 6.0
    faint_probability: float = 0.0
    faint: Decibels = 40.0
    equalizer_probability: float = 0.0
    equalizer: Decibels = 4.0
    band_probability: float = 0.0
    clipping_probability: float = 0.0
    clipping: Decibels = 24.0
    reverberation_probability: float = 0.25
    reverberation_time: tuple[Seconds, Seconds] = (0.1, 0.6)
    renewal: Annotated[int, "epochs"] = 10
    noise_probability: float = 0.6
    noise_snr: tuple[Decibels, Decibels] = (0.0, 30.0)
    noise_speed: float = 0.0
    noise_pairs: float = 0.0
    time_masks: int = 2
    time_mask_length: Seconds = 0.1
    frequency_masks: int = 2
    frequency_mask_bands: Annotated[int, "bands"] = 5

    def __post_init__(self) -> None:
        _require(0 <= self.shift <= 1, self, "shift", "between 0 and 1 second")
        _require(0 <= self.speed <= 0.5, self, "speed", "between 0 and 0.5")
        for name in ("gain", "faint", "equalizer", "clipping"):
            _require(0 <= getattr(self, name) <= 60, self, name, "between 0 and 60 dB")
        for name in ("faint", "equalizer", "band", "clipping"):
            probability = f"{name}_probability"
            _require(0 <= getattr(self, probability) <= 1, self, probability, "between 0 and 1")
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
        _require(0 <= self.noise_speed <= 3, self, "noise_speed", "between 0 and 3")
        _require(0 <= self.noise_pairs <= 1, self, "noise_pairs", "between 0 and 1")
        _require(0 <= self.time_masks <= 16, self, "time_masks", "between 0 and 16")
        _require(0 <= self.time_mask_length <= 1, self, "time_mask_length", "between 0 and 1 second")
        _require(0 <= self.frequency_masks <= 16, self, "frequency_masks", "between 0 and 16")
        _require(0 <= self.frequency_mask_bands <= 512, self, "frequency_mask_bands", "between 0 and 512")


@dataclass(frozen=True)
class TrainingSettings:
    """Training of the network.

    Attributes
    ----------
    epochs : int
        Maximum number of passes over the training clips.
    patience : int
        Epochs without an improvement of the validation accuracy after which training stops early; 0 disables this.
    batch_size : int
        Clips per step of gradient descent.
    shard_size : int
        Clips per shard of a batch; the shards are processed in parallel threads. 0 processes the whole batch at once.
    optimizer : {"adamw", "adam", "sgd"}
        Optimiser.
    learning_rate : float
        Highest learning rate of the schedule.
    schedule : {"one-cycle", "cosine", "step", "constant"}
        Schedule of the learning rate over the whole training.
    warmup : float
        Fraction of the training in which the rate rises to its maximum (cosine and one-cycle).
    momentum : float
        Momentum (sgd only).
    weight_decay : float
        Decoupled weight decay (adamw only).
    label_smoothing : float
        Probability that is moved from the correct label to all labels uniformly.
    average_decay : float
        Decay per step of the running average of the weights, which is validated and saved; 0 uses the current weights.
    unknown_draws : float
        How often unknown speech is drawn relative to one word; it stands for many words.
    silence_draws : float
        How often silence is drawn relative to one word; it stands for every kind of noise.
    unknown_by_word : bool
        Whether each word of unknown speech is learned as a separate class; their probabilities are then added.
    unknown_classes : int
        At most so many words of unknown speech become classes, the most frequent ones.
    distillation : float
        Where the network learns from a larger model as well, how much of each target is that model's; the rest is the
        label.
    seed : int
        The same seed gives the same model on the same machine.
    """

    epochs: Annotated[int, "epochs"] = 60
    patience: Annotated[int, "epochs"] = 20
    batch_size: Annotated[int, "clips"] = 128
    shard_size: Annotated[int, "clips"] = 64
    optimizer: Literal["adamw", "adam", "sgd"] = "adamw"
    learning_rate: float = 0.002
    schedule: Literal["one-cycle", "cosine", "step", "constant"] = "one-cycle"
    warmup: float = 0.2
    momentum: float = 0.9
    weight_decay: float = 0.01
    label_smoothing: float = 0.1
    average_decay: float = 0.998
    unknown_draws: float = 1.0
    silence_draws: float = 1.0
    unknown_by_word: bool = False
    unknown_classes: int = 1_000
    distillation: float = 0.5
    seed: int = 0

    def __post_init__(self) -> None:
        # Every epoch adds a row to the model file.
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
        _require(0.1 <= self.silence_draws <= 10, self, "silence_draws", "between 0.1 and 10")
        _require(1 <= self.unknown_classes <= 10_000, self, "unknown_classes", "between 1 and 10000")
        _require(0 <= self.distillation <= 1, self, "distillation", "between 0 and 1")
        _require(0 <= self.seed < 2**63, self, "seed", "0 or more, below 2**63")


@dataclass(frozen=True)
class DecisionSettings:
    """Decision: from probabilities over time to detections.

    Attributes
    ----------
    step : float
        Seconds from one window to the next; at most the length of a window.
    smoothing : int
        Number of the latest windows whose log-odds are averaged to the score of a word.
    threshold : float
        A word is detected when its score reaches the log-odds of this probability.
    words : dict of str to float
        Thresholds of single words that differ from `threshold`.
    alone : bool
        Whether a word counts only if it is said by itself, after a pause or another word of the model.
    anywhere : tuple of str
        Words that count wherever they are said, if their score reaches their threshold. `sayso teach` puts new words
        here: their thresholds are chosen on running speech.
    ease : float
        A word whose score is up to so many nats below its threshold is detected, too, if a pause follows it; only where
        words stand alone.
    patient : bool
        Whether every word waits for a pause after it.
    hysteresis : float
        A detected word can be detected again only after its score fell by so many nats below what it is detected with.
    refractory : float
        Seconds after a detection in which the same word is not detected again, and without `newest` no word.
    newest : float
        Seconds of the newest part of the window that is also scored on its own, to separate a word from the next, and
        from the pause after it; 0 disables this.
    """

    step: Seconds = 0.1
    smoothing: Annotated[int, "windows"] = 5
    threshold: float = 0.7
    words: dict[str, float] = field(default_factory=dict)
    alone: bool = True
    anywhere: tuple[str, ...] = ()
    ease: Nats = 2.0
    patient: bool = False
    hysteresis: Nats = 0.5
    refractory: Seconds = 0.5
    newest: Seconds = 0.4

    def __post_init__(self) -> None:
        _require(0.01 <= self.step <= 1, self, "step", "between 0.01 and 1 second")
        _require(1 <= self.smoothing <= 100, self, "smoothing", "between 1 and 100")
        _require(0 < self.threshold < 1, self, "threshold", "above 0 and below 1")
        _require(all(0 < own < 1 for own in self.words.values()), self, "words", "thresholds above 0 and below 1")
        _require(all(self.anywhere), self, "anywhere", "words, none of them empty")
        _require(0 <= self.ease <= 20, self, "ease", "between 0 and 20")
        _require(0 <= self.hysteresis <= 20, self, "hysteresis", "between 0 and 20")
        _require(0 <= self.refractory <= 60, self, "refractory", "between 0 and 60 seconds")
        _require(0 <= self.newest <= 60, self, "newest", "between 0 and 60 seconds")

    def at_sensitivity(self, sensitivity: float) -> Self:
        """Return the settings with all thresholds shifted alike, in log-odds.

        Parameters
        ----------
        sensitivity : float
            From 0, few words are detected and few sounds taken for one, to 1; 0.5 keeps the thresholds.

        Raises
        ------
        SettingsError
            If it is not in this range.
        """
        if not (isinstance(sensitivity, int | float) and 0 <= sensitivity <= 1):
            raise SettingsError(f"the sensitivity is {shown(sensitivity)}; expected a number from 0 to 1")
        nats = SENSITIVITY_RANGE * (0.5 - sensitivity)
        words = {word: shifted(threshold, nats) for word, threshold in self.words.items()}
        return replace(self, threshold=shifted(self.threshold, nats), words=words)
