"""docs/home-assistant.md, as it stands: a word is said, and the automation of the page switches the light."""

import json
import shlex
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pytest

import sayso
from command_line import Result
from sayso.sound import audio
from test_actions_page import spoken
from test_readme import ROOT

pytest.importorskip("paho.mqtt.client", reason='paho-mqtt is not installed: pip install "sayso[mqtt]"')

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from mosquitto import PASSWORD, USER, Mosquitto, missing
from virtual_microphone import wait_until

yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
__all__ = ["spoken"]

PAGE = (ROOT / "docs" / "home-assistant.md").read_text(encoding="utf-8")
RATE = 16_000
ADDRESS = "mqtt://sayso@homeassistant.local"


def steps(start: str) -> list[str]:
    """Return the commands of the page that begin so, in a list or outside of it."""
    return [line for line in (line.strip().removeprefix("$ ") for line in PAGE.splitlines()) if line.startswith(start)]


def automation(kind: str) -> dict[str, Any]:
    """Return the automation of the page that a kind of trigger starts."""
    texts = PAGE.split("```yaml\n")[1:]
    found: list[dict[str, Any]] = [yaml.safe_load(text.split("```")[0]) for text in texts]
    (chosen,) = [one for one in found if one["triggers"][0]["trigger"] == kind]
    return chosen


class House:
    """A Home Assistant with one automation, and the lights that are on."""

    def __init__(self, port: int, rules: dict[str, Any]) -> None:
        self.lights: set[str] = set()
        self.ready: list[bool] = []
        (self._trigger,), self._conditions, self._actions = rules["triggers"], rules["conditions"], rules["actions"]
        self._client = Client(CallbackAPIVersion.VERSION2)
        self._client.username_pw_set(USER, PASSWORD)
        self._client.on_connect = lambda client, *_: client.subscribe(self._trigger["topic"], 1)
        self._client.on_subscribe = lambda *_: self.ready.append(True)
        self._client.on_message = self._receive
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def _receive(self, client: Client, data: object, message: MQTTMessage) -> None:
        values = json.loads(message.payload)
        word = jinja2.Template(self._trigger["value_template"]).render(value_json=values)
        seen = {"trigger": {"payload_json": values}}
        if word == self._trigger["payload"] and all(
            jinja2.Template(condition).render(seen) == "True" for condition in self._conditions
        ):
            for action in self._actions:
                assert action["action"] == "light.turn_on"
                self.lights.add(action["target"]["entity_id"])

    def leave(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture
def run(request: pytest.FixtureRequest) -> Callable[..., Result]:
    """Run a command; the fixture of that name is called like the package."""
    command: Callable[..., Result] = request.getfixturevalue("sayso")
    return command


@pytest.mark.skipif(bool(missing()), reason=missing())
def test_the_light_obeys(
    spoken: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Callable[..., Result]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (prepare,) = steps("install ")
    subprocess.run(prepare, shell=True, check=True)
    secret = tmp_path / ".sayso-mqtt"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    # What the reader writes with the editor.
    secret.write_text(PASSWORD + "\n")
    command = steps(f"sayso serve mqtt {ADDRESS}")[0]
    assert command in (ROOT / "README.md").read_text(encoding="utf-8")
    (folder := tmp_path / "broker").mkdir()
    with Mosquitto(folder, users=True) as broker:
        house = House(broker.port, automation("mqtt"))
        wait_until(lambda: house.ready, "the subscription")
        here = command.replace(ADDRESS, f"mqtt://{USER}@127.0.0.1:{broker.port}").replace("~", str(tmp_path))
        result = run(*shlex.split(here)[1:], "--input", spoken)
        assert result.status == 0, result.err
        wait_until(lambda: house.lights, "the light")
        house.leave()
    assert house.lights == {"light.kitchen"}


def test_services_are_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Callable[..., Result]) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (command,) = steps("sayso service ")
    assert run(*shlex.split(command)[1:]).status == 0
    assert list(tmp_path.rglob("sayso-mqtt.service"))


def test_what_is_transcribed_starts_the_other_automation() -> None:
    pytest.importorskip("wyoming", reason='wyoming is not installed: pip install "sayso[wyoming]"')
    from wyoming.client import AsyncTcpClient

    from test_wyoming import in_a_thread, transcript

    (trigger,) = automation("conversation")["triggers"]
    command = next(step for step in steps("sayso serve wyoming --host") if step.endswith("0.0.0.0"))
    here = [*shlex.split(command.replace("0.0.0.0", "127.0.0.1"))[1:], "--port", "0"]
    recognizer, silence = sayso.load(), np.zeros(RATE, np.float32)
    clips = [audio.load(path, RATE) for path in sorted((ROOT / "data" / "demo" / trigger["command"]).iterdir())]
    said = next(
        sound
        for sound in (np.concatenate([silence, clip, silence]) for clip in clips)
        if [found.label for found in recognizer.detect([sound])] == [trigger["command"]]
    )

    async def talk(port: int) -> None:
        client = AsyncTcpClient("127.0.0.1", port)
        await client.connect()
        texts.append(await transcript(client, said))
        await client.disconnect()

    texts: list[str] = []
    with subprocess.Popen([sys.executable, "-m", "sayso", *here], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        line = process.stderr.readline()
        assert line.startswith("recognising 10 words at tcp://")
        in_a_thread(talk(int(line.rsplit(":", 1)[1])))
        process.terminate()
    assert texts == [trigger["command"]]
