"""Names of devices: which one the user means, and which is the one that was lost."""

import pytest

from cases import case
from sayso.errors import MicrophoneError
from sayso.live.devices import Device, find, find_again

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


def cards(*names: str) -> list[Device]:
    return [Device(index, name, "ALSA", 1, 48_000, False) for index, name in enumerate(names)]


def test_the_number_of_a_card_need_not_be_right_but_distinguishes_devices_of_one_name() -> None:
    one = cards("PCH: ALC256 (hw:0,0)", "USB PnP: Audio (hw:2,0)")
    two = cards("USB PnP: Audio (hw:2,0)", "USB PnP: Audio (hw:3,0)")
    windows = cards("Microphone (3- USB Audio)", "Line (Realtek)")
    for wanted, available, index in (
        ("USB PnP: Audio (hw:1,0)", one, 1), ("usb pnp: audio (HW:1,0)", one, 1), ("usb", one, 1), ("hw:2,0", one, 1),
        ("USB PnP: Audio (hw:3,0)", two, 1), ("hw:2,0", two, 0),
        ("Microphone (2- USB Audio)", windows, 0), ("Microphone (USB Audio)", windows, 0), ("00", one, 0),
    ):  # fmt: skip
        with case(wanted):
            assert find(wanted, available).index == index
    for wanted, available in (("USB PnP: Audio (hw:1,0)", two), ("(hw:7,0)", one), ("9" * 5_000, one), ("", two)):
        with case(wanted[:30]), pytest.raises(MicrophoneError, match=r"part of several names|no input device"):
            find(wanted, available)


def test_a_lost_device_is_found_again_by_its_name_or_by_what_the_user_asked_for() -> None:
    lost = Device(3, "USB PnP: Audio (hw:2,0)", "ALSA", 1, 48_000, False)
    for wanted, available, index in (
        ("usb", cards("PCH (hw:0,0)", "USB PnP: Audio (hw:1,0)"), 1),
        (3, cards("PCH (hw:0,0)", "USB PnP: Audio (hw:1,0)", "A", "B"), 1),
        ("3", cards("PCH (hw:0,0)", "USB PnP: Audio (hw:1,0)", "A", "B"), 1),
        ("hw:2,0", cards("Webcam (hw:2,0)", "USB PnP: Audio (hw:1,0)"), 1),
        ("usb", cards("USB PnP: Audio (hw:1,0)", "USB PnP: Audio (hw:2,0)"), 1),
        ("usb", cards("PCH (hw:0,0)", "USB Headset (hw:1,0)"), 1),
    ):
        with case(wanted, available[-1].name):
            assert find_again(wanted, lost, available).index == index
    for wanted in (3, "3", "pnp"):
        with case(wanted), pytest.raises(MicrophoneError, match="no input device"):
            find_again(wanted, lost, cards("PCH (hw:0,0)", "Webcam", "A", "B"))
    default = Device(1, "default", "ALSA", 1, 48_000, True)
    assert find_again(None, lost, [*cards("USB PnP: Audio (hw:1,0)"), default]) == default


def test_missing_and_ambiguous_devices_are_refused() -> None:
    for wanted, available, message in (
        ("usb", AVAILABLE, r"'usb' is part of several names: 3 USB Desk, 4 USB Headset, 7 .*; give more of the name"),
        ("9", AVAILABLE, r"no input device '9'; give one of: 0 HDA Intel, 3 USB Desk"),
        ("webcam", AVAILABLE, "no input device 'webcam'; give one of"),
        (None, [], "no microphone: the system offers no input device; connect one, or run `sayso doctor`"),
    ):
        with case(wanted), pytest.raises(MicrophoneError, match=message):
            find(wanted, available)
