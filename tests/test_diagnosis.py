"""The doctor's advice for machines without a working microphone; its checks of one are in test_microphone.py."""

from cases import case
from sayso.live.diagnosis import Host, speed
from sayso.recognition.recognizer import Recognizer


def test_without_a_device_the_advice_fits_the_machine() -> None:
    for host, advice in (
        (Host("Linux", container=True, ssh=False), "start it with --device /dev/snd"),
        (Host("Linux", container=False, ssh=False), "the group audio"),
        (Host("Linux", container=False, ssh=True), "over SSH, sayso uses the microphone of this machine"),
        (Host("Darwin", container=False, ssh=False), "System Settings > Sound > Input"),
        (Host("Windows", container=False, ssh=False), "Settings > System > Sound > Input"),
    ):
        with case(host):
            assert advice in host.no_device_advice()


def test_with_only_zeros_the_advice_fits_the_system() -> None:
    for system, advice in (
        ("Linux", "alsamixer"),
        ("Darwin", "Privacy & Security > Microphone"),
        ("Windows", "desktop"),
    ):
        with case(system):
            assert advice in Host(system, container=False, ssh=False).zeros_advice()


def test_ssh_is_recognised_by_the_environment() -> None:
    assert Host.current({"SSH_CONNECTION": "1.2.3.4 5 6.7.8.9 22"}).ssh
    assert not Host.current({}).ssh


def test_the_computing_time_of_a_step_is_measured(tiny_recognizer: Recognizer) -> None:
    finding = speed(tiny_recognizer)
    assert finding.message.startswith("a step takes ")
    assert "one is due every 100 ms" in finding.message
