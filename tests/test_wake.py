"""Wake word, then command: what counts depends on the sound alone, and a word that no label is can be the wake word."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

import sounds
from cases import case
from command_line import Result, one_line_error
from sayso.errors import ModelError, SettingsError
from sayso.live.listening import Listening
from sayso.model.model_file import Model
from sayso.recognition.decision import Detection
from sayso.recognition.recognizer import Recognizer
from sayso.recognition.wake import WakeGate, waiting_for


def passed(gate: WakeGate, *said: tuple[str, float]) -> list[tuple[str, float | None]]:
    """Return which of some words count, with the seconds since the wake word."""
    found = (gate.update(Detection(word, 0.9, end - 1, end)) for word, end in said)
    return [(detection.label, detection.since_wake) for detection in found if detection]


def test_words_count_only_within_some_seconds_after_the_wake_word() -> None:
    for what, said, expected in (
        ("without it", [("left", 1.0), ("yes", 9.0)], []),
        ("after it", [("computer", 2.0), ("left", 3.5)], [("computer", 0), ("left", 1.5)]),
        ("before it", [("left", 1.5), ("computer", 2.0)], [("computer", 0)]),
        ("at the last moment", [("computer", 2.0), ("left", 7.0)], [("computer", 0), ("left", 5.0)]),
        ("too late", [("computer", 2.0), ("left", 7.1)], [("computer", 0)]),
        (
            "a command does not renew the time",
            [("computer", 2.0), ("left", 6.0), ("yes", 7.1)],
            [("computer", 0), ("left", 4.0)],
        ),
        (
            "the wake word does",
            [("computer", 2.0), ("computer", 6.0), ("yes", 10.0)],
            [("computer", 0), ("computer", 0), ("yes", 4.0)],
        ),
    ):
        with case(what):
            assert passed(WakeGate("computer"), *said) == expected


def test_the_remaining_time_falls_with_the_sound() -> None:
    gate = WakeGate("computer", 4)
    assert gate.remaining(100.0) == 0
    assert gate.update(None) is None
    gate.update(Detection("computer", 0.9, 1.0, 2.0))
    assert [gate.remaining(now) for now in (2.0, 3.5, 6.0, 7.0)] == [4.0, 2.5, 0.0, 0.0]
    for seconds in (0.0, -1.0, float("nan"), float("inf"), 3_601.0):
        with case(seconds), pytest.raises(SettingsError, match="expected above 0 and at most 3600"):
            WakeGate("computer", seconds)


def test_a_label_or_a_word_within_unknown_speech_wakes(tiny_recognizer: Recognizer, knowing_zero: Model) -> None:
    samples, _ = sounds.stream(["no", "zero", "no", "up", "yes"])
    for name, recognizer, wake, seconds, expected in (
        ("a label", tiny_recognizer, "Up", 5.0, ["up", "yes"]),
        ("within unknown speech", Recognizer(knowing_zero), "zero", 2.0, ["zero", "no"]),
    ):
        with case(name):
            waiting, gate = waiting_for(wake, recognizer, seconds)
            assert (waiting is recognizer) == (wake == "Up")
            listening = Listening(waiting, np.array_split(samples, 50), wake=gate)
            found, awake = [], []
            for window in listening.scores():
                found += [window.detection] if window.detection else []
                awake.append(listening.awake)
            assert [detection.label for detection in found] == expected
            assert found[0].since_wake == 0
            assert found[1].since_wake == pytest.approx(1.5, abs=0.3)
            # Asleep until the wake word, and then for a time that falls.
            woken = awake.index(max(awake))
            assert not any(awake[:woken])
            assert max(awake) == pytest.approx(seconds, abs=0.11)
            assert np.all(np.diff(awake[woken:]) <= 0)
    with pytest.raises(ModelError, match="does not know the word 'alexa'; it knows yes, no, up; `sayso teach` adds"):
        waiting_for("alexa", tiny_recognizer)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file in which a command is said before, after and long after the word "zero"."""
    path = tmp_path_factory.mktemp("sound") / "sound.wav"
    soundfile.write(path, sounds.stream(["no", "zero", "yes", "no", "up"])[0], sounds.RATE)
    return path


def test_listen_waits_for_the_wake_word(
    sayso: Callable[..., Result], knowing_zero_path: Path, sound: Path, tmp_path: Path
) -> None:
    kept = tmp_path / "kept.wav"
    options = ("-m", knowing_zero_path, "--input", sound, "--wake", "zero", "--for", "3.2")
    result = sayso("listen", *options, "--format", "jsonl", "--record", kept)
    rows = [json.loads(line) for line in result.out.splitlines()]
    assert [(row["event"], row["label"]) for row in rows] == [("wake", "zero"), ("command", "yes"), ("command", "no")]
    assert "since_wake" not in rows[0]
    assert [row["since_wake"] for row in rows[1:]] == [pytest.approx(row["end"] - rows[0]["end"]) for row in rows[1:]]
    for row in rows:
        del row["time"]
    assert [json.loads(line) for line in kept.with_name("kept.wav.jsonl").read_text().splitlines()] == rows

    said = tmp_path / "said"
    for number, word in enumerate(("zero", "yes", "up")):
        said.with_name(f"said{number}.sh").write_text(f"echo {word} >> '{said}'\n")
    actions = [
        part
        for number, word in enumerate(("zero", "yes", "up"))
        for part in ("--exec", f"{word}=sh {said.with_name(f'said{number}.sh')}")
    ]
    text = sayso("listen", *options, *actions).out.splitlines()
    assert [line.split()[2] for line in text] == ["zero", "yes", "no"]
    assert text[0].endswith("awake for 3.2 s")
    # "up" was said, but too late.
    assert sorted(said.read_text().split()) == ["yes", "zero"]


def test_impossible_wake_words_are_refused_in_one_line(
    sayso: Callable[..., Result], knowing_zero_path: Path, sound: Path
) -> None:
    for arguments, status, message in (
        (
            ["--wake", "zebra"],
            1,
            "does not know the word 'zebra'; did you mean zero?; it knows yes, no, up and, within",
        ),
        (["--wake", "_unknown_"], 1, "does not know the word '_unknown_'"),
        (["--wake", ""], 1, "does not know the word ''"),
        (["--for", "3"], 2, "--for says how long words count after a wake word; give --wake, too"),
        (["--wake", "zero", "--for", "0"], 2, "0 is not in the range"),
        (["--wake", "zero", "--for", "nan"], 1, "are to count for nan seconds"),
        (["--exec", "zero=true"], 1, "is for no word of the model"),
    ):
        with case(arguments):
            result = sayso("listen", "-m", knowing_zero_path, "--input", sound, *arguments)
            assert result.status == status
            assert message in (one_line_error(result) if status == 1 else result.err)
            assert "Traceback" not in result.err
    assert "zero" in sayso("info", "-m", knowing_zero_path).out
