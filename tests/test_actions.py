"""Actions: real processes that are started at a word, not waited for, and run by a shell only if asked."""

import sys
import time
from pathlib import Path

import pytest

from cases import case
from sayso.errors import SettingsError
from sayso.live.actions import Actions, parse
from sayso.recognition.decision import Detection
from virtual_microphone import wait_until

LEFT = Detection("left", 0.875, 1.25, 2.25)
WRITE = "import os, sys; open(sys.argv[1], 'w').write(' '.join(os.environ[key] for key in sys.argv[2:]))"


def test_a_command_finds_the_detection_in_its_environment(tmp_path: Path) -> None:
    note = tmp_path / "a note"
    keys = "SAYSO_WORD SAYSO_CONFIDENCE SAYSO_START SAYSO_END"
    messages: list[str] = []
    actions = Actions({"left": [f'{sys.executable} -c "{WRITE}" "{note}" {keys}']}, notify=messages.append)
    actions.start(Detection("right", 0.9, 0, 1))
    actions.start(LEFT)
    wait_until(lambda: note.exists() and note.read_text(), "the action")
    assert note.read_text() == "left 0.8750 1.250 2.250"
    assert not messages


def test_commands_are_not_waited_for() -> None:
    actions = Actions({"left": [f'{sys.executable} -c "import time; time.sleep(60)"']})
    before = time.monotonic()
    actions.start(LEFT)
    actions.start(LEFT)
    assert time.monotonic() - before < 10
    running = [process for _, process in actions._running]
    assert [process.poll() for process in running] == [None, None]
    for process in running:
        process.kill()
        process.wait()


def test_a_shell_reads_the_command_only_if_asked(tmp_path: Path) -> None:
    for shell in (False, True):
        note = tmp_path / f"note{shell}"
        actions = Actions({"left": [f"echo $SAYSO_WORD > {note}"]}, shell)
        actions.start(LEFT)
        for _, process in actions._running:
            process.wait()
        assert note.exists() == shell
    assert note.read_text() == "left\n"


def test_a_command_that_fails_or_does_not_exist_is_reported_once() -> None:
    messages: list[str] = []
    actions = Actions(
        {"left": ["no-such-program --now", f'{sys.executable} -c "raise SystemExit(3)"']}, notify=messages.append
    )
    actions.start(LEFT)
    assert messages == [
        "'no-such-program --now' cannot be started: No such file or directory; give a command that exists"
    ]
    for _, process in actions._running:
        process.wait()
    actions.check_running()
    actions.check_running()
    assert len(messages) == 2
    assert messages[1].endswith("ended with status 3")


def test_actions_are_parsed_in_order() -> None:
    assert parse(["left=a b", "right=c=d", "left=e"], ["left", "right"]) == {"left": ["a b", "e"], "right": ["c=d"]}


def test_malformed_actions_and_unknown_words_are_refused() -> None:
    for text, message in (
        ("left", "'left' is not WORD=COMMAND, as in"),
        ("left= ", "is not WORD=COMMAND"),
        ("lift=x", "'lift=x' is for no word of the model: left, right"),
    ):
        with case(text), pytest.raises(SettingsError, match=message):
            parse([text], ["left", "right"])


def test_quotes_that_do_not_match_are_refused() -> None:
    with pytest.raises(SettingsError, match="cannot be parsed: No closing quotation; mend its quotes"):
        Actions({"left": ["echo 'a"]})
