"""Microphones without hardware: a private PulseAudio server whose sinks serve as microphones.

Sound that is played into a sink comes out of its monitor, which ALSA's pulse plugin offers to PortAudio under a name.
The tests use PortAudio with real streams and real failures; nothing is mocked.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
import soundfile

PROGRAMS = ("pulseaudio", "pactl", "paplay")
# Names of the microphones and their rates.
RATES = {"mic44": 44_100, "mic48": 48_000}
ALSA = """
</usr/share/alsa/alsa.conf>
pcm.!default {{
    type asym
    capture.pcm {{ type pulse device "{default}.monitor" }}
    playback.pcm {{ type pulse device "{default}" }}
    hint {{ show on description "default" }}
}}
{others}
pcm.still {{ type null hint {{ show on description "still" }} }}
"""
OTHER = 'pcm.{name} {{ type pulse device "{name}.monitor" hint {{ show on description "{name}" }} }}'


def missing() -> str:
    """Return what this machine lacks for virtual microphones; empty if it has everything."""
    try:
        import sounddevice  # noqa: F401
    except OSError:
        return "PortAudio is not installed"
    if absent := [program for program in PROGRAMS if not shutil.which(program)]:
        return f"{absent[0]} is not installed"
    if not list(Path("/usr/lib").glob("*/alsa-lib/libasound_module_pcm_pulse.so")):
        return "ALSA's pulse plugin (libasound2-plugins) is not installed"
    return ""


def wait_until(condition: object, what: str, seconds: float = 60.0) -> None:
    """Poll a condition until it holds; fail the test after some seconds."""
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        if time.monotonic() > end:
            pytest.fail(f"{what} did not happen within {seconds:g} s")
        time.sleep(0.02)


class VirtualMicrophones:
    """A private sound server with a microphone for each of `RATES`; the first is the default.

    What is played on the loudspeaker is heard by the default microphone. Another device, "still", is independent of the
    server.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._server = folder, None
        self._socket = folder / "native"
        others = "\n".join(OTHER.format(name=name) for name in RATES)
        (folder / "asoundrc").write_text(ALSA.format(default=next(iter(RATES)), others=others))
        self.environment: Mapping[str, str] = {
            "HOME": str(folder),
            "XDG_RUNTIME_DIR": str(folder),
            "PULSE_SERVER": f"unix:{self._socket}",
            "ALSA_CONFIG_PATH": str(folder / "asoundrc"),
        }

    def start(self) -> None:
        """Start the server and its microphones."""
        sinks = [f"module-null-sink sink_name={name} rate={rate}" for name, rate in RATES.items()]
        modules = [f"module-native-protocol-unix socket={self._socket} auth-anonymous=1", *sinks]
        options = ["-n", "--daemonize=no", "--exit-idle-time=-1", "--disable-shm=yes", "--use-pid-file=no"]
        self._server = subprocess.Popen(
            ["pulseaudio", *options, *(word for module in modules for word in ("-L", module))],
            env=os.environ | dict(self.environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until(lambda: "mic48.monitor" in self.control("list", "short", "sources"), "the start of PulseAudio")

    def kill(self) -> None:
        """Kill the server as a crash would."""
        if self._server:
            self._server.kill()
            self._server.wait()
            self._socket.unlink(missing_ok=True)
            self._server = None

    def unplug_all(self) -> None:
        """Remove all microphones; if one remained, PulseAudio would move open streams to it."""
        self.control("unload-module", "module-null-sink")

    def plug_all(self) -> None:
        """Restore all microphones."""
        for name, rate in RATES.items():
            self.control("load-module", "module-null-sink", f"sink_name={name}", f"rate={rate}")

    def play(self, name: str, samples: np.ndarray, rate: int) -> None:
        """Play sound into a microphone, and return when it has ended."""
        path = self._folder / "played.wav"
        soundfile.write(path, samples, rate)
        self._run("paplay", f"--device={name}", str(path))

    def control(self, *arguments: str) -> str:
        """Run pactl and return its output; empty if the server does not respond."""
        return self._run("pactl", *arguments)

    def _run(self, *command: str) -> str:
        return subprocess.run(
            command,
            env=os.environ | dict(self.environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        ).stdout


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VirtualMicrophones]:
    """Virtual microphones for the tests of one file."""
    if reason := missing():
        pytest.skip(f"no virtual microphone: {reason}")
    microphones = VirtualMicrophones(tmp_path_factory.mktemp("pulse"))
    microphones.start()
    yield microphones
    microphones.kill()


@pytest.fixture
def microphones(server: VirtualMicrophones, monkeypatch: pytest.MonkeyPatch) -> VirtualMicrophones:
    """The virtual microphones, as the only sound devices of this process."""
    from sayso.live import devices

    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    devices.devices(refresh=True)
    return server
