"""Checks of everything that live recognition needs on a machine, with advice on what to do about problems."""

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
from sayso.live.devices import Device, devices, find
from sayso.live.listening import QUIET, Level, Listening
from sayso.live.microphone import Microphone
from sayso.live.portaudio import portaudio
from sayso.recognition.recognizer import Recognizer

# Seconds of sound that are recorded.
SECONDS = 3.0
# Seconds after which the recording is given up; a sound server may need two for the first block.
TIMEOUT = 8.0
# Mean of the samples beyond which words are lost.
OFFSET = 0.005
# Largest part of the time between two steps that the computation of one may take.
BUSY = 0.5


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Attributes
    ----------
    verdict : {"ok", "note", "problem"}
        With a note, recognition may suffer; with a problem, it does not work.
    message : str
        What was found.
    remedy : str
        What to do about it; empty if there is nothing to do.
    """

    verdict: Literal["ok", "note", "problem"]
    message: str
    remedy: str = ""


@dataclass(frozen=True)
class Host:
    """The properties of the machine that the advice depends on.

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
    def current(cls, environment: Mapping[str, str] = os.environ) -> Host:
        """Return the properties of this machine."""
        container = any(Path(mark).exists() for mark in ("/.dockerenv", "/run/.containerenv"))
        return cls(platform.system(), container, "SSH_CONNECTION" in environment)

    def no_device_advice(self) -> str:
        """Return what to do when the system has no microphone."""
        if self.container:
            return (
                "a container has no sound devices: start it with --device /dev/snd, or pass in the socket of "
                "PulseAudio or PipeWire (-v $XDG_RUNTIME_DIR/pulse:/pulse -e PULSE_SERVER=unix:/pulse/native)"
            )
        advice = {
            "Darwin": "connect a microphone and check System Settings > Sound > Input",
            "Windows": "connect a microphone and check Settings > System > Sound > Input",
        }.get(
            self.system,
            "connect a microphone; `arecord -l` lists those that the kernel knows; with PulseAudio or PipeWire install "
            "libasound2-plugins; without them you must be in the group audio (sudo usermod -aG audio $USER)",
        )
        if self.ssh:
            advice += "; over SSH, sayso uses the microphone of this machine, not that of your own computer"
        return advice

    def zeros_advice(self) -> str:
        """Return what to do when the microphone gives nothing but zeros."""
        return {
            "Darwin": "allow the terminal to use it: System Settings > Privacy & Security > Microphone; then open a "
            "new terminal",
            "Windows": "allow it: Settings > Privacy & security > Microphone > Let desktop apps access",
        }.get(
            self.system,
            "it is muted, or another source is the default: check pavucontrol (Input Devices), or press F4 in "
            "alsamixer; choose another device with --device",
        )


def diagnose(recognizer: Recognizer, device: str | None, host: Host) -> Iterator[Finding]:
    """Check everything that live recognition needs, up to the first problem that prevents further checks.

    Parameters
    ----------
    recognizer : Recognizer
        The recogniser whose speed is measured.
    device : str or None
        Index of the microphone or part of its name; None is the system's default.
    host : Host
        What the advice depends on.

    Yields
    ------
    Finding
        The result of each check, as soon as it is known.
    """
    yield speed(recognizer)
    try:
        yield Finding("ok", portaudio().get_portaudio_version()[1])
        available = devices()
    except MicrophoneError as error:
        yield Finding("problem", str(error))
        return
    if not available:
        yield Finding("problem", "no input device", host.no_device_advice())
        return
    yield Finding("ok", f"{len(available)} input devices: {', '.join(entry.name for entry in available)}")
    try:
        chosen = find(device, available)
        with Microphone(chosen.index, recognizer.model.features.sample_rate) as microphone:
            yield _rate(microphone, chosen)
            yield from _sound(microphone, host)
    except MicrophoneError as error:
        yield Finding(
            "problem",
            str(error).removesuffix("; run `sayso doctor`"),
            "another program may be using it exclusively: close that, or choose another device with --device",
        )


def speed(recognizer: Recognizer) -> Finding:
    """Measure the computing time of a step on this machine."""
    model = recognizer.model
    noise = np.random.default_rng(0).normal(0, 0.01, 6 * model.features.sample_rate).astype(np.float32)
    # The first steps are slower, until memory and caches have settled.
    listening = Listening(recognizer, np.array_split(noise, 120))
    for _ in listening.scores():
        pass
    typical, worst = listening.pace.quantile(0.5), listening.pace.quantile(0.99)
    message = (
        f"a step takes {1e3 * typical:.1f} ms (99 %: {1e3 * worst:.1f} ms), one is due every "
        f"{1e3 * model.decision.step:.0f} ms: {typical / model.decision.step:.1%} of one core"
    )
    if worst > BUSY * model.decision.step:
        return Finding("note", message, "close other programs, or use a smaller model, such as -m commands-tiny")
    return Finding("ok", message)


def _rate(microphone: Microphone, device: Device) -> Finding:
    if microphone.device_rate == microphone.sample_rate:
        return Finding("ok", f"{device.name} opens at {microphone.sample_rate} Hz")
    return Finding(
        "ok", f"{device.name} opens at {microphone.device_rate:g} Hz; sayso resamples it to {microphone.sample_rate} Hz"
    )


def _sound(microphone: Microphone, host: Host) -> Iterator[Finding]:
    """Record for a few seconds and check the level."""
    level, loudest, clipped, seconds = Level(), -np.inf, False, 0.0
    offsets = []
    started = time.monotonic()
    # Without a limit, a device that delivers nothing would block for ever.
    limit = threading.Timer(TIMEOUT, microphone.stop)
    limit.start()
    try:
        for chunk in microphone.chunks():
            level.update(chunk, microphone.sample_rate)
            offsets.append(level.offset)
            loudest, clipped = max(loudest, level.decibels), clipped or level.clipped
            seconds += len(chunk) / microphone.sample_rate
            if seconds >= SECONDS:
                break
    finally:
        limit.cancel()
    took = time.monotonic() - started
    if seconds < SECONDS:
        yield Finding(
            "problem",
            f"no sound came from it within {TIMEOUT:g} s",
            "disconnect and reconnect it, or restart the system's sound server",
        )
        return
    yield Finding("ok", f"{seconds:.1f} s of sound came in {took:.1f} s, {microphone.health.overflows} overflows")
    if abs(offset := float(np.median(offsets))) > OFFSET:
        yield Finding(
            "note",
            f"it has a constant offset of {offset:.3f} of full scale, which costs some words",
            "switch on the high-pass of the converter or its driver, or use a model whose features have a high_pass",
        )
    if level.silent >= seconds:
        yield Finding("problem", "the sound is nothing but zeros", host.zeros_advice())
    elif clipped:
        yield Finding("note", f"it clips: the loudest block has {loudest:.0f} dB", "turn its level down")
    elif loudest < QUIET:
        yield Finding(
            "note",
            f"it is very quiet: the loudest block has {loudest:.0f} dB",
            "speak during the check; if you did, turn its level up, or give `sayso listen` --gain 20",
        )
    else:
        yield Finding("ok", f"its loudest block has {loudest:.0f} dB")
