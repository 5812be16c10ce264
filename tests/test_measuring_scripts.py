"""The scripts that measure the shipped models: what each degradation does, and their tables on a tiny model."""

import importlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import soundfile

import sounds
from cases import case
from sayso.corpus.splits import percentage

SCRIPTS = Path(__file__).resolve().parent.parent / "scripts" / "shipped_models"


@pytest.fixture
def degradations(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(SCRIPTS)
    return importlib.import_module("degradations")


def power(sound: np.ndarray) -> float:
    return float(np.mean(np.square(sound)))


def test_each_degradation_does_what_its_name_says(degradations: ModuleType) -> None:
    clip = sounds.clip("up")
    low, rate = sounds.clip("zero"), sounds.RATE

    def degraded(name: str, sound: np.ndarray = clip) -> np.ndarray:
        (result,) = degradations.DEGRADATIONS[name][0]([sound], rate, np.random.default_rng(0))
        assert result.dtype == np.float32
        return np.asarray(result)

    assert power(degraded("-20 dB")) == pytest.approx(power(clip) / 100, rel=0.01)
    assert degraded("offset of 0.1").mean() - clip.mean() == pytest.approx(0.1, abs=1e-6)
    for name, ratio in (("white noise, 10 dB", 10), ("hum, 100 Hz, at 0 dB", 1)):
        assert power(clip) / power(degraded(name) - clip) == pytest.approx(ratio, rel=0.01), name
    assert [len(degraded(name)) for name in ("speed 0.8", "speed 1.25")] == pytest.approx(
        [rate / 0.8, rate / 1.25], 1e-3
    )
    # The tones of "up" lie above 2.5 kHz, those of "zero" below 0.5 kHz.
    assert power(degraded("below 2 kHz")) < 0.1 * power(clip)
    assert power(degraded("below 2 kHz", low)) == pytest.approx(power(low), rel=0.05)
    assert power(degraded("above 500 Hz", low)) < 0.3 * power(low)
    cut = degraded("clipped, +24 dB")
    assert np.mean(np.abs(cut) == np.abs(cut).max()) > 0.2
    assert len(np.unique(degraded("8 bits"))) < 256 < len(np.unique(clip))
    for name, seconds in (("room, T60 0.6 s", 0.6), ("room, T60 1 s", 1.0)):
        click = np.zeros(rate, np.float32)
        click[0] = 1.0
        falling = np.cumsum(np.square(degraded(name, click)[::-1]))[::-1]
        decibels = 10 * np.log10(falling / falling[0])
        fall = np.flatnonzero(decibels < -25)[0] - np.flatnonzero(decibels < -15)[0]
        # The last of it is cut off, which makes the end steeper.
        assert 6 * fall / rate == pytest.approx(seconds, rel=0.25), name


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")
def test_a_codec_keeps_each_clip_in_its_place(degradations: ModuleType) -> None:
    clips = [sounds.clip("zero", seed) for seed in range(2)] + [sounds.clip("yes")[:12_000]]
    for name, (degrade, encoder) in degradations.DEGRADATIONS.items():
        if encoder and degradations.can_encode(encoder):
            with case(name):
                coded = degrade(clips, sounds.RATE, np.random.default_rng(0))
                factor = float(name.split()[1]) if name.startswith("tempo") else 1.0
                for before, after in zip(clips, coded, strict=True):
                    assert len(after) == pytest.approx(len(before) / factor, abs=2)
                    middle = [np.average(np.arange(len(sound)), weights=np.square(sound)) for sound in (before, after)]
                    assert middle[1] == pytest.approx(middle[0] / factor, abs=0.05 * sounds.RATE)


def for_validation() -> Iterator[str]:
    """Return names of speakers and recordings whose hash is in the share for validation."""
    return (name for name in map("{:04x}".format, count()) if 60 <= percentage(name) < 80)


def run(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPTS / script), *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert "Traceback" not in result.stderr, result.stderr
    return result


def test_words_and_alarms_are_measured_in_one_table(tiny_corpus: Path, tiny_model_path: Path, tmp_path: Path) -> None:
    for folder, name in (("noise", "{}"), ("running", "{}_1"), ("phrases", "{}")):
        (tmp_path / folder).mkdir()
        for number, speaker in zip(range(2), for_validation(), strict=False):
            samples, _ = sounds.stream(["up"], seed=number)
            soundfile.write(tmp_path / folder / f"{name.format(speaker)}.wav", samples, sounds.RATE)
    options = [
        argument for folder in ("noise", "running", "phrases") for argument in (f"--{folder}", tmp_path / folder)
    ]
    output = tmp_path / "figures.json"
    result = run("running.py", tiny_model_path, "--data", tiny_corpus, *options, "--hours", "0.02", "--json", output)
    assert result.returncode == 0, result.stderr
    figures = {figure["what"]: figure for figure in json.loads(output.read_text())["figures"]}
    seconds = len(sounds.stream(["up"])[0]) / sounds.RATE
    for what, pause in (("running speech", 0), ("phrases", 1), ("noise and music", 0)):
        with case(what):
            assert figures[f"false alarms, {what}"]["value"] == pytest.approx(3600 / (seconds + pause))
    for name in ("quiet", "noise at 10 dB"):
        heard = figures[f"words heard, {name}"]
        assert heard["low"] <= heard["value"] <= heard["high"]
        # No threshold but one above all scores gives so few alarms.
        assert figures[f"words heard, {name}, at most 5 per hour"]["value"] <= heard["value"]
    assert figures["delay, median"]["unit"] == "ms"
    assert "words heard, quiet" in result.stdout
    missing = run(
        "running.py", tiny_model_path, "--data", tiny_corpus, "--running", tmp_path / "none", "--hours", "0.01"
    )
    assert missing.returncode == 1
    assert missing.stderr.startswith("error: no sound in")


def test_the_loss_by_each_degradation_is_told(tiny_corpus: Path, tiny_model_path: Path, tmp_path: Path) -> None:
    output = tmp_path / "losses.json"
    arguments = (tiny_model_path, tiny_corpus, "--only", "dB", "--limit", "8", "--json", output)
    result = run("measure_robustness.py", *arguments)
    assert result.returncode == 0, result.stderr
    facts = json.loads(output.read_text())
    assert (facts["clips"], facts["speakers"]) == (8, 2)
    assert "-40 dB" in facts["degradations"]
    assert "8 kHz" not in facts["degradations"]
    for name, loss in facts["degradations"].items():
        with case(name):
            assert loss["change"] == pytest.approx(loss["accuracy"] - facts["accuracy"])
            low, high = loss["change_interval"]
            assert low <= loss["change"] <= high
            assert name in result.stdout
