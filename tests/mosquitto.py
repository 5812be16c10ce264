"""A real MQTT broker on this machine, and a client that plays Home Assistant."""

import json
import shutil
import socket
import subprocess
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import jinja2
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from virtual_microphone import wait_until

USER, PASSWORD = "anna", "a secret, with spaces"


def missing() -> str:
    """Return what this machine lacks; empty if it has everything."""
    absent = [program for program in ("mosquitto", "mosquitto_passwd", "openssl") if not shutil.which(program)]
    return f"{absent[0]} is not installed (Debian: mosquitto, openssl)" if absent else ""


def free_port() -> int:
    """Return a port on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Mosquitto:
    """A broker with a plain listener, as a context manager.

    Parameters
    ----------
    folder : Path
        An empty folder for its files.
    users : bool
        Whether only `USER` may connect, with `PASSWORD`.
    tls : bool
        Whether it listens with TLS instead, with a certificate for localhost that `authority` has signed.
    """

    def __init__(self, folder: Path, users: bool = False, tls: bool = False) -> None:
        self.port, self.authority = free_port(), folder / "ca.pem"
        lines = [f"listener {self.port} 127.0.0.1", f"allow_anonymous {str(not users).lower()}", "persistence false"]
        if users:
            subprocess.run(["mosquitto_passwd", "-c", "-b", "users", USER, PASSWORD], cwd=folder, check=True)
            lines.append(f"password_file {folder / 'users'}")
        if tls:
            new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
            files = ["-keyout", "key.pem", "-out", "ca.pem", "-days", "2"]
            names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
            subprocess.run([*new, *files, *names], cwd=folder, check=True, capture_output=True)
            lines += [f"certfile {folder / 'ca.pem'}", f"keyfile {folder / 'key.pem'}"]
        if users or tls:
            lines.append("user root")
        self._configuration = folder / "mosquitto.conf"
        self._configuration.write_text("\n".join(lines) + "\n")

    def __enter__(self) -> Self:
        """Start it."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Kill it."""
        self.kill()

    def start(self) -> None:
        """Start it and wait until it listens."""
        self._process = subprocess.Popen(
            ["mosquitto", "-c", str(self._configuration)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_until(self._listens, "the start of mosquitto")

    def kill(self) -> None:
        """Kill it, and with it what it keeps."""
        self._process.kill()
        self._process.wait()

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


class HomeAssistant:
    """Takes announcements as Home Assistant does, and notes what its automations would see, as a context manager.

    Attributes
    ----------
    configured : dict
        The latest announcement of each topic; one that is withdrawn is absent.
    words : list of str
        The states of event entities.
    sensed : list of (str, str)
        The names of binary sensors and their states, in order.
    fired : list of str
        Subtypes of the triggers that fired.
    statuses : list of str
        The states of availability, in order.
    """

    def __init__(self, port: int) -> None:
        self.configured: dict[str, dict[str, Any]] = {}
        self.words: list[dict[str, Any]] = []
        self.fired: list[str] = []
        self.sensed: list[tuple[str, str]] = []
        self.statuses: list[str] = []
        self._port, self._ready = port, threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2, client_id="homeassistant")
        # Later than what publishes words.
        self._client.reconnect_delay_set(2, 2)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message

    def __enter__(self) -> Self:
        """Connect."""
        self._client.connect("127.0.0.1", self._port)
        self._client.loop_start()
        assert self._ready.wait(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()

    @property
    def device_triggers(self) -> list[str]:
        """Subtypes of the triggers that an automation can choose from."""
        return sorted(config["subtype"] for config in self.configured.values() if "subtype" in config)

    def announce(self, topic: str, payload: str) -> None:
        """Publish a retained message, as something that was here before."""
        self._client.publish(topic, payload, qos=1, retain=True).wait_for_publish(5)

    def _on_connect(self, client: Client, *_: object) -> None:
        topics = {
            config[key]
            for config in self.configured.values()
            for key in ("state_topic", "availability_topic")
            if key in config
        }
        client.subscribe([("homeassistant/#", 1), *((topic, 1) for topic in topics)])

    def _on_subscribe(self, client: Client, *_: object) -> None:
        client.publish("homeassistant/status", "online")
        self._ready.set()

    def _on_message(self, client: Client, _: object, message: MQTTMessage) -> None:
        text = message.payload.decode()
        if message.topic == "homeassistant/status":
            return
        if message.topic.startswith("homeassistant/"):
            component, topic = message.topic.split("/")[1], message.topic
            if not text:
                self.configured.pop(topic, None)
                return
            known, config = topic in self.configured, json.loads(text)
            self.configured[topic] = config
            assert config["device"]["identifiers"]
            if component == "event":
                assert config["unique_id"]
                if not known:
                    client.subscribe([(config["state_topic"], 1), (config["availability_topic"], 1)])
            elif component == "binary_sensor":
                assert config["unique_id"]
                assert config["off_delay"] == int(config["off_delay"]) > 0
            else:
                assert config["automation_type"] == "trigger"
                assert config["value_template"] == "{{ value_json.word }}"
            return
        entities = [config for config in self.configured.values() if "event_types" in config]
        if message.topic in [config["availability_topic"] for config in entities]:
            self.statuses.append(text)
            return
        values = json.loads(text)
        assert not message.retain
        assert any(values["event_type"] in config["event_types"] for config in entities)
        self.words.append(values)
        self.sensed += [
            (config["name"], state)
            for config in self.configured.values()
            if config.get("state_topic") == message.topic and "off_delay" in config
            if (state := jinja2.Template(config["value_template"]).render(value_json=values))
        ]
        self.fired += [
            config["subtype"]
            for config in self.configured.values()
            if config.get("topic") == message.topic and config["payload"] == values["word"]
        ]
