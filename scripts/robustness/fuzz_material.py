"""The intact files that `fuzz.py` damages: sounds, models, a checkpoint and a small corpus."""

import io
import itertools
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soundfile

from sayso.config import AugmentationSettings, FeatureSettings, Settings, TrainingSettings
from sayso.corpus.corpus import scan
from sayso.corpus.splits import official_split
from sayso.model import shipped
from sayso.nn.architectures import Architecture, DenseArchitecture, TdnnArchitecture
from sayso.training.preparation import prepare

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))
import sounds

WORDS = ("yes", "no", "up")
# Formats of libsndfile: a container, and how samples are written in it.
FORMATS = (
    ("WAV", "PCM_16"), ("WAV", "PCM_U8"), ("WAV", "PCM_24"), ("WAV", "FLOAT"), ("WAV", "DOUBLE"), ("WAV", "ULAW"),
    ("WAV", "IMA_ADPCM"), ("WAV", "MS_ADPCM"), ("WAVEX", "PCM_16"), ("FLAC", "PCM_16"), ("FLAC", "PCM_24"),
    ("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III"), ("AIFF", "PCM_16"), ("AU", "PCM_16"),
    ("CAF", "ALAC_16"), ("W64", "PCM_16"), ("RF64", "PCM_16"),
)  # fmt: skip
TOML = """[features]
clip = 0.5
window = 0.03
hop = 0.02
fft_size = 512
mel_bands = 12
coefficients = 8
[augmentation]
shift = 0.05
speed = 0.1
renewal = 2
reverberation_probability = 0.1
noise_snr = [0.0, 30.0]
time_masks = 1
[network]
name = "tdnn"
stem = 8
channels = [8]
kernels = [5]
strides = [2]
dropout = 0.1
[training]
batch_size = 4
shard_size = 2
optimizer = "adamw"
learning_rate = 0.01
schedule = "cosine"
warmup = 0.1
average_decay = 0.9
[decision]
step = 0.1
smoothing = 3
threshold = 0.6
hysteresis = 1.0
"""


@dataclass(frozen=True)
class Material:
    """The intact files that are damaged.

    Attributes
    ----------
    sounds : tuple of (str, bytes)
        Suffix and content of sound files.
    models : tuple of bytes
        Model files.
    checkpoint : bytes
        A checkpoint of a training on the corpus.
    corpus : Path
        A folder of words and background noise.
    """

    sounds: tuple[tuple[str, bytes], ...]
    models: tuple[bytes, ...]
    checkpoint: bytes
    corpus: Path

    @classmethod
    def make(cls, folder: Path) -> "Material":
        """Make everything in a folder: recordings of tones, and models trained on them for two epochs."""
        clip = sounds.clip("yes")[:12_000]
        files = []
        for container, subtype in FORMATS:
            rate, channels = (16_000, 1) if container != "AIFF" else (44_100, 2)
            packed = io.BytesIO()
            soundfile.write(packed, np.column_stack([clip] * channels), rate, subtype, format=container)
            files.append((f".{container.lower()}", packed.getvalue()))
        corpus = make_corpus(folder / "corpus")
        features = FeatureSettings(clip=0.5, mel_bands=12, coefficients=8)
        networks: tuple[Architecture, ...] = (
            TdnnArchitecture((4,), (3,), (2,), stem=8, stem_kernel=3, channels=(8,), kernels=(5,), strides=(2,)),
            DenseArchitecture((8,)),
        )  # fmt: skip
        models = []
        for network in networks:
            settings = Settings(
                features, network, AugmentationSettings(reverberation_probability=0.0),
                TrainingSettings(epochs=2, batch_size=8, learning_rate=0.01),
            )  # fmt: skip
            training = prepare(scan(corpus), settings, WORDS, checkpoint=folder / "checkpoint").training
            for _ in training.epochs():
                pass
            path = folder / f"{network.name}.safetensors"
            training.model().save(path)
            models.append(path.read_bytes())
        models.append(shipped.models()["commands-tiny"].read_bytes())
        # A checkpoint that `sayso train` can resume from: settings as in TOML, after one of two epochs.
        (folder / "tiny.toml").write_text(TOML)
        settings = Settings.from_toml(folder / "tiny.toml")
        settings = replace(settings, training=replace(settings.training, epochs=2))
        training = prepare(scan(corpus), settings, (), checkpoint=folder / "checkpoint").training
        next(training.epochs())
        return cls(tuple(files), tuple(models), (folder / "checkpoint").read_bytes(), corpus)


def make_corpus(root: Path) -> Path:
    """Write a few clips of four words, by a speaker of each split, and a noise."""
    voices: dict[str, str] = {}
    for number in itertools.count():
        voices.setdefault(official_split(f"{number:04x}"), f"{number:04x}")
        if len(voices) == 3:
            break
    seeds = itertools.count()
    for word, voice, take in itertools.product(sounds.TONES, voices.values(), range(2)):
        (root / word).mkdir(parents=True, exist_ok=True)
        soundfile.write(root / word / f"{voice}_nohash_{take}.wav", sounds.clip(word, next(seeds)), sounds.RATE)
    (root / "_background_noise_").mkdir()
    hiss = sounds.hiss(2 * sounds.RATE, np.random.default_rng(0), 0.02)
    soundfile.write(root / "_background_noise_" / "white.wav", hiss, sounds.RATE)
    return root
