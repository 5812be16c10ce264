"""Words on MQTT: found by Home Assistant, kept while the broker is away, and secret passwords."""

import io
import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Self

import numpy as np
import pytest
import soundfile

import sounds
from cases import case
from command_line import Result, one_line_error

pytest.importorskip("paho.mqtt.client", reason='paho-mqtt is not installed: pip install "sayso[mqtt]"')

from mosquitto import PASSWORD, USER, HomeAssistant, Mosquitto, missing
from sayso.errors import ServiceError
from sayso.recognition.decision import Detection
from sayso.serve import mqtt
from sayso.serve.broker import Broker
from sayso.serve.home_assistant import Topics, discovery
from sayso.serve.mqtt import Publisher
from virtual_microphone import wait_until

needs_mosquitto = pytest.mark.skipif(bool(missing()), reason=missing())
WORDS = ["yes", "no", "up"]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    (folder := tmp_path / "broker").mkdir()
    with Mosquitto(folder) as running:
        yield running


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sound") / "words.wav"
    soundfile.write(path, sounds.stream(["yes", "zero", "no"])[0], sounds.RATE)
    return path


def detection(word: str) -> Detection:
    return Detection(word, 0.91239, 1.0, 2.0)


@needs_mosquitto
def test_commands_count_after_the_wake_word_and_say_after_which(
    broker: Mosquitto, knowing_zero_path: Path, tmp_path: Path, sayso: Callable[..., Result]
) -> None:
    sound, silence = tmp_path / "sound.wav", tmp_path / "silence.wav"
    soundfile.write(sound, sounds.stream(["no", "zero", "yes", "no", "up"])[0], sounds.RATE)
    soundfile.write(silence, np.zeros(sounds.RATE), sounds.RATE)
    sensor = "homeassistant/binary_sensor/sayso_kitchen/awake/config"
    command = ("serve", "mqtt", f"mqtt://127.0.0.1:{broker.port}", "-m", knowing_zero_path, "--name", "Kitchen")
    with HomeAssistant(broker.port) as home:
        # After this it knows the topics.
        assert sayso(*command, "--input", silence).status == 0
        wait_until(lambda: home.statuses[-1:] == ["offline"], "the end of the first run")
        home.statuses.clear()
        result = sayso(*command, "--input", sound, "--wake", "Zero", "--for", "3.2")
        assert result.status == 0, result.err
        assert [line.split()[2] for line in result.out.splitlines()] == ["zero", "yes", "no"]
        wait_until(lambda: home.statuses[-1:] == ["offline"], "the goodbye")
        found = [(values["event"], values["word"], values["wake"], values["since_wake"]) for values in home.words]
        assert found == [
            ("wake", "zero", "zero", 0),
            ("command", "yes", "zero", pytest.approx(1.5, abs=0.3)),
            ("command", "no", "zero", pytest.approx(3, abs=0.3)),
        ]
        assert home.device_triggers == ["no", "up", "yes", "zero"]
        assert home.fired == ["zero", "yes", "no"]
        # It shows for a whole number of seconds that commands count.
        assert home.sensed == [("Awake", "ON")]
        assert home.configured[sensor]["off_delay"] == 4
        # Without a wake word, neither it nor its trigger is left.
        assert sayso(*command, "--input", sound).status == 0
        wait_until(lambda: sensor not in home.configured, "the withdrawal of the sensor")
        wait_until(lambda: home.device_triggers == ["no", "up", "yes"], "the withdrawal of the trigger")
        wait_until(lambda: len(home.words) == 7, "words without a wake word")
        assert not any("wake" in values for values in home.words[3:])


def publisher(port: int, notify: Callable[[str], None]) -> Publisher:
    topics = Topics("Kitchen")
    return Publisher(Broker("127.0.0.1", port), None, topics, discovery(topics, WORDS, "tiny"), notify)


