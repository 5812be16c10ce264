"""Actions: real processes that are started at a word, looked after until they end, and run by a shell only if asked."""

import os
import shlex
import sys
import time
from pathlib import Path

import pytest

from cases import case
from sayso.errors import SettingsError
from sayso.live import actions as live_actions
from sayso.live.actions import Actions, needs_shell, parse
from sayso.recognition.decision import Detection
from virtual_microphone import wait_until

LEFT = Detection("left", 0.875, 1.25, 2.25)
WRITE = "import os, sys; open(sys.argv[1], 'w').write(' '.join(os.environ[key] for key in sys.argv[2:]))"
posix_only = pytest.mark.skipif(os.name != "posix", reason="groups of processes")


def python(code: str, *arguments: object) -> str:
    """Return a command that runs Python code."""
    return shlex.join([sys.executable, "-c", code, *map(str, arguments)])


def alive(pid: int) -> bool:
    """Return whether a process runs; one that is dead but not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_a_command_finds_the_detection_in_its_environment(tmp_path: Path) -> None:
    note = tmp_path / "a note"
    keys = ["SAYSO_WORD", "SAYSO_CONFIDENCE", "SAYSO_START", "SAYSO_END"]
    messages: list[str] = []
    with Actions({"left": [python(WRITE, note, *keys)]}, notify=messages.append) as actions:
        actions.start(Detection("right", 0.9, 0, 1))
        actions.start(LEFT)
        wait_until(lambda: note.exists() and note.read_text(), "the action")
    assert note.read_text() == "left 0.8750 1.250 2.250"
    assert not messages


@posix_only
def test_commands_are_not_waited_for_and_end_with_the_program_and_all_that_they_started(tmp_path: Path) -> None:
    # Each starts another process, and none ends when it is asked to.
    child = (
        "import signal, sys, time; signal.signal(15, signal.SIG_IGN); open(sys.argv[1], 'w').close(); time.sleep(60)"
    )
    parent = "import os, subprocess, sys; [subprocess.Popen([sys.executable, *sys.argv[1:]]).wait()]"
    ready = tmp_path / "ready"
    before = time.monotonic()
    messages: list[str] = []
    with Actions({"left": [python(parent, "-c", child, ready)]}, notify=messages.append) as actions:
        actions.start(LEFT)
        actions.start(LEFT)
        assert time.monotonic() - before < 10
        wait_until(ready.exists, "the start")
        assert actions.running == 2
        pids = [process.pid for process in actions._running]
    children = [int(entry.name) for entry in Path("/proc").glob("[0-9]*") if _group(entry) in pids]
    # What is killed needs a moment to be gone.
    wait_until(lambda: not any(map(alive, children)), "the end of all processes")
    assert not messages


def _group(entry: Path) -> int:
    try:
        return int((entry / "stat").read_text().rsplit(")", 1)[1].split()[2])
    except OSError:
        return 0


def test_a_shell_reads_the_command_only_if_asked(tmp_path: Path) -> None:
    for shell in (False, True):
        note, printed, messages = tmp_path / f"note{shell}", list[str](), list[str]()
        with Actions({"left": [f"echo $SAYSO_WORD > {note}"]}, shell, messages.append, printed.append) as actions:
            actions.start(LEFT)
            wait_until(lambda actions=actions: not actions.running, "the end of the command")
        assert note.exists() == shell
        assert printed == ([] if shell else [f"$SAYSO_WORD > {note}"])
        assert len(messages) == (0 if shell else 1)
    assert note.read_text() == "left\n"


def test_what_only_a_shell_would_read_is_named() -> None:
    for command, part in (
        ("echo $SAYSO_WORD", "$SAYSO_WORD"), ('notify "heard ${SAYSO_WORD}"', "${SAYSO_WORD}"),
        ("echo $(date)", "$(date)"), ("echo `date`", "`date`"), ("cat a | wc", "|"), ("make && make install", "&&"),
        ("echo a >> log", ">>"), ("echo a 2>errors", "2>"), ("one; two", ";"), ("play a.wav &", "&"),
        ("~/light.sh on", "~"), ("rm *.wav", "*"),
        ("echo '$SAYSO_WORD'", ""), ("echo \\$5", ""), ("sh -c 'echo $SAYSO_WORD'", ""),
        ("/bin/bash -c \"echo $X\"", ""),
        ("curl http://lamp/?on=1&dim=2", ""), ("echo 'a | b' \"c > d\"", ""), ("xdotool key Left", ""), ("", ""),
    ):  # fmt: skip
        with case(command):
            assert needs_shell(command) == part


def test_a_command_that_fails_or_does_not_exist_is_reported_when_it_does() -> None:
    messages: list[str] = []
    commands = ["no-such-program --now", python("raise SystemExit(3)"), python("import os; os.kill(os.getpid(), 9)")]
    with Actions({"left": commands}, notify=messages.append) as actions:
        actions.start(LEFT)
        assert messages[0] == (
            "'no-such-program --now' cannot be started: No such file or directory; give a command that exists"
        )
        # Nothing else is said to it in the meantime.
        wait_until(lambda: len(messages) == 3, "the reports")
    for end in ("ended with status 3", "was ended by signal 9"):
        with case(end):
            assert [message.endswith(end) for message in messages].count(True) == 1


def test_output_is_passed_on_line_by_line_while_the_command_runs(tmp_path: Path) -> None:
    go_on = tmp_path / "go on"
    code = (
        "import os, sys, time; print('one', flush=True); print('two', file=sys.stderr, flush=True)\n"
        "while not os.path.exists(sys.argv[1]): time.sleep(0.01)\n"
        "sys.stdout.buffer.write(b'\\xff three')"
    )
    printed: list[str] = []
    with Actions({"left": [python(code, go_on)]}, show=printed.append) as actions:
        actions.start(LEFT)
        wait_until(lambda: printed == ["one", "two"], "the first lines")
        go_on.touch()
        wait_until(lambda: printed == ["one", "two", "\ufffd three"], "the last line")


@posix_only
def test_a_command_that_hangs_is_ended_in_time_and_one_in_the_background_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    messages: list[str] = []
    with Actions({"left": [python("import time; time.sleep(60)")]}, notify=messages.append, timeout=0.2) as actions:
        actions.start(LEFT)
        wait_until(lambda: messages and not actions.running, "the end of the command")
    assert messages[0].endswith("was ended, as it still ran after 0.2 s; see --exec-timeout")
    pid = tmp_path / "pid"
    # The one in the background keeps the output of the command open.
    monkeypatch.setattr(live_actions, "GRACE", 0.2)
    with Actions({"left": [f"sleep 60 & echo $! > {pid}"]}, shell=True) as actions:
        actions.start(LEFT)
        wait_until(lambda: pid.exists() and pid.read_text(), "the start")
        wait_until(lambda: not actions.running, "the end of the shell")
    assert alive(int(pid.read_text()))
    os.kill(int(pid.read_text()), 9)


def test_actions_are_parsed_in_order() -> None:
    assert parse(["left=a b", "right=c=d", "left=e"], ["left", "right"]) == {"left": ["a b", "e"], "right": ["c=d"]}


def test_malformed_actions_and_unknown_words_are_refused() -> None:
    for text, message in (
        ("left", "'left' is not WORD=COMMAND, as in"),
        ("left= ", "is not WORD=COMMAND"),
        ("lift=x", "'lift=x' is for no word of the model: left, right"),
        ("_unknown_=x", "for no word of the model"),
    ):
        with case(text), pytest.raises(SettingsError, match=message):
            parse([text], ["left", "right", "_unknown_", "_silence_"])


def test_commands_that_no_system_can_start_are_refused_or_reported() -> None:
    with pytest.raises(SettingsError, match="cannot be parsed: No closing quotation; mend its quotes"):
        Actions({"left": ["echo 'a"]})
    messages: list[str] = []
    with Actions({"left": ["echo \0", "''"]}, notify=messages.append) as actions:
        actions.start(LEFT)
    assert ["cannot be started: " in message for message in messages] == [True, True]
