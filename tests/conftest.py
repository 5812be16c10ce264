"""Fixtures of several test files: a tiny corpus of tone words, settings of a tiny network, models trained on it."""

import itertools
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import numpy as np
import pytest
import soundfile

import sounds
from browser import launched, without_its_loop
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

# A machine may be busy.
hypothesis.settings.register_profile("sayso", deadline=None)
hypothesis.settings.load_profile("sayso")

# The words of the tiny model; the fourth word of the corpus, zero, is unknown speech to it.
ASKED = ("yes", "no", "up")


def speakers(split: str, count: int) -> list[str]:
    """Return the names of `count` speakers that are in a split."""
    names = map("{:08x}".format, itertools.count())
    return list(itertools.islice((name for name in names if official_split(name) == split), count))


@pytest.fixture(scope="session")
def tiny_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """4 words, each twice by 12 speakers (8 training, 2 validation, 2 testing), and two noises; not to be changed."""
    root = tmp_path_factory.mktemp("corpus")
    seeds = itertools.count()
    # The training speakers have the highest and lowest voices, so that the others lie within their range.
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
    """Settings with which a network learns the tiny corpus within a second."""
    return Settings(
        network=DenseArchitecture(hidden=(32,), dropout=0.0),
        augmentation=AugmentationSettings(
            shift=0.25,
            speed=0.03,
            # Impulse responses take longer to generate than the whole training.
            reverberation_probability=0.0,
            noise_probability=0.5,
            noise_snr=(10.0, 30.0),
            time_masks=0,
            frequency_masks=0,
        ),
        training=TrainingSettings(epochs=12, batch_size=16, learning_rate=0.01, average_decay=0.8),
    )


@pytest.fixture(scope="session")
def tiny_model_path(tiny_corpus: Path, tiny_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """File of a model that classifies the tiny corpus into `ASKED`, unknown and silence without a mistake."""
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
    """A model like the tiny one, for which the word of unknown speech is a separate class."""
    settings = replace(tiny_settings, training=replace(tiny_settings.training, unknown_by_word=True))
    training = prepare(scan(tiny_corpus), settings, ASKED).training
    for _ in training.epochs():
        pass
    return training.model()


@pytest.fixture(scope="session")
def knowing_zero(by_word_model: model_file.Model) -> model_file.Model:
    """A model that knows "zero" within unknown speech; parts of windows, which it has not learned, are not scored."""
    return replace(by_word_model, decision=replace(by_word_model.decision, newest=0.0))


@pytest.fixture(scope="session")
def knowing_zero_path(knowing_zero: model_file.Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """File of that model."""
    path = tmp_path_factory.mktemp("models") / "zero.safetensors"
    knowing_zero.save(path)
    return path


@pytest.fixture(scope="session")
def tiny_recognizer(tiny_model: model_file.Model) -> recognizer.Recognizer:
    """A recogniser with the tiny model."""
    return recognizer.Recognizer(tiny_model)


@pytest.fixture(scope="session")
def browser() -> Iterator["Browser"]:
    """One browser for all tests of pages."""
    with launched() as running:
        yield running


@pytest.fixture
def sayso(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """Run a command in this process as `sayso ARGUMENTS` does, on a terminal so wide that no path is wrapped."""
    monkeypatch.setenv("COLUMNS", "300")

    def run(*arguments: object) -> Result:
        monkeypatch.setattr(sys, "argv", ["sayso", *map(str, arguments)])
        try:
            with without_its_loop():
                cli_main.main()
            status = 0
        except SystemExit as end:
            status = int(end.code or 0)
        return Result(status, *capsys.readouterr())

    return run