@needs_mosquitto
def test_home_assistant_finds_the_words_and_hears_them(
    broker: Mosquitto, sound: Path, tiny_model_path: Path, tmp_path: Path, sayso: Callable[..., Result]
) -> None:
    silence = tmp_path / "silence.wav"
    soundfile.write(silence, np.zeros(sounds.RATE), sounds.RATE)
    with HomeAssistant(broker.port) as home:
        # Left by a model that knew another word.
        old = "homeassistant/device_automation/sayso_kitchen/left/config"
        trigger = json.loads(next(iter(discovery(Topics("Kitchen"), [], "old").values())))
        stale = {**trigger, "automation_type": "trigger", "subtype": "left", "value_template": "{{ value_json.word }}"}
        home.announce(old, json.dumps(stale))
        wait_until(lambda: home.device_triggers == ["left"], "the announcement of the old model")
        began = datetime.now().astimezone()
        command = ("serve", "mqtt", f"mqtt://127.0.0.1:{broker.port}", "-m", tiny_model_path, "--name", "Kitchen")
        assert sayso(*command, "--input", silence).status == 0
        wait_until(lambda: home.statuses[-1:] == ["offline"], "the end of the first run")
        home.statuses.clear()
        result = sayso(*command, "--input", sound)
        assert result.status == 0
        assert [line.split()[2] for line in result.out.splitlines()] == ["yes", "no"]
        wait_until(lambda: home.statuses[-1:] == ["offline"], "the goodbye")
        assert home.statuses == ["online", "offline"]
        assert [values["word"] for values in home.words] == home.fired == ["yes", "no"]
        for values in home.words:
            assert values["event_type"] == values["word"]
            assert 0 < values["confidence"] <= 1
            assert began <= datetime.fromisoformat(values["time"]) <= datetime.now().astimezone()
        wait_until(lambda: home.device_triggers == sorted(WORDS), "the withdrawal of the old trigger")
    # The announcements outlast everyone who heard them.
    with HomeAssistant(broker.port) as home:
        wait_until(lambda: len(home.configured) == 4, "the announcements")
        entity = home.configured["homeassistant/event/sayso_kitchen/word/config"]
        assert entity["event_types"] == WORDS
        assert entity["device"]["name"] == "sayso Kitchen"
        assert home.device_triggers == sorted(WORDS)


@needs_mosquitto
def test_no_word_is_lost_while_the_broker_is_away(broker: Mosquitto, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt, "MOST_WAITING", 5)
    told: list[str] = []
    with HomeAssistant(broker.port) as home, publisher(broker.port, told.append) as words:
        wait_until(lambda: home.statuses, "Home Assistant's subscription")
        words.publish(detection("yes"))
        wait_until(lambda: len(home.words) == 1, "the first word")
        assert home.words[0]["confidence"] == 0.9124
        broker.kill()
        wait_until(lambda: any("lost the broker" in text for text in told), "the notice of the loss")
        for word in ("up", "up", "no", "yes", "no", "up", "yes"):
            words.publish(detection(word))
        assert words.waiting == 5
        assert any("more than 5 words wait" in text for text in told)
        broker.start()
        wait_until(lambda: len(home.words) == 6, "the words that waited")
        assert [values["word"] for values in home.words[1:]] == ["no", "yes", "no", "up", "yes"]
        assert told[-1] == "connected to the broker again; words that waited: 5, that were dropped: 2"
        # The broker has lost all that was retained, and got it again.
        assert home.statuses[-1] == "online"
        words.publish(detection("no"))
        wait_until(lambda: len(home.words) == 7, "a word after the return")
        assert not words.waiting
    broker.kill()
    with pytest.raises(ServiceError, match=r"cannot reach the broker mqtt://127\.0\.0\.1"):
        publisher(broker.port, print).__enter__()


@needs_mosquitto
def test_a_word_that_is_said_as_the_broker_goes_away_arrives_later(
    broker: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mqtt, "SETTLE", 0.0)
    told: list[str] = []
    with publisher(broker.port, told.append) as words:
        broker.kill()
        wait_until(lambda: told, "the notice of the loss")
        # As if the loss had not been noticed yet.
        words._connected = True
        words.publish(detection("yes"))
        words.publish(detection("no"))
        wait_until(lambda: len(words._waiting) == 1, "the first word to be handed over")
        broker.start()
        wait_until(lambda: not words.waiting, "the words that waited")


