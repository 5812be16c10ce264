"""A word of one's own is obeyed, by the commands of the README, spoken into a virtual microphone."""

import os
import re
import shlex
from pathlib import Path

import numpy as np
import pytest

import sounds
from sayso.sound import audio
from test_actions_page import STAND_IN
from test_readme import ROOT
from test_terminal import Terminal
from virtual_microphone import VirtualMicrophones, microphones, server, wait_until

__all__ = ["microphones", "server"]

SECTION = (ROOT / "README.md").read_text(encoding="utf-8").split("## Your own word")[1].split("## ")[0]
RECORD, TEACH, LISTEN = re.findall(r"^\$ sayso (.*?)(?:  +#.*)?$", SECTION, re.MULTILINE)
# Of so many recordings, which the README says should be twenty, a word is learned in time for a test.
TAKES = 3


def test_a_word_of_ones_own_is_obeyed(
    microphones: VirtualMicrophones, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NOTES", str(tmp_path / "notes"))
    player = tmp_path / "bin" / "aplay"
    player.parent.mkdir()
    player.write_text(STAND_IN)
    player.chmod(0o755)
    environment = dict(microphones.environment) | {"PATH": f"{player.parent}{os.pathsep}{os.environ['PATH']}"}
    # "House" is no word of the model; here it is called "lamp".
    voices = sorted((ROOT / "data" / "demo" / "house").iterdir())
    clips = [audio.load(path, sounds.RATE) for path in voices[: TAKES + 3]]

    assert "--auto" in RECORD
    terminal = Terminal(*shlex.split(RECORD.replace("--count 20", f"--count {TAKES}")), environment=environment)
    for take in range(TAKES):
        terminal.wait_for(f"say 'lamp', {take + 1} of {TAKES}")
        microphones.play("mic44", clips[take], sounds.RATE)
    terminal.wait_for(f"{TAKES} of lamp")
    assert terminal.end() == 0

    terminal = Terminal(*shlex.split(TEACH), environment=environment)
    terminal.wait_for(f"learned lamp from {TAKES} recordings")
    terminal.wait_for("sayso listen -m mine.safetensors")
    assert terminal.end() == 0

    terminal = Terminal(*shlex.split(LISTEN), environment=environment)
    terminal.wait_for("_silence_")
    silence = np.zeros(sounds.RATE // 2, np.float32)
    said = np.concatenate([part for clip in clips for part in (silence, clip)])
    microphones.play("mic44", said, sounds.RATE)
    wait_until((tmp_path / "notes").exists, "the action")
    assert (tmp_path / "notes").read_text().splitlines()[0] == "ding.wav"
    assert terminal.hang_up() == 0
