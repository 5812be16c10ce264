"""Finding out why live recognition does not work on a machine, and what to do about it."""

from __future__ import annotations

import os
import platform
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from sayso.errors import MicrophoneError
from sayso.live.devices import Device, devices, find, portaudio
from sayso.live.listening import Level, Listening
from sayso.live.microphone import Microphone
from sayso.recognition.recognizer import Recognizer

# Seconds that the microphone is listened to.
SECONDS = 3.0
# Seconds after which it is given up: the sound server may take two for the first block.
LONGEST = 8.0
# Speech into a microphone that is set right has about -30 dB, the noise of its amplifier about -70.
QUIET = -65.0
# A step may take this part of the time until the next one.
BUSY = 0.5


@dataclass(frozen=True)
class Finding:
    """One thing that was looked into.

    Attributes
    ----------
    verdict : {"ok", "note", "problem"}
        A note is worth knowing; with a problem, listening does not work.
    what : str
        What was found.
    remedy : str
        What to do about it; empty if nothing.
    """

    verdict: Literal["ok", "note", "problem"]
    what: str
    remedy: str = ""


@dataclass(frozen=True)
class Surroundings:
    """What kind of machine this is, as far as sound is concerned.

    Attributes
    ----------
    system : str
        "Linux", "Darwin" or "Windows".
    container, ssh : bool
        Whether the program runs in a container; whether it was started over SSH.
    """

    system: str
    container: bool
    ssh: bool

    @classmethod
    def here(cls, environment: Mapping[str, str] = os.environ) -> Surroundings:
        """Look around."""
        container = any(Path(mark).exists() for mark in ("/.dockerenv", "/run/.containerenv"))
        return cls(platform.system(), container, "SSH_CONNECTION" in environment)

    def no_device(self) -> str:
        """Say what to do when the system offers no microphone."""
        if self.container:
            return (
                "a container has no sound devices of its own: start it with --device /dev/snd, or hand in the socket "
                "of PulseAudio or PipeWire (-v $XDG_RUNTIME_DIR/pulse:/pulse -e PULSE_SERVER=unix:/pulse/native)"
            )
        advice = {
            "Darwin": "connect a microphone and look in System Settings > Sound > Input",
            "Windows": "connect a microphone and look in Settings > System > Sound > Input",
        }.get(
            self.system,
            "connect a microphone; `arecord -l` lists what the kernel sees; with PulseAudio or PipeWire install "
            "libasound2-plugins; without them you must be in the group audio (sudo usermod -aG audio $USER)",
        )
        if self.ssh:
            advice += "; you are here over SSH, so it is this machine's microphone that counts, not that of your desk"
        return advice

    def zeros(self) -> str:
        """Say what to do when the microphone gives nothing but zeros."""
        return {
            "Darwin": "allow the terminal to use it: System Settings > Privacy & Security > Microphone; then open a "
            "new terminal",
            "Windows": "allow it: Settings > Privacy & security > Microphone > Let desktop apps access",
        }.get(
            self.system,
            "it is muted, or another source is the default: look into pavucontrol (Input Devices), or press F4 in "
            "alsamixer; choose another one with --device",
        )


def diagnose(recognizer: Recognizer, device: str | None, surroundings: Surroundings) -> Iterator[Finding]:
    """Look into everything that live recognition needs, and stop where nothing further can work.

    Yields
    ------
    Finding
        Each as soon as it is known.
    """
    yield speed(recognizer)
    try:
        yield Finding("ok", portaudio().get_portaudio_version()[1])
        present = devices()
    except MicrophoneError as error:
        yield Finding("problem", str(error))
        return
    if not present:
        yield Finding("problem", "no input device", surroundings.no_device())
        return
    yield Finding("ok", f"{len(present)} input devices: {', '.join(entry.name for entry in present)}")
    try:
        chosen = find(device, present)
        with Microphone(chosen.index, recognizer.model.features.sample_rate) as microphone:
            yield _rate(microphone, chosen)
            yield from _sound(microphone, surroundings)
    except MicrophoneError as error:
        yield Finding(
            "problem",
            str(error).removesuffix("; run `sayso doctor`"),
            "another program may hold it alone: end that, or choose another device with --device",
        )


def speed(recognizer: Recognizer) -> Finding:
    """Measure how long a step takes on this machine."""
    model = recognizer.model
    noise = np.random.default_rng(0).normal(0, 0.01, 6 * model.features.sample_rate).astype(np.float32)
    # The first steps are slower, until memory and caches have settled.
    listening = Listening(recognizer, np.array_split(noise, 120))
    for _ in listening.scores():
        pass
    typical, worst = listening.pace.quantile(0.5), listening.pace.quantile(0.99)
    what = (
        f"a decision takes {1e3 * typical:.1f} ms (99 %: {1e3 * worst:.1f} ms), one is due every "
        f"{1e3 * model.decision.step:.0f} ms: {typical / model.decision.step:.1%} of one core"
    )
    if worst > BUSY * model.decision.step:
        return Finding("note", what, "end other programs, or take a smaller model, such as -m commands-tiny")
    return Finding("ok", what)


def _rate(microphone: Microphone, device: Device) -> Finding:
    if microphone.device_rate == microphone.sample_rate:
        return Finding("ok", f"{device.name} opens at {microphone.sample_rate} Hz")
    return Finding(
        "ok", f"{device.name} opens at {microphone.device_rate:g} Hz; sayso resamples it to {microphone.sample_rate} Hz"
    )


def _sound(microphone: Microphone, surroundings: Surroundings) -> Iterator[Finding]:
    """Listen for a moment."""
    level, loudest, clipped, heard = Level(), -np.inf, False, 0.0
    started = time.monotonic()
    # A device that gives nothing would be waited for without end.
    limit = threading.Timer(LONGEST, microphone.stop)
    limit.start()
    try:
        for chunk in microphone.chunks():
            level.take(chunk, microphone.sample_rate)
            loudest, clipped = max(loudest, level.decibels), clipped or level.clipped
            heard += len(chunk) / microphone.sample_rate
            if heard >= SECONDS:
                break
    finally:
        limit.cancel()
    took = time.monotonic() - started
    if heard < SECONDS:
        yield Finding(
            "problem",
            f"no sound came from it within {LONGEST:g} s",
            "connect it anew, or restart the system's sound server",
        )
        return
    yield Finding("ok", f"{heard:.1f} s of sound came in {took:.1f} s, {microphone.health.overflows} overflows")
    if level.silent >= heard:
        yield Finding("problem", "the sound is nothing but zeros", surroundings.zeros())
    elif clipped:
        yield Finding("note", f"it clips: the loudest moment has {loudest:.0f} dB", "turn its level down")
    elif loudest < QUIET:
        yield Finding(
            "note",
            f"it is very quiet: the loudest moment has {loudest:.0f} dB",
            "turn its level up and speak while sayso looks",
        )
    else:
        yield Finding("ok", f"its loudest moment has {loudest:.0f} dB")
