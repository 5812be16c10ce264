"""Sound devices: the inputs that PortAudio finds, and playback on the default output."""

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
    """A microphone or other input device.

    Attributes
    ----------
    index : int
        Its number; unlike the name, it may change when devices are connected or removed.
    name : str
        Its name.
    api : str
        The audio system that provides it, such as ALSA, Core Audio or Windows WASAPI.
    channels : int
        Maximum number of input channels.
    sample_rate : float
        Its default rate in Hz.
    default : bool
        Whether it is the system's default input.
    """

    index: int
    name: str
    api: str
    channels: int
    sample_rate: float
    default: bool


@contextlib.contextmanager
def silenced_stderr() -> Iterator[None]:
    """Suppress stderr of native code: ALSA and PortAudio print many lines where one message is enough."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with Path(os.devnull).open("wb") as null:
            os.dup2(null.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def portaudio() -> Any:
    """Import and return the module sounddevice.

    Raises
    ------
    MicrophoneError
        If PortAudio is not installed.
    """
    try:
        with silenced_stderr():
            import sounddevice
    except OSError as error:
        raise MicrophoneError(
            f"PortAudio, which records sound, cannot be used ({error}); on Debian, Ubuntu and Raspberry Pi OS install "
            "it with: sudo apt install libportaudio2"
        ) from error
    return sounddevice


def devices(refresh: bool = False) -> list[Device]:
    """List the input devices.

    Parameters
    ----------
    refresh : bool
        Whether to search for devices that were connected or removed since the first call; it closes all open streams.

    Raises
    ------
    MicrophoneError
        If PortAudio is not installed or fails.
    """
    library = portaudio()
    try:
        if refresh:
            # PortAudio searches for devices only when it is initialised; sounddevice has no public function for that.
            with silenced_stderr():
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


def find(wanted: str | int | None, available: list[Device]) -> Device:
    """Find a device by its index or a part of its name.

    Parameters
    ----------
    wanted : str, int or None
        Index, or part of the name in upper or lower case; None is the default device.
    available : list of Device
        The devices to choose from.

    Raises
    ------
    MicrophoneError
        If there is no such device, or the text is part of several different names.
    """
    if not available:
        raise MicrophoneError("no microphone: the system offers no input device; connect one, or run `sayso doctor`")
    names = ", ".join(f"{device.index} {device.name}" for device in available)
    if wanted is None:
        return next((device for device in available if device.default), available[0])
    text = str(wanted)
    if text.isdecimal():
        matching = [device for device in available if device.index == int(text)]
    else:
        exact = [device for device in available if device.name == text]
        matching = exact or [device for device in available if text.lower() in device.name.lower()]
    if not matching:
        raise MicrophoneError(f"no input device {text!r}; give one of: {names}")
    if len({device.name for device in matching}) > 1:
        found = ", ".join(f"{device.index} {device.name}" for device in matching)
        raise MicrophoneError(f"{text!r} is part of several names: {found}; give more of the name, or the number")
    # Windows lists a device once for each audio system; the default one is the one that users know.
    return next((device for device in matching if device.default), matching[0])


def play(samples: Samples, sample_rate: int) -> None:
    """Play sound on the system's default output, and return when it has ended.

    Raises
    ------
    MicrophoneError
        If there is no output device, or it fails.
    """
    library = portaudio()
    try:
        with silenced_stderr():
            library.play(samples, sample_rate, blocking=True)
    except (library.PortAudioError, ValueError) as error:
        raise MicrophoneError(f"the sound cannot be played ({error}); connect a loudspeaker") from error
