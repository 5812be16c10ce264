"""What several test files share: a tiny corpus of tone words, settings for a tiny network, a model trained on it."""

import itertools
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile

import sounds
from browser import launched
from command_line import Result
from sayso.cli import main as cli_main
from sayso.config import AugmentationSettings, Settings, TrainingSettings
from sayso.corpus.corpus import scan
from sayso.corpus.splits import official_split
from sayso.model import model_file
from sayso.nn.architectures import DenseArchitecture
from sayso.recognition import recognizer
from sayso.training.preparation import prepare

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# The words of the tiny model; the corpus's fourth word, zero, is unknown to it.
ASKED = ("yes", "no", "up")


def speakers(split: str, count: int) -> list[str]:
    """Return names of so many speakers that fall to a split."""
    names = map("{:08x}".format, itertools.count())
    return list(itertools.islice((name for name in names if official_split(name) == split), count))


@pytest.fixture(scope="session")
def tiny_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """4 words said twice by each of 12 speakers (8 train, 2 validate, 2 test), and two noises. Do not write into it."""
    root = tmp_path_factory.mktemp("corpus")
    seeds = itertools.count()
    # Those who train have the highest and lowest voices, so that the others are among what was learnt.
    for split, count, spread in (("training", 8, 0.1), ("validation", 2, 0.05), ("testing", 2, 0.05)):
        for speaker, pitch in zip(speakers(split, count), np.linspace(1 - spread, 1 + spread, count), strict=True):
            for word, take in itertools.product(sounds.TONES, range(2)):
                (root / word).mkdir(exist_ok=True)
                samples = sounds.clip(word, next(seeds), float(pitch))
                soundfile.write(root / word / f"{speaker}_nohash_{take}.wav", samples, sounds.RATE)
    folder = root / "_background_noise_"
    folder.mkdir()
    rng = np.random.default_rng(0)
    soundfile.write(folder / "white.wav", sounds.hiss(5 * sounds.RATE, rng, 0.02), sounds.RATE)
    soundfile.write(folder / "brown.wav", np.cumsum(sounds.hiss(5 * sounds.RATE, rng)) / 20, sounds.RATE)
    return root


@pytest.fixture(scope="session")
def tiny_settings() -> Settings:
    """Settings with which the tiny corpus is learnt in a moment."""
    return Settings(
        network=DenseArchitecture(hidden=(32,), dropout=0.0),
        augmentation=AugmentationSettings(
            shift=0.25,
            speed=0.03,
            # Rooms take longer to generate than the whole training.
            reverberation_probability=0.0,
            noise_probability=0.5,
            noise_snr=(10.0, 30.0),
            time_masks=0,
            frequency_masks=0,
        ),
        training=TrainingSettings(epochs=8, batch_size=16, learning_rate=0.01, average_decay=0.8),
    )


@pytest.fixture(scope="session")
def tiny_model_path(tiny_corpus: Path, tiny_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """File of a model that tells `ASKED`, unknown and silence apart without a mistake on the tiny corpus."""
    path = tmp_path_factory.mktemp("models") / "tiny.safetensors"
    training = prepare(scan(tiny_corpus), tiny_settings, ASKED).training
    for _ in training.epochs():
        pass
    training.model().save(path)
    return path


@pytest.fixture(scope="session")
def tiny_model(tiny_model_path: Path) -> model_file.Model:
    """The tiny model."""
    return model_file.load(tiny_model_path)


@pytest.fixture(scope="session")
def by_word_model(tiny_corpus: Path, tiny_settings: Settings) -> model_file.Model:
    """A model like the tiny one, to which the word that is unknown speech is a class of its own."""
    settings = replace(tiny_settings, training=replace(tiny_settings.training, unknown_by_word=True))
    training = prepare(scan(tiny_corpus), settings, ASKED).training
    for _ in training.epochs():
        pass
    return training.model()


@pytest.fixture(scope="session")
def tiny_recognizer(tiny_model: model_file.Model) -> recognizer.Recognizer:
    """A recogniser with the tiny model."""
    return recognizer.Recognizer(tiny_model)


@pytest.fixture(scope="session")
def browser() -> Iterator["Browser"]:
    """One browser for all tests that look at pages."""
    with launched() as running:
        yield running


@pytest.fixture
def sayso(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """Run a command in this process, as `sayso ARGUMENTS` would."""

    def run(*arguments: object) -> Result:
        monkeypatch.setattr(sys, "argv", ["sayso", *map(str, arguments)])
        try:
            cli_main.main()
            status = 0
        except SystemExit as end:
            status = int(end.code or 0)
        return Result(status, *capsys.readouterr())

    return run