class Broken:
    """A broker that answers the first word by something odd and behaves at the next connection; a context manager."""

    def __init__(self, odd: bytes) -> None:
        self.words: list[str] = []
        self._odd, self._server = odd, socket.create_server(("127.0.0.1", 0))
        self._server.settimeout(30)
        self.port = self._server.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join()
        self._server.close()

    def _serve(self) -> None:
        for odd in (self._odd, b""):
            connection, _ = self._server.accept()
            with connection, connection.makefile("rb") as packets:
                while kind := packets.read(1):
                    length = packets.read(1)[0]
                    length += (packets.read(1)[0] - 1) * 128 if length > 127 else 0
                    body = packets.read(length)
                    end = 2 + int.from_bytes(body[:2])
                    word = body[:end].endswith(b"/word")
                    if odd and word:
                        connection.sendall(odd)
                        break
                    if kind[0] >> 4 == 1:
                        connection.sendall(b"\x20\x02\0\0")
                    elif kind[0] >> 4 == 3:
                        connection.sendall(b"\x40\x02" + body[end : end + 2])
                        self.words += [json.loads(body[end + 2 :])["word"]] if word else []


def test_what_a_broken_broker_sends_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt, "CONNECT", 60.0)
    monkeypatch.setattr(mqtt, "SETTLE", 0.0)
    monkeypatch.setattr(mqtt, "RETRY_FIRST", 0.1)
    died: list[object] = []
    monkeypatch.setattr(threading, "excepthook", died.append)
    for name, odd in (
        ("a topic that is no text", b"\x30\x05\0\x03\xff\xfe\xfd"),
        ("a topic beyond the end", b"\x30\x02\0\xff"),
        ("an acknowledgement without a number", b"\x40\0"),
        ("another protocol", b"HTTP/1.1 400 Bad Request\r\n\r\n"),
    ):
        with case(name), Broken(odd) as broken:
            with publisher(broken.port, print) as words:
                words.publish(detection("yes"))
                wait_until(lambda words=words: not words.waiting, "the word")
            assert broken.words == ["yes"]
    assert not died


@needs_mosquitto
def test_what_is_not_delivered_at_the_end_is_told(broker: Mosquitto) -> None:
    told: list[str] = []
    with publisher(broker.port, told.append) as words:
        broker.kill()
        wait_until(lambda: told, "the notice of the loss")
        words.publish(detection("yes"))
    assert told[-1] == "words that were not delivered, as the broker is away: 1"


