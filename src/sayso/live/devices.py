"""Sound devices: the inputs that PortAudio finds, and playback on the default output."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from sayso.errors import MicrophoneError
from sayso.live.portaudio import LOCK, portaudio, search_devices, silenced_stderr
from sayso.sound.stream import Samples

# What systems add to a name to number the device; it changes when the device is connected again or to another port.
# ALSA: "USB Audio: - (hw:1,0)". Windows: "Microphone (2- USB Audio)".
_NUMBERS = re.compile(r"\s*\((?:plug)?hw:[^()]*\)|(?<=\()\d+- ?", re.IGNORECASE)


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


def unnumbered(name: str) -> str:
    """Return a device's name in lower case without the number of the card, which is what identifies it over time."""
    return _NUMBERS.sub("", name).strip().lower()


def devices(refresh: bool = False) -> list[Device]:
    """List the input devices.

    Parameters
    ----------
    refresh : bool
        Whether to search for devices that were connected or removed since the last search. While a stream of this
        process is open, whoever opened it, the list of the last search is returned instead.

    Raises
    ------
    MicrophoneError
        If PortAudio is not installed or fails.
    """
    library = portaudio()
    try:
        with LOCK:
            if refresh:
                search_devices()
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
        Index, or part of the name in upper or lower case; None is the default device. The number of the card in a name,
        as in "(hw:1,0)", distinguishes devices of the same name, but need not be right.
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
    text = str(wanted).strip()
    if text.isdecimal():
        matching = [device for device in available if str(device.index) == (text.lstrip("0") or "0")]
    else:
        matching = _named(text, available)
    if not matching:
        raise MicrophoneError(f"no input device {text!r}; give one of: {names}")
    if len({device.name for device in matching}) > 1:
        found = ", ".join(f"{device.index} {device.name}" for device in matching)
        raise MicrophoneError(f"{text!r} is part of several names: {found}; give more of the name, or the number")
    # Windows lists a device once for each audio system; the default one is the one that users know.
    return next((device for device in matching if device.default), matching[0])


def _named(text: str, available: list[Device]) -> list[Device]:
    """Return the devices with that name, or else those with that text in their name, or else but for the numbers."""
    bare = unnumbered(text)
    rules: tuple[Callable[[Device], bool], ...] = (
        lambda device: device.name == text,
        lambda device: text.lower() in device.name.lower(),
        lambda device: bare == unnumbered(device.name),
        lambda device: bool(bare) and bare in unnumbered(device.name),
    )
    return next(filter(None, ([device for device in available if rule(device)] for rule in rules)), [])


def find_again(wanted: str | int | None, lost: Device, available: list[Device]) -> Device:
    """Find a device that was lost, whatever its index and the number of its card are now.

    Parameters
    ----------
    wanted : str, int or None
        What the user asked for. Another device that it names takes the place of the lost one; an index does not name
        any, as it may belong to another device by now.
    lost : Device
        The device as it was.
    available : list of Device
        The devices to choose from.

    Raises
    ------
    MicrophoneError
        If it is not there.
    """
    if wanted is None:
        return find(None, available)
    same = [device for device in available if unnumbered(device.name) == unnumbered(lost.name)]
    if same:
        # Of several that are alike, the one in the same place.
        return next((device for device in same if device.name == lost.name), same[0])
    return find(lost.name if str(wanted).strip().isdecimal() else wanted, available)


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
            library.play(samples, sample_rate)
            library.wait()
    except (library.PortAudioError, ValueError) as error:
        raise MicrophoneError(f"the sound cannot be played ({error}); connect a loudspeaker") from error
