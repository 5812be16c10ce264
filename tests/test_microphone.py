"""The microphone with a real PortAudio: played words are detected, and recognition survives the loss of the device."""

import itertools
import json
import os
import queue
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile

import sayso
import sounds
import test_readme as readme
from cases import case
from sayso.errors import MicrophoneError
from sayso.live import microphone
from sayso.live.devices import Device, devices, find
from sayso.live.microphone import Microphone
from sayso.recognition.recognizer import Recognizer
from sayso.sound import audio
from virtual_microphone import VirtualMicrophones, microphones, server, wait_until

__all__ = ["microphones", "server"]

pty = pytest.importorskip("pty", reason="there are no virtual microphones on Windows")

WORDS = ["yes", "zero", "no", "up"]
KNOWN = ["yes", "no", "up"]


class Background:
    """A background listener that collects its detected words and its messages."""

    def __init__(self, recognizer: Recognizer, device: str | None) -> None:
        self.words: list[str] = []
        self.listener = sayso.BackgroundListener(lambda found: self.words.append(found.label), recognizer, device)
        self.messages: list[str] = []
        self.microphone = self.listener.microphone
        self.microphone.notify = self.messages.append

    @property
    def steps(self) -> int:
        return self.listener.listening.pace.steps


@contextmanager
def listening(recognizer: Recognizer, device: str | None) -> Iterator[Background]:
    background = Background(recognizer, device)
    with background.listener:
        # PulseAudio needs some time for the first block; sound that is played before it is lost.
        wait_until(lambda: background.steps, "the first step")
        yield background
    assert background.listener.error is None


def test_words_are_detected_in_order_at_the_device_rate_or_resampled(
    microphones: VirtualMicrophones, tiny_recognizer: Recognizer
) -> None:
    for name in ("mic44", "mic48"):
        with case(name):
            with listening(tiny_recognizer, name) as background:
                microphones.play(name, sounds.stream(WORDS, gap=0.6)[0], sounds.RATE)
                wait_until(lambda: len(background.words) >= len(KNOWN), f"detecting {KNOWN}")
            assert background.words == KNOWN
            assert background.microphone.health.dropped == 0
            assert not background.messages


def test_an_unplugged_microphone_is_waited_for(microphones: VirtualMicrophones, tiny_recognizer: Recognizer) -> None:
    with listening(tiny_recognizer, "mic48") as background:
        microphones.unplug_all()
        wait_until(lambda: background.messages, "noticing the loss")
        assert background.messages == ["lost mic48; waiting for it to come back"]
        microphones.plug_all()
        wait_until(lambda: len(background.messages) == 2, "noticing the return")
        assert background.messages[1] == "listening again to mic48"
        before = background.steps
        # The gap counts as a second of silence, which is ten steps.
        wait_until(lambda: background.steps > before + 12, "the first step after the return")
        microphones.play("mic48", sounds.stream(["no"])[0], sounds.RATE)
        wait_until(lambda: background.words == ["no"], "detecting a word after the return")
    assert background.microphone.health.reopened == 1


def test_a_restart_of_the_sound_server_is_survived(
    microphones: VirtualMicrophones, tiny_recognizer: Recognizer
) -> None:
    with listening(tiny_recognizer, None) as background:
        microphones.kill()
        wait_until(lambda: background.messages, "noticing the loss")
        microphones.start()
        wait_until(lambda: len(background.messages) == 2, "noticing the return")
        before = background.steps
        wait_until(lambda: background.steps > before + 12, "the first step after the return")
        microphones.play("mic44", sounds.stream(["up"])[0], sounds.RATE)
        wait_until(lambda: background.words == ["up"], "detecting a word after the return")


def test_listening_can_be_stopped_while_the_microphone_is_lost(
    microphones: VirtualMicrophones, tiny_recognizer: Recognizer
) -> None:
    with listening(tiny_recognizer, "mic48") as background:
        microphones.unplug_all()
        wait_until(lambda: background.messages, "noticing the loss")
        background.listener.stop()
    assert not background.words
    microphones.plug_all()


def test_a_rate_that_the_device_does_not_support_is_resampled(microphones: VirtualMicrophones) -> None:
    with Microphone("mic44", 400_000) as opened:
        assert opened.device_rate == opened.device.sample_rate == 44_100
        first = next(chunk for chunk in opened.chunks() if len(chunk))
        assert first.dtype == np.float32
        assert len(first) > 10_000
        blocks = itertools.islice(opened.chunks(), 10)
        assert sum(map(len, blocks)) == pytest.approx(10 * microphone.RESAMPLED_BLOCK * 400_000, rel=0.2)