@needs_mosquitto
def test_a_service_that_is_ended_or_killed_is_known_to_be_offline(broker: Mosquitto, tiny_model_path: Path) -> None:
    address = f"mqtt://127.0.0.1:{broker.port}"
    command = [sys.executable, "-m", "sayso", "serve", "mqtt", address, "-m", tiny_model_path, "--name", "Kitchen"]
    sound = io.BytesIO()
    soundfile.write(sound, np.zeros(sounds.RATE, np.float32), sounds.RATE, format="WAV")
    # As of a recorder that writes into a pipe: the header declares no length.
    endless = sound.getvalue().replace((2 * sounds.RATE).to_bytes(4, "little"), b"\xff" * 4, 1)
    with HomeAssistant(broker.port) as home:
        for number in (signal.SIGTERM, signal.SIGKILL):
            home.statuses.clear()
            with (
                case(number),
                subprocess.Popen(
                    [*command, "--input", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
                ) as process,
            ):
                assert process.stdin
                process.stdin.write(endless)
                process.stdin.flush()
                wait_until(lambda: "online" in home.statuses, "the connection")
                process.send_signal(number)
                wait_until(lambda: home.statuses[-1] == "offline", "the end")
                out, err = process.communicate()
                assert (process.returncode, out) == (0 if number == signal.SIGTERM else -number, b"")
                assert b"Traceback" not in err


@needs_mosquitto
def test_a_service_that_is_ended_as_it_starts_ends_without_an_error(
    broker: Mosquitto, sound: Path, tiny_model_path: Path, sayso: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(text: str) -> None:
        assert text.startswith("publishing to")
        raise KeyboardInterrupt

    monkeypatch.setattr("sayso.cli.serve.note", interrupted)
    with HomeAssistant(broker.port) as home:
        result = sayso("serve", "mqtt", f"mqtt://127.0.0.1:{broker.port}", "-m", tiny_model_path, "--input", sound)
        assert (result.status, result.err) == (0, "")
        wait_until(lambda: home.statuses[-1:] == ["offline"], "the end")


@needs_mosquitto
def test_the_password_comes_from_a_file_or_the_environment_and_is_never_shown(
    tmp_path: Path, sound: Path, tiny_model_path: Path, sayso: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder := tmp_path / "broker").mkdir()
    right, wrong = tmp_path / "right", tmp_path / "wrong"
    right.write_text(f"{PASSWORD}\n")
    wrong.write_text("another\n")
    wrong.chmod(0o600)
    with Mosquitto(folder, users=True, tls=True) as running:
        address = f"mqtts://{USER}@localhost:{running.port}"
        rest = ("--input", sound, "-m", tiny_model_path, "--ca", running.authority)
        arguments = ("serve", "mqtt", address, *rest)
        result = sayso(*arguments, "--password-file", right)
        assert result.status == 0
        assert f"other users can read {right}" in result.err
        refused = sayso(*arguments, "--password-file", wrong)
        assert "refuses the connection: Not authorized; check the user" in one_line_error(refused)
        assert "other users" not in refused.err
        monkeypatch.setenv("SAYSO_MQTT_PASSWORD", PASSWORD)
        given = sayso(*arguments, "-v")
        assert given.status == 0
        for shown in (result, refused, given):
            assert PASSWORD not in shown.out + shown.err
        untrusted = one_line_error(sayso(*arguments[:-2]))
        assert "is not trusted (self-signed certificate" in untrusted
        assert "--ca FILE" in untrusted
        plain = one_line_error(sayso("serve", "mqtt", f"mqtt://localhost:{running.port}", *rest))
        assert "does not answer as an MQTT broker does" in plain
        not_for_it = one_line_error(
            sayso("serve", "mqtt", f"mqtts://127.0.0.1:{running.port}", "--input", sound, "--ca", running.authority)
        )
        assert "is not trusted (IP address mismatch" in not_for_it


def test_an_impossible_address_or_password_is_refused_with_what_to_do(
    tmp_path: Path, sayso: Callable[..., Result]
) -> None:
    (tmp_path / "empty").write_text("\nsecret")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\n")
    for arguments, message in (
        (["localhost"], "'localhost' is no address of a broker; expected mqtt[s]://[USER@]HOST[:PORT]"),
        (["http://localhost"], "no address of a broker"),
        (["mqtt://localhost:99999"], "no address of a broker"),
        (["mqtt://"], "no address of a broker"),
        (["mqtt://localhost/a/topic"], "no address of a broker"),
        (["mqtt://localhost", "--password-file", tmp_path / "none"], "No such file or directory"),
        (["mqtt://localhost", "--password-file", tmp_path / "empty"], "the first line of"),
        (["mqtt://localhost", "--password-file", tmp_path / "binary"], "it is not text in UTF-8"),
        (["mqtts://localhost", "--ca", tmp_path / "empty"], "holds no certificate"),
        (["mqtt://localhost", "--wake", "zebra"], "does not know the word 'zebra'"),
        (["mqtt://no..host"], "cannot reach the broker mqtt://no..host:1883"),
    ):
        with case(*arguments):
            assert message in one_line_error(sayso("serve", "mqtt", *arguments, "--input", "none.wav"))
    seconds = sayso("serve", "mqtt", "mqtt://localhost", "--for", "3")
    assert (seconds.status, "give --wake, too" in seconds.err) == (2, True)
    with_password = sayso("serve", "mqtt", "mqtt://anna:hunter2@localhost", "--input", "none.wav")
    assert "the address holds a password" in one_line_error(with_password)
    assert "hunter2" not in with_password.err
    assert str(Broker.parse("mqtts://anna%40home@[::1]")) == "mqtts://[::1]:8883"
    assert Broker.parse("mqtts://anna%40home@[::1]").user == "anna@home"


def test_names_and_words_of_any_script_have_topics_of_their_own() -> None:
    names = ["kitchen", "Kitchen 2", "Küche", "Küchen", "a/b", "a+b", "#"]
    identities = [Topics(name).identity for name in names]
    assert identities[:2] == ["kitchen", "kitchen_2"]
    assert len(set(identities)) == len(names)
    announcements = discovery(Topics("a/b"), ["left", "Left", "да", "нет", "+", "turn left"], "any")
    assert len(announcements) == 7
    for topic, text in announcements.items():
        with case(topic):
            assert topic.isascii()
            assert not set(topic) & set("+# ")
            assert topic.count("/") == 4
            assert json.loads(text)["device"]["name"] == "sayso a/b"
