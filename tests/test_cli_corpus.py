"""What the commands say of recordings: how they were understood, what was skipped, which way suits them better."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

import sounds
from cases import case
from command_line import Result


def corpus(root: Path, *words: str, count: int = 8, name: str = "{speaker}_{word}_{take}.wav") -> Path:
    """Write recordings of four speakers, all different."""
    seed = 0
    for word in words:
        for number in range(count):
            path = root / word / name.format(speaker="abcd"[number % 4], word=word, take=number // 4)
            path.parent.mkdir(parents=True, exist_ok=True)
            seed += 1
            soundfile.write(path, sounds.clip("yes", seed), sounds.RATE)
    return root


def test_what_was_skipped_is_told_also_when_a_command_fails(
    sayso: Callable[..., Result], tiny_model_path: Path, tmp_path: Path
) -> None:
    root = corpus(tmp_path / "corpus", "lamp", "music", name="{speaker}_nohash_{take}.wav")
    for path in (root / "lamp").iterdir():
        path.write_bytes(b"no sound")
    (root / "music" / "notes.pdf").touch()
    for command in (
        ["train", root, "-o", tmp_path / "x"],
        ["teach", root, "-o", tmp_path / "x", "-m", tiny_model_path],
        ["train", root, "-o", tmp_path / "x", "--words", "lmap"],
    ):
        with case(*command):
            result = sayso(*command)
            assert result.status == 1
            lines = result.err.splitlines()
            assert "notes.pdf: not an audio file" in result.err
            assert "lmap" in command or sum("lamp/" in line for line in lines) >= 2
            assert lines[-1].startswith("error: ")
            assert "lmap" not in command or lines[-1].endswith("did you mean lamp?")
    assert not (tmp_path / "x").exists()


def test_advice_looks_at_the_words(sayso: Callable[..., Result], tmp_path: Path) -> None:
    for words, expected, unexpected in (
        (("off", "on"), "the model commands, which comes with sayso, knows off, on already", "sayso teach"),
        (("Off", "ON"), "knows ON, Off already", "sayso teach"),
        (
            ("lamp", "off"),
            "without the folders of off, which it knows already",
            "evaluate",
        ),
        (("lamp", "music"), "adding lamp, music to a model that comes with sayso gives better results", "without the"),
    ):
        with case(*words):
            root = corpus(tmp_path / words[0] / words[1], *words)
            result = sayso("train", root, "-o", tmp_path / "x", "--epochs", "1", "--network", "dense")
            (advice,) = [line for line in result.err.splitlines() if "recordings of" in line and "only" in line]
            assert expected.format(root=root) in advice
            assert unexpected not in advice


def test_every_command_takes_the_speaker_and_the_layout(
    sayso: Callable[..., Result], tiny_model_path: Path, tmp_path: Path
) -> None:
    root = corpus(tmp_path / "corpus", "yes", "no", name="{speaker}/{take}.wav")
    for command in (
        ["evaluate", root, "-m", tiny_model_path],
        ["evaluate", root, "-m", tiny_model_path, "--stream", "--hours", "0.01"],
        ["data", "info", root],
        ["report", root, "-m", tiny_model_path, "-o", tmp_path / "page.html"],
    ):
        with case(*command):
            result = sayso(*command, "--layout", "word/speaker", "--speaker", "/([a-d])/")
            assert result.status == 0, result.err
            assert "taken as" not in result.err


def test_data_info_names_recordings_that_are_there_twice(sayso: Callable[..., Result], tmp_path: Path) -> None:
    root = corpus(tmp_path, "lamp", "music")
    copied = next((root / "lamp").iterdir())
    (root / "music" / "e_music_0.wav").write_bytes(copied.read_bytes())
    soundfile.write(root / "lamp" / "e_lamp_1.wav", np.zeros(16_000), 16_000)
    soundfile.write(root / "music" / "e_music_1.wav", np.zeros(16_000), 16_000)
    result = sayso("data", "info", root)
    assert "1 recordings are under two words, such as" in result.err
    assert "delete the one under the wrong word" in result.err
    assert "5 speakers are taken from file names" in result.err
