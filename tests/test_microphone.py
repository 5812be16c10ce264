"""The microphone with a real PortAudio: played words are detected, and recognition survives the loss of the device."""

import itertools
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
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
from sayso.live.devices import devices, find
from sayso.live.microphone import Microphone
from sayso.live.portaudio import open_streams, silenced_stderr
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


def test_other_streams_survive_the_loss_of_a_microphone_whoever_opened_them(
    microphones: VirtualMicrophones, tiny_recognizer: Recognizer
) -> None:
    import sounddevice

    blocks: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    other = sounddevice.RawInputStream(device="still", channels=1, callback=lambda data, *_: blocks.put(bytes(data)))
    # A stream that failed to open is none that is open, though the error refers to it.
    with pytest.raises(sounddevice.PortAudioError) as refused:
        sounddevice.RawInputStream(device="mic48", channels=1, samplerate=1)
    assert refused.value.args
    assert open_streams() == 1
    with listening(tiny_recognizer, "mic48") as background:
        assert open_streams() == 2
        microphones.unplug_all()
        wait_until(lambda: background.messages, "noticing the loss")
        microphones.plug_all()
        wait_until(lambda: len(background.messages) == 2, "noticing the return")
        assert background.messages[1] == "listening again to mic48"
        before = background.steps
        wait_until(lambda: background.steps > before + 12, "the first step after the return")
    assert open_streams() == 1
    # It was opened before the loss, and can still be used.
    other.start()
    wait_until(lambda: not blocks.empty(), "a block of the other stream")
    other.close()
    assert open_streams() == 0


def test_a_source_that_is_suspended_is_back_with_its_first_block(
    microphones: VirtualMicrophones, tiny_recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with listening(tiny_recognizer, "mic44") as background:
        monkeypatch.setattr(microphone, "BLOCK_TIMEOUT", 0.5)
        monkeypatch.setattr(microphone, "RETRY_INTERVAL", 0.1)
        opened = []
        really_open = background.microphone._open
        monkeypatch.setattr(background.microphone, "_open", lambda device: opened.append(device) or really_open(device))
        microphones.control("suspend-sink", "mic44", "1")
        wait_until(lambda: len(opened) >= 3, "opening it in vain")
        assert background.messages == ["lost mic44; waiting for it to come back"]
        microphones.control("suspend-sink", "mic44", "0")
        # PulseAudio takes up to 1.8 s for the first block of a new stream.
        monkeypatch.setattr(microphone, "BLOCK_TIMEOUT", 4.0)
        wait_until(lambda: len(background.messages) == 2, "noticing the return")
        before = background.steps
        wait_until(lambda: background.steps > before + 12, "the first step after the return")
    assert background.messages[1] == "listening again to mic44"
    assert background.microphone.health.reopened == 1


def test_stderr_is_restored_however_many_threads_silence_it(capfd: pytest.CaptureFixture[str]) -> None:
    def silence() -> None:
        for _ in range(50):
            with silenced_stderr():
                os.write(2, b"hidden\n")

    threads = [threading.Thread(target=silence) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    os.write(2, b"shown\n")
    assert capfd.readouterr().err == "shown\n"


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
    first, second = (json.loads(lines.get(timeout=60)) for _ in range(2))
    wait_until(note.exists, "the action")
    wait_until(lambda: note.read_text() == "no", "the action's end")
    process.send_signal(signal.SIGINT)
    before = time.monotonic()
    assert process.wait(timeout=60) == 0
    # At once, not when the next block is missed.
    assert time.monotonic() - before < microphone.BLOCK_TIMEOUT
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
    config = Path(microphones.environment["ALSA_CONFIG_PATH"]).read_text().split("pcm.still")[0]
    (tmp_path / "asoundrc").write_text(config)
    alone = dict(microphones.environment) | {
        "PULSE_SERVER": f"unix:{tmp_path}/none",
        "ALSA_CONFIG_PATH": str(tmp_path / "asoundrc"),
    }
    for arguments in (["listen", "-m", tiny_model_path], ["devices"]):
        process = command(*arguments, environment=alone)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 1
        assert not out
        # The command is printed in the form in which this one was called.
        assert err.startswith("error: no microphone: the system offers no input device; connect one, or run `")
        assert err.endswith(" -m sayso doctor`\n")
        assert err.count("\n") == 1


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
