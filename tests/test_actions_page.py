"""Each example of docs/actions.md does what the page says, on spoken words; only the microphone is replaced.

Programs that control a desktop are stand-ins that note how they were called.
"""

import http.server
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from cases import case
from command_line import Result
from sayso.model.shipped import bundled
from sayso.sound import audio
from test_readme import ROOT, blocks

PAGE = ROOT / "docs" / "actions.md"
COMMANDS = [
    line.removeprefix("$ sayso ")
    for language, text in blocks(PAGE)
    if language == "console"
    for line in text.splitlines()
]
PROGRAMS = [text for language, text in blocks(PAGE) if language == "python"]
STAND_IN = f"#!{sys.executable}\nimport os, sys\nopen(os.environ['NOTES'], 'a').write(' '.join(sys.argv[1:]) + '\\n')\n"
RATE = 16_000
# The microphone of an example: the same loop over the words of a file.
MICROPHONE = """
import sys, sayso
from sayso.sound.audio import read_chunks
sayso.listen = lambda: sayso.load().detect(read_chunks(sys.argv[1], 16_000))
"""


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound in which each of some words is said several times, as no model understands every voice."""
    pause, parts = np.zeros(12_000, np.float32), []
    for word in ("on", "up", "right", "left", "down", "off"):
        for path in sorted((bundled("demo") / word).iterdir())[:4]:
            parts += [pause, audio.load(path, RATE)]
    path = tmp_path_factory.mktemp("spoken") / "words.wav"
    soundfile.write(path, np.concatenate([*parts, pause]), RATE)
    return path


@pytest.fixture
def noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """Put stand-ins on the search path, and return a function that says how they were called."""
    folder, notes = tmp_path / "bin", tmp_path / "notes"
    folder.mkdir()
    for name in ("xdotool", "wtype", "playerctl", "wpctl"):
        (folder / name).write_text(STAND_IN)
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("NOTES", str(notes))
    return lambda: notes.read_text().splitlines() if notes.exists() else []


@pytest.fixture
def lamp() -> Iterator[tuple[int, list[tuple[str, bytes]]]]:
    """A device in the network, and what it was asked for."""
    asked: list[tuple[str, bytes]] = []

    class Lamp(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append((self.path, self.rfile.read(int(self.headers.get("Content-Length", 0)))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Lamp) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1], asked
        server.shutdown()


def chosen(program: str, *others: str) -> list[str]:
    """Return the commands of the page that use a program."""
    found = [command for command in COMMANDS if any(f"={name} " in command for name in (program, *others))]
    assert found
    return found


def test_the_page_has_an_example_of_each_kind() -> None:
    assert len(COMMANDS) == 7
    assert len(PROGRAMS) == 3
    for command in COMMANDS:
        assert command.startswith("listen ")


def test_keys_are_pressed_and_players_are_controlled(
    spoken: Path, noted: Callable[[], list[str]], sayso: Callable[..., Result]
) -> None:
    for command in chosen("xdotool", "wtype", "playerctl", "wpctl"):
        with case(command):
            before = len(noted())
            result = sayso(*shlex.split(command), "--input", spoken)
            assert result.status == 0, result.err
            assert "warning" not in result.err
            promised = {action.split(" ", 1)[1] for action in re.findall(r"'\w+=(.*?)'", command)}
            assert set(noted()[before:]) == promised


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_a_web_hook_is_called(
    spoken: Path, lamp: tuple[int, list[tuple[str, bytes]]], sayso: Callable[..., Result]
) -> None:
    port, asked = lamp
    for command in chosen("curl"):
        here = command.replace("lamp.local", f"127.0.0.1:{port}")
        assert sayso(*shlex.split(here), "--input", spoken).status == 0
    assert {path for path, _ in asked} == {"/api/on", "/api/off", "/api/word"}
    bodies = [body for path, body in asked if path == "/api/word"]
    for body in bodies:
        assert re.fullmatch(rb'\{"word": "up", "confidence": [01]\.\d{4}\}', body)


def test_a_device_is_switched_by_mqtt(spoken: Path, tmp_path: Path, sayso: Callable[..., Result]) -> None:
    pytest.importorskip("paho.mqtt.client", reason='paho-mqtt is not installed: pip install "sayso[mqtt]"')
    from paho.mqtt.client import Client
    from paho.mqtt.enums import CallbackAPIVersion

    from mosquitto import Mosquitto, missing
    from virtual_microphone import wait_until

    if lacking := missing() or ("" if shutil.which("mosquitto_pub") else "mosquitto-clients is not installed"):
        pytest.skip(lacking)
    (folder := tmp_path / "broker").mkdir()
    received: list[bytes] = []
    with Mosquitto(folder) as broker:
        device = Client(CallbackAPIVersion.VERSION2)
        device.on_connect = lambda client, *_: client.subscribe("cmnd/lamp/POWER")
        device.on_subscribe = lambda *_: received.append(b"")
        device.on_message = lambda _, __, message: received.append(message.payload)
        device.connect("127.0.0.1", broker.port)
        device.loop_start()
        wait_until(lambda: received, "the subscription")
        for command in chosen("mosquitto_pub"):
            here = command.replace("-h broker.local", f"-h 127.0.0.1 -p {broker.port}")
            assert sayso(*shlex.split(here), "--input", spoken).status == 0
        wait_until(lambda: {b"ON", b"OFF"} <= set(received), "the commands")
        device.disconnect()
        device.loop_stop()


def run(program: str, spoken: Path, **environment: str) -> list[str]:
    result = subprocess.run(
        [sys.executable, "-c", MICROPHONE + program, str(spoken)],
        capture_output=True, text=True, env=os.environ | environment,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()


def program(sign: str) -> str:
    """Return the program of the page in which something occurs."""
    (found,) = [text for text in PROGRAMS if sign in text]
    return found


def test_a_pin_is_switched(spoken: Path) -> None:
    pytest.importorskip("gpiozero", reason="gpiozero is not installed")
    lines = run(program("gpiozero"), spoken, GPIOZERO_PIN_FACTORY="mock")
    assert {"on 1", "off 0"} <= set(lines)
    # Other words change nothing.
    assert len(lines) > len([line for line in lines if line.startswith(("on", "off"))])


def test_a_function_is_called(spoken: Path) -> None:
    values = [int(line.removeprefix("brightness ")) for line in run(program("brightness"), spoken)]
    # Each word comes several times, and no model understands every synthetic voice.
    changes = set(np.diff(values).tolist())
    assert {10, -10} <= changes
    assert 0 in values
    assert values[-1] == 0
    assert all(0 <= value <= 100 for value in values)


def test_the_star_is_caught(spoken: Path) -> None:
    # The star above the player's place, which "up" leads to.
    game = program("caught it").replace("random.seed()", "random.randrange = lambda width: width // 2")
    lines = run(game, spoken)
    assert re.fullmatch(r"caught it after \d+ moves", lines[-1])
    assert lines[-2].count(".") == 11
    assert "@" in "".join(lines[-8:-1])
    assert "*" not in "".join(lines[-8:-1])