def test_for_a_slow_consumer_the_oldest_blocks_are_dropped_and_counted(
    microphones: VirtualMicrophones, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(microphone, "QUEUE_SECONDS", 0.5)
    with Microphone("mic44", sounds.RATE) as opened:
        chunks = opened.chunks()
        next(chunks)
        wait_until(lambda: opened.health.dropped >= 5, "dropping blocks")
        next(chunks)
        # The queue holds only the last half second, however long nothing was taken.
        assert 0 < opened.health.lag < 0.8
        assert opened.health.longest_lag >= opened.health.lag


def test_microphones_are_listed_with_their_default(microphones: VirtualMicrophones) -> None:
    found = devices()
    assert {"mic44", "mic48", "default"} <= {device.name for device in found}
    assert [device.name for device in found if device.default] == ["default"]
    assert find(None, found).name == "default"
    with pytest.raises(MicrophoneError, match="not open; use it in a `with` statement"):
        next(Microphone("mic44").chunks())


def test_an_exception_of_the_callback_is_kept(microphones: VirtualMicrophones, tiny_recognizer: Recognizer) -> None:
    def fail(found: sayso.Detection) -> None:
        raise ValueError(found.label)

    with sayso.BackgroundListener(fail, tiny_recognizer, "mic44") as listener:
        wait_until(lambda: listener.listening.pace.steps, "the first step")
        microphones.play("mic44", sounds.stream(["yes"])[0], sounds.RATE)
        wait_until(lambda: listener.error, "the callback's exception")
    assert str(listener.error) == "yes"


AVAILABLE = [
    Device(0, "HDA Intel", "ALSA", 2, 44_100, False),
    Device(3, "USB Desk", "ALSA", 1, 16_000, True),
    Device(4, "USB Headset", "ALSA", 1, 48_000, False),
    Device(7, "USB Headset", "JACK", 1, 48_000, False),
]


def test_a_device_is_found_by_number_or_part_of_its_name() -> None:
    for wanted, index in (
        (None, 3), (4, 4), ("4", 4), ("desk", 3), ("HDA", 0), ("USB Headset", 4), ("headset", 4),
    ):  # fmt: skip
        with case(wanted):
            assert find(wanted, AVAILABLE).index == index


def test_missing_and_ambiguous_devices_are_refused() -> None:
    for wanted, available, message in (
        ("usb", AVAILABLE, r"'usb' is part of several names: 3 USB Desk, 4 USB Headset, 7 .*; give more of the name"),
        ("9", AVAILABLE, r"no input device '9'; give one of: 0 HDA Intel, 3 USB Desk"),
        ("webcam", AVAILABLE, "no input device 'webcam'; give one of"),
        (None, [], "no microphone: the system offers no input device; connect one, or run `sayso doctor`"),
    ):
        with case(wanted), pytest.raises(MicrophoneError, match=message):
            find(wanted, available)


def command(*arguments: object, environment: dict[str, str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "sayso", *map(str, arguments)],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def lines_of(process: "subprocess.Popen[str]") -> "queue.Queue[str]":
    """Collect the lines that a process prints on stdout as they come."""
    lines: queue.Queue[str] = queue.Queue()
    assert process.stdout
    stream = process.stdout
    threading.Thread(target=lambda: [lines.put(line) for line in stream], daemon=True).start()
    return lines


def test_the_command_starts_actions_records_and_ends_at_ctrl_c(
    microphones: VirtualMicrophones, tiny_model_path: Path, tmp_path: Path
) -> None:
    note, sound = tmp_path / "note", tmp_path / "room.wav"
    action = f"no={sys.executable} -c \"import os; open('{note}', 'w').write(os.environ['SAYSO_WORD'])\""
    process = command(
        "listen", "-m", tiny_model_path, "--device", "mic48", "--format", "jsonl", "--exec", action,
        "--record", sound, environment=dict(microphones.environment),
    )  # fmt: skip
    lines = lines_of(process)
    # The recording grows once blocks come.
    wait_until(lambda: sound.exists() and sound.stat().st_size > 4_000, "the first block")
    microphones.play("mic48", sounds.stream(["yes", "no"])[0], sounds.RATE)
    first, second = (json.loads(lines.get(timeout=20)) for _ in range(2))
    wait_until(note.exists, "the action")
    wait_until(lambda: note.read_text() == "no", "the action's end")
    process.send_signal(signal.SIGINT)
    before = time.monotonic()
    assert process.wait(timeout=20) == 0
    assert time.monotonic() - before < 1 + 1  # a second, and one for a busy machine
    assert process.stderr
    errors = process.stderr.read()
    assert "steps of" in errors
    assert "0 dropped" in errors
    assert "Traceback" not in errors
    assert [first["label"], second["label"]] == ["yes", "no"]
    # The file of the detections holds what was printed, and the recording gives the same detections again.
    saved = [json.loads(line) for line in Path(f"{sound}.jsonl").read_text().splitlines()]
    assert saved == [{key: row[key] for key in row if key != "time"} for row in (first, second)]
    samples, rate = soundfile.read(sound, dtype="float32")
    again = list(sayso.load(str(tiny_model_path)).detect([samples]))
    assert rate == sounds.RATE
    assert [(found.label, round(found.end, 3)) for found in again] == [(row["label"], row["end"]) for row in saved]


def test_without_a_microphone_the_error_is_one_line(
    microphones: VirtualMicrophones, tiny_model_path: Path, tmp_path: Path
) -> None:
    alone = dict(microphones.environment) | {"PULSE_SERVER": f"unix:{tmp_path}/none"}
    for arguments in (["listen", "-m", tiny_model_path], ["devices"]):
        process = command(*arguments, environment=alone)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 1
        assert not out
        assert err == "error: no microphone: the system offers no input device; connect one, or run `sayso doctor`\n"


class Terminal:
    """A sayso command in a pseudo-terminal."""

    def __init__(self, *arguments: object, environment: Mapping[str, str]) -> None:
        self._screen, program = pty.openpty()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "sayso", *map(str, arguments)],
            env=os.environ | dict(environment) | {"TERM": "xterm", "COLUMNS": "100"},
            stdin=program,
            stdout=program,
            stderr=program,
            start_new_session=True,
        )
        os.close(program)
        self._seen = ""

    def wait_for(self, text: str) -> None:
        """Read the output until it contains a text, and discard everything up to its end."""
        while text not in self._seen:
            if not select.select([self._screen], [], [], 20)[0]:
                pytest.fail(f"{text!r} did not come, but {self._seen!r}")
            self._seen += os.read(self._screen, 65_536).decode("utf-8", "replace")
        self._seen = self._seen.split(text, 1)[1]

    def press(self, keys: str, until: str) -> None:
        """Press keys repeatedly until a text appears; keys that are pressed before the prompt are discarded."""
        while until not in self._seen:
            os.write(self._screen, keys.encode())
            if select.select([self._screen], [], [], 0.5)[0]:
                self._seen += os.read(self._screen, 65_536).decode("utf-8", "replace")
        self.wait_for(until)

    def end(self) -> int:
        """Wait for the command to end and return its exit status."""
        status = self._process.wait(timeout=20)
        os.close(self._screen)
        return status


