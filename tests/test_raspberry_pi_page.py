"""The commands and the program of docs/raspberry-pi.md do what the page says, on spoken words, without the board."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cases import case
from command_line import Result
from test_actions_page import STAND_IN, spoken
from test_readme import ROOT, blocks
from virtual_microphone import VirtualMicrophones, microphones, server

__all__ = ["microphones", "server", "spoken"]

PAGE = blocks(ROOT / "docs" / "raspberry-pi.md")
COMMANDS = [
    shlex.split(line.removeprefix("$ sayso "))
    for language, text in PAGE
    if language == "console"
    for line in text.splitlines()
]


def test_listening_switches_the_pin(
    spoken: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sayso: Callable[..., Result]
) -> None:
    program, notes = tmp_path / "pinctrl", tmp_path / "notes"
    program.write_text(STAND_IN)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("NOTES", str(notes))
    # A word of one's own has no sound here; test_first_five_minutes.py records, teaches and uses one.
    listening = [command for command in COMMANDS if command[0] == "listen" and "mine.safetensors" not in command]
    assert len(listening) == 3
    for command in listening:
        with case(*command):
            # The microphone of the page is a file here.
            place = command.index("--device")
            result = sayso(*command[:place], *command[place + 2 :], "--input", spoken)
            assert result.status == 0, result.err
            assert "warning" not in result.err
            assert " on " in result.out
    assert set(notes.read_text().splitlines()) == {"set 17 op dh", "set 17 op dl"}


def test_the_microphone_is_found_and_the_service_is_made(
    microphones: VirtualMicrophones, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sayso: Callable[..., Result]
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert "mic48" in sayso(*next(command for command in COMMANDS if command[0] == "devices")).out
    (service,) = (command for command in COMMANDS if command[0] == "service")
    result = sayso(*service)
    assert result.status == 0, result.err
    assert "pinctrl set 17 op dh" in next(tmp_path.rglob("sayso-listen.service")).read_text()
    for promised in ("systemctl --user", "loginctl enable-linger", "journalctl --user"):
        assert promised in result.out


def test_the_program_switches_the_lamp(spoken: Path) -> None:
    pytest.importorskip("gpiozero", reason="gpiozero is not installed")
    (program,) = (text for language, text in PAGE if language == "python")
    microphone = (
        "import sys, sayso\nfrom sayso.sound.audio import read_chunks\n"
        "sayso.listen = lambda device: sayso.load().detect(read_chunks(sys.argv[1], 16_000))\n"
    )
    command = [sys.executable, "-c", microphone + program, str(spoken)]
    run = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"GPIOZERO_PIN_FACTORY": "mock"})
    assert run.returncode == 0, run.stderr
    lines = run.stdout.splitlines()
    # Blinking begins in a thread of its own, which may be a moment late.
    assert {re.sub(r"^on [01]$", "on", line) for line in lines} >= {"on", "off 0"}
    assert "up 1" in lines
