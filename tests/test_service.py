"""Units of systemd: valid, faithful to what was typed, and their command runs and ends without a terminal."""

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile

import sounds
from cases import case
from command_line import Result, one_line_error
from virtual_microphone import wait_until


@pytest.fixture
def units(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "configuration"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "configuration" / "systemd" / "user"


def started(unit: str) -> list[str]:
    """Return the command line that systemd starts."""
    (line,) = [line for line in unit.splitlines() if line.startswith("ExecStart=")]
    return [word.replace("%%", "%").replace("$$", "$") for word in shlex.split(line.removeprefix("ExecStart="))]


def complaints(path: Path) -> str:
    """Return what systemd finds wrong with a unit."""
    # A short name, as systemd also looks at the paths of sockets in it.
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        command = ["systemd-analyze", "--user", "verify", str(path)]
        run = subprocess.run(command, env=os.environ | {"XDG_RUNTIME_DIR": folder}, capture_output=True, text=True)
    return f"status {run.returncode}" * bool(run.returncode) + run.stdout + run.stderr


def test_a_unit_holds_what_was_typed_and_is_valid(units: Path, sayso: Callable[..., Result]) -> None:
    action = "lights=/home/anna/lights.sh \"two words\" '$HOME' 100% \\ ~"
    for name, arguments in (
        ("sayso-listen", ["listen", "--device", "USB Audio", "--exec", action]),
        ("sayso-kitchen", ["listen", "--channel", "2", "--format", "jsonl"]),
        ("sayso-mqtt", ["serve", "mqtt", "mqtts://anna%40home@broker", "--password-file", "secret", "--name", "Küche"]),
        ("sayso-wyoming", ["serve", "wyoming", "--host", "0.0.0.0", "--no-announce"]),
        ("sayso-web", ["serve", "web", "-o", "my words"]),
    ):
        with case(name):
            named = ["--name", name] if name == "sayso-kitchen" else []
            result = sayso("service", *named, *arguments)
            assert result.status == 0, result.err
            path = units / f"{name}.service"
            assert str(path) in result.out.splitlines()[0]
            assert f"systemctl --user enable --now {name}" in result.out
            text = path.read_text(encoding="utf-8")
            assert started(text)[1:] == ["-P", "-m", "sayso", *arguments]
            assert f"WorkingDirectory={units.parents[2]}" in text
            assert ("NoNewPrivileges=yes" in text) == (action not in arguments)
            # Writing it again changes nothing; another one is not replaced unawares.
            assert sayso("service", *named, *arguments).status == 0
            other = sayso("service", "--name", name, "listen")
            assert "give --overwrite to replace it" in one_line_error(other)
            assert path.read_text(encoding="utf-8") == text
            assert sayso("service", "-o", "-", *named, *arguments).out == text
            if shutil.which("systemd-analyze"):
                assert complaints(path) == ""
    assert sayso("service", "--name", name, "--overwrite", "listen").status == 0
    assert started(path.read_text(encoding="utf-8"))[-1] == "listen"


def written(path: Path, expected: str) -> bool:
    return expected in path.read_text()


def test_what_cannot_run_always_is_refused(units: Path, sayso: Callable[..., Result]) -> None:
    for arguments, message in (
        (["classify"], "what can run always is"),
        (["listen", "--nothing"], "No such option"),
        (["serve"], "serve wyoming"),
        (["serve", "mqt"], "not serve mqt"),
        (["serve", "mqtt"], "Missing argument"),
        (["listen", "--input", "-"], "a service has no standard input"),
        (["listen", "--for", "3"], "give --wake, too"),
        (["serve", "mqtt", "mqtt://localhost", "--for", "3"], "give --wake, too"),
        (["--name", "a b", "listen"], "'a b' is no name of a unit"),
        (["--name", "../x", "listen"], "is no name of a unit"),
    ):
        with case(*arguments):
            result = sayso("service", *arguments)
            assert result.status in (1, 2)
            assert message in result.err
            assert not units.exists()
    assert "give --password-file" in sayso("service", "-o", "-", "serve", "mqtt", "mqtt://anna@home").err


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are for POSIX")
def test_the_commands_of_units_run_without_a_terminal_and_end_when_asked(
    units: Path, tmp_path: Path, tiny_model_path: Path, sayso: Callable[..., Result]
) -> None:
    pytest.importorskip("wyoming", reason='wyoming is not installed: pip install "sayso[wyoming]"')
    sound = tmp_path / "sound.wav"
    soundfile.write(sound, sounds.stream(["yes", "no"])[0].astype(np.float32), sounds.RATE)
    # As a recorder that writes into a pipe: the header declares no length.
    data = sound.read_bytes().replace((sound.stat().st_size - 44).to_bytes(4, "little"), b"\xff" * 4, 1)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for arguments, expected in (
        (["listen", "--input", pipe], "no  "),
        (["serve", "wyoming", "--port", "0"], "recognising 3 words at tcp://127.0.0.1:"),
        (["serve", "web", "--port", "0"], "open http://127.0.0.1:"),
    ):
        unit = sayso("service", "-o", "-", *arguments, "-m", tiny_model_path).out
        for number in (signal.SIGTERM, signal.SIGHUP):
            with case(*arguments, number), contextlib.ExitStack() as stack:
                journal = stack.enter_context((tmp_path / "journal").open("wb"))
                process = subprocess.Popen(
                    started(unit), cwd="/", stdin=subprocess.DEVNULL, stdout=journal, stderr=journal,
                    start_new_session=True,
                )  # fmt: skip
                if pipe in arguments:
                    writer = stack.enter_context(pipe.open("wb", buffering=0))
                    writer.write(data)
                wait_until(partial(written, tmp_path / "journal", expected), "the start")
                process.send_signal(number)
                assert process.wait(10) == 0
                assert "Traceback" not in (tmp_path / "journal").read_text()