def test_a_word_is_recorded_at_a_terminal(microphones: VirtualMicrophones, tmp_path: Path) -> None:
    options = ("--count", "1", "--speaker", "anna", "--device", "mic48")
    terminal = Terminal("record", "yes", "-o", tmp_path, *options, environment=microphones.environment)
    terminal.wait_for("yes, 1 of 1")
    terminal.press("u", "nothing to undo")
    terminal.press("\r", "say 'yes'")
    # Nobody speaks immediately after the prompt.
    word = np.concatenate([np.zeros(sounds.RATE // 2), sounds.spoken("yes")])
    microphones.play("mic48", word, sounds.RATE)
    terminal.wait_for("saved ")
    terminal.wait_for("record 20 s of background noise")
    terminal.press("n", "1 of yes")
    assert terminal.end() == 0
    (path,) = (tmp_path / "yes").iterdir()
    assert path.name.startswith("anna_nohash_")
    samples, rate = soundfile.read(path)
    assert rate == sounds.RATE
    assert sounds.SPOKEN < len(samples) / rate < 1.2


def test_the_readme_example_detects_a_word(microphones: VirtualMicrophones) -> None:
    (example,) = (text for _, text in readme.blocks(readme.ROOT / "README.md") if readme.LISTENS in text)
    environment = os.environ | dict(microphones.environment)
    process = subprocess.Popen([sys.executable, "-c", example], env=environment, stdout=subprocess.PIPE, text=True)
    # Not every synthetic voice is clear enough for the thresholds of a model that was trained on people.
    recognizer, silence = sayso.load(), np.zeros(sounds.RATE, np.float32)
    clips = (audio.load(path, sounds.RATE) for path in sorted((readme.ROOT / "data/demo/stop").glob("*.opus")))
    clear = next(
        clip for clip in clips if [found.label for found in recognizer.detect([silence, clip, silence])] == ["stop"]
    )
    while process.poll() is None:
        microphones.play("mic44", clear, sounds.RATE)
    assert process.returncode == 0
    assert process.stdout
    assert process.stdout.read().splitlines()[-1].startswith("stop ")


def test_the_doctor_distinguishes_silence_from_sound(microphones: VirtualMicrophones, tiny_model_path: Path) -> None:
    environment = dict(microphones.environment)
    silent, process = (
        command("doctor", "-m", tiny_model_path, "--device", device, environment=environment)
        for device in ("mic44", "mic48")
    )
    while process.poll() is None:
        microphones.play("mic48", sounds.spoken("yes"), sounds.RATE)
    out, _ = silent.communicate(timeout=60)
    assert silent.returncode == 1
    assert "problem  the sound is nothing but zeros" in out
    assert "mic44 opens at 16000 Hz" in out
    assert process.returncode == 0
    assert process.stdout
    assert "its loudest block has -" in process.stdout.read()
