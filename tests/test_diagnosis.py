"""The doctor's advice where there is nothing to examine; what it examines is tested with the microphone."""

import pytest

from sayso.live.diagnosis import Surroundings, speed
from sayso.recognition.recognizer import Recognizer


@pytest.mark.parametrize(
    ("surroundings", "advice"),
    [
        (Surroundings("Linux", container=True, ssh=False), "start it with --device /dev/snd"),
        (Surroundings("Linux", container=False, ssh=False), "the group audio"),
        (Surroundings("Linux", container=False, ssh=True), "over SSH, so it is this machine's microphone"),
        (Surroundings("Darwin", container=False, ssh=False), "System Settings > Sound > Input"),
        (Surroundings("Windows", container=False, ssh=False), "Settings > System > Sound > Input"),
    ],
)
def test_advice_when_there_is_no_device(surroundings: Surroundings, advice: str) -> None:
    assert advice in surroundings.no_device()


@pytest.mark.parametrize(
    ("system", "advice"),
    [("Linux", "alsamixer"), ("Darwin", "Privacy & Security > Microphone"), ("Windows", "desktop")],
)
def test_advice_when_there_are_only_zeros(system: str, advice: str) -> None:
    assert advice in Surroundings(system, container=False, ssh=False).zeros()


def test_ssh_is_seen_in_the_environment() -> None:
    assert Surroundings.here({"SSH_CONNECTION": "1.2.3.4 5 6.7.8.9 22"}).ssh
    assert not Surroundings.here({}).ssh


def test_the_speed_of_the_model_is_measured(tiny_recognizer: Recognizer) -> None:
    finding = speed(tiny_recognizer)
    assert finding.what.startswith("a decision takes ")
    assert "one is due every 100 ms" in finding.what
