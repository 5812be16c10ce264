"""Commands at a terminal that can or cannot be drawn on, and without any: in services, after it was closed."""

import json
import os
import re
import select
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
import soundfile

import sounds
from cases import case
from sayso.live.takes import TakeFiles
from sayso.sound import audio
from virtual_microphone import VirtualMicrophones, microphones, server, wait_until

__all__ = ["microphones", "server"]

pty = pytest.importorskip("pty", reason="there are no such terminals on Windows")


# Seconds within which even a busy machine does what is waited for.
PATIENCE = 60


class Terminal:
    """A sayso command in a pseudo-terminal."""

    def __init__(self, *arguments: object, environment: Mapping[str, str]) -> None:
        self._screen, program = pty.openpty()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "sayso", *map(str, arguments)],
            env=os.environ | {"TERM": "xterm", "COLUMNS": "100"} | dict(environment),
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
            if not select.select([self._screen], [], [], PATIENCE)[0]:
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

    def all(self) -> str:
        """Read until the command has closed the terminal, and return everything."""
        while True:
            try:
                data = os.read(self._screen, 65_536)
            except OSError:
                data = b""
            if not data:
                return self._seen
            self._seen += data.decode("utf-8", "replace")

    def hang_up(self) -> int:
        """Close the terminal, wait for the command to end, and return its exit status."""
        os.close(self._screen)
        self._process.send_signal(signal.SIGHUP)
        return self._process.wait(timeout=PATIENCE)

    def end(self) -> int:
        """Wait for the command to end and return its exit status."""
        status = self._process.wait(timeout=PATIENCE)
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


def test_the_words_of_a_model_are_recorded_from_where_it_stopped(
    microphones: VirtualMicrophones, tiny_model_path: Path, tmp_path: Path
) -> None:
    files = TakeFiles(tmp_path, "anna", sounds.RATE, datetime(2026, 1, 2))
    for word in ("yes", "up", "no"):
        files.save(word, sounds.clip(word))
    files.undo()
    options = ["--commands", "-m", tiny_model_path, "-o", tmp_path, "--speaker", "anna", "--device", "mic48"]
    terminal = Terminal("record", *options, "--count", "1", environment=microphones.environment)
    terminal.wait_for("no, 1 of 1")
    terminal.press("\r", "say 'no'")
    microphones.play("mic48", np.concatenate([np.zeros(sounds.RATE // 2), sounds.spoken("no")]), sounds.RATE)
    terminal.wait_for("saved ")
    terminal.wait_for("background noise")
    terminal.press("n", "1 of no")
    terminal.wait_for(f"teach {tmp_path} -m {tiny_model_path} -o mine.safetensors")
    assert terminal.end() == 0
    again = Terminal("record", *options, "--count", "1", environment={})
    assert "holds 1 of each word by anna" in again.all()
    assert again.end() == 0
    fewer = Terminal("record", *options, environment=microphones.environment)
    fewer.wait_for("yes, 2 of 5")
    fewer.press("q", "saved in")
    assert fewer.end() == 0


def test_without_a_terminal_recording_words_is_refused_in_one_line(tmp_path: Path) -> None:
    process = subprocess.run(
        [sys.executable, "-m", "sayso", "record", "yes", "-o", tmp_path / "words"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        start_new_session=True,
    )
    assert process.returncode == 2
    assert "-m sayso record` waits for keys, and there is no terminal" in process.stderr.splitlines()[-1]
    assert "Traceback" not in process.stderr
    assert not (tmp_path / "words").exists()


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file in which two words are said."""
    path = tmp_path_factory.mktemp("stream") / "stream.wav"
    soundfile.write(path, sounds.stream(["yes", "no"])[0], sounds.RATE)
    return path


def test_any_of_the_standard_streams_may_be_missing(tiny_model_path: Path, stream: Path, tmp_path: Path) -> None:
    for number, closed in enumerate(("<&-", ">&-", "2>&-", "<&- >&- 2>&-")):
        with case(closed):
            record = tmp_path / f"{number}.wav"
            words = ["listen", "-m", tiny_model_path, "--input", stream, "--format", "jsonl", "--record", record]
            words += ["--exec", "no=no-such-program"]
            line = shlex.join(map(str, [sys.executable, "-m", "sayso", *words]))
            process = subprocess.run(
                ["sh", "-c", f"{line} {closed}"], capture_output=True, check=False, timeout=PATIENCE
            )
            assert process.returncode == 0
            assert b"Traceback" not in process.stderr
            found = [json.loads(line)["label"] for line in record.with_name(f"{number}.wav.jsonl").open()]
            assert found == ["yes", "no"]
            # Nothing was printed into the recording.
            np.testing.assert_allclose(audio.load(record, sounds.RATE), audio.load(stream, sounds.RATE), atol=2**-15)


def test_on_a_terminal_that_cannot_move_its_cursor_each_word_is_a_line(tiny_model_path: Path, stream: Path) -> None:
    for term, drawn in (("xterm", True), ("dumb", False), ("unknown", False), ("", False)):
        with case(term):
            terminal = Terminal(
                "listen", "-m", tiny_model_path, "--input", stream, "--exec", "no=echo heard no",
                environment={"TERM": term},
            )  # fmt: skip
            seen = terminal.all()
            assert terminal.end() == 0
            assert ("\x1b[" in seen) == drawn
            assert "yes" in seen
            # What a command prints is a line of its own.
            assert "\nheard no\r\n" in seen.replace("\x1b[2K", "\n")


def test_the_display_shows_whether_the_wake_word_is_waited_for(tiny_model_path: Path, stream: Path) -> None:
    for word, seconds, last in (("yes", "60", "awake"), ("yes", "0.5", "asleep"), ("up", "60", "asleep")):
        with case(word, seconds):
            options = ("-m", tiny_model_path, "--input", stream, "--wake", word, "--for", seconds)
            terminal = Terminal("listen", *options, environment={})
            seen = terminal.all()
            assert terminal.end() == 0
            assert re.findall("asleep|awake", seen)[0] == "asleep"
            assert re.findall("asleep|awake", seen)[-1] == last
            assert f"say {word}" in seen
            # The command counts only after the wake word, and long enough.
            assert bool(re.search(r"\d\d:\d\d:\d\d +no ", seen)) == (last == "awake")


def test_when_the_terminal_is_closed_the_recording_is_whole(
    microphones: VirtualMicrophones, tiny_model_path: Path, tmp_path: Path
) -> None:
    sound = tmp_path / "room.wav"
    terminal = Terminal(
        "listen", "-m", tiny_model_path, "--device", "mic48", "--record", sound, environment=microphones.environment
    )
    wait_until(lambda: sound.exists() and sound.stat().st_size > 40_000, "a second of sound")
    assert terminal.hang_up() == 0
    assert soundfile.info(sound).frames == (sound.stat().st_size - 80) // 2 > sounds.RATE
