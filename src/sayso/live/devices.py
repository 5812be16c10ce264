"""What sound can be recorded from: the microphones that PortAudio finds, and playing a sound back."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sayso.errors import MicrophoneError
from sayso.sound.stream import Samples


@dataclass(frozen=True)
class Device:
    """A microphone, or whatever else sound can be recorded from.

    Attributes
    ----------
    index : int
        Its number; it may change when devices come and go, the name does not.
    name : str
        What it is called.
    api : str
        The system that offers it, such as ALSA, Core Audio, Windows WASAPI.
    channels : int
        Most channels that can be recorded.
    sample_rate : float
        The rate that it prefers, in Hz.
    default : bool
        Whether it is recorded from unless another is asked for.
    """

    index: int
    name: str
    api: str
    channels: int
    sample_rate: float
    default: bool


@contextlib.contextmanager
def without_chatter() -> Iterator[None]:
    """Keep what ALSA and PortAudio print themselves off stderr: they print pages where one line is wanted."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def portaudio() -> Any:
    """Return the module sounddevice.

    Raises
    ------
    MicrophoneError
        If PortAudio is not installed.
    """
    try:
        with without_chatter():
            import sounddevice
    except OSError as error:
        raise MicrophoneError(
            f"PortAudio, which records sound, cannot be used ({error}); on Debian, Ubuntu and Raspberry Pi OS install "
            "it by: sudo apt install libportaudio2"
        ) from error
    return sounddevice


def devices(refresh: bool = False) -> list[Device]:
    """List what sound can be recorded from.

    Parameters
    ----------
    refresh : bool
        Whether to look for devices that came or went since the first look; it ends all open streams.

    Raises
    ------
    MicrophoneError
        If PortAudio is not installed or cannot be asked.
    """
    library = portaudio()
    try:
        if refresh:
            # PortAudio looks for devices only when it starts; sounddevice has no public name for a new start.
            with without_chatter():
                library._terminate()
                library._initialize()
        apis = [api["name"] for api in library.query_hostapis()]
        default = library.default.device[0]
        return [
            Device(
                number,
                entry["name"],
                apis[entry["hostapi"]],
                entry["max_input_channels"],
                entry["default_samplerate"],
                number == default,
            )
            for number, entry in enumerate(library.query_devices())
            if entry["max_input_channels"] > 0
        ]
    except library.PortAudioError as error:
        raise MicrophoneError(f"PortAudio cannot list the devices ({error}); run `sayso doctor`") from error


def find(wanted: str | int | None, present: list[Device]) -> Device:
    """Choose a device by its index or a part of its name; without either, the default one.

    Raises
    ------
    MicrophoneError
        If there is none, or the name fits several of different names.
    """
    if not present:
        raise MicrophoneError("no microphone: the system offers no input device; connect one, or run `sayso doctor`")
    names = ", ".join(f"{device.index} {device.name}" for device in present)
    if wanted is None:
        return next((device for device in present if device.default), present[0])
    text = str(wanted)
    if text.isdecimal():
        fitting = [device for device in present if device.index == int(text)]
    else:
        exact = [device for device in present if device.name == text]
        fitting = exact or [device for device in present if text.lower() in device.name.lower()]
    if not fitting:
        raise MicrophoneError(f"no input device {text!r}; there are: {names}")
    if len({device.name for device in fitting}) > 1:
        found = ", ".join(f"{device.index} {device.name}" for device in fitting)
        raise MicrophoneError(f"{text!r} is part of several names: {found}; give more of the name, or the number")
    # Windows offers a device under several systems; the default one's is what the user knows.
    return next((device for device in fitting if device.default), fitting[0])


def play(samples: Samples, sample_rate: int) -> None:
    """Play sound on the system's default output, and return when it has been heard.

    Raises
    ------
    MicrophoneError
        If there is none.
    """
    library = portaudio()
    try:
        with without_chatter():
            library.play(samples, sample_rate, blocking=True)
    except (library.PortAudioError, ValueError) as error:
        raise MicrophoneError(f"there is nothing to play it on ({error}); connect a loudspeaker") from error
