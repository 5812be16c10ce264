"""`sayso record --auto`: takes follow each other without a key, tones mark them, and bad ones are repeated."""

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

import sounds
from command_line import Result, one_line_error
from sayso.cli import record_auto
from sayso.live.guidance import TAKE
from sayso.live.microphone import Microphone
from test_terminal import Terminal
from virtual_microphone import VirtualMicrophones, microphones, server

__all__ = ["microphones", "server"]


def test_takes_follow_each_other_without_a_key(microphones: VirtualMicrophones, tmp_path: Path) -> None:
    options = ("--auto", "--count", "2", "--speaker", "anna", "--device", "mic48")
    terminal = Terminal("record", "yes", "-o", tmp_path, *options, environment=microphones.environment)
    lead = np.zeros(sounds.RATE // 5)
    for take in (1, 2):
        terminal.wait_for(f"say 'yes', {take} of 2")
        microphones.play("mic48", np.concatenate([lead, sounds.spoken("yes")]), sounds.RATE)
    terminal.wait_for(f"saved in {tmp_path}: 2 of yes")
    terminal.wait_for(f"sayso teach {tmp_path} -o mine.safetensors")
    assert terminal.end() == 0
    paths = sorted((tmp_path / "yes").iterdir())
    assert [path.name[:13] for path in paths] == ["anna_nohash_2"] * 2
    for path in paths:
        samples, rate = soundfile.read(path)
        assert sounds.SPOKEN < len(samples) / rate < 1.2


def test_tones_mark_good_and_bad_takes_and_silence_ends_it(
    microphones: VirtualMicrophones, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sayso: Callable[..., Result]
) -> None:
    monkeypatch.setattr(record_auto, "READ", 0.0)
    monkeypatch.setattr(record_auto, "WAIT", 0.2 - TAKE)
    played: list[np.ndarray] = []
    with Microphone("mic44", sounds.RATE) as loudspeaker:
        listener = threading.Thread(target=lambda: played.extend(loudspeaker.chunks()))
        listener.start()
        result = sayso("record", "yes", "-o", tmp_path, "--auto", "--device", "mic48")
        loudspeaker.stop()
        listener.join()
    error = one_line_error(result)
    assert error.startswith(f"error: {record_auto.MOST_BAD} takes in a row cannot be used, this one as no speech was")
    assert result.err.count("not saved: no speech was found") == record_auto.MOST_BAD
    assert "next:" not in result.out
    assert not list(tmp_path.iterdir())
    for tone in (record_auto.SPEAK, record_auto.AGAIN):
        assert bursts(np.concatenate(played), tone) == record_auto.MOST_BAD


def bursts(samples: np.ndarray, frequency: float) -> int:
    """Count how often a tone begins in a sound."""
    block = sounds.RATE // 50
    blocks = samples[: len(samples) // block * block].reshape(-1, block)
    wave = np.exp(-2j * np.pi * frequency * np.arange(block) / sounds.RATE)
    heard = np.abs(blocks @ wave) > 0.1 * block * record_auto.AMPLITUDE
    return int((np.diff(heard.astype(int), prepend=0) == 1).sum())
