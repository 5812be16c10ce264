"""Actions: the user's commands, started when a word is detected, and looked after until they end."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import PurePath
from types import TracebackType
from typing import Self

from sayso.config import SILENCE, UNKNOWN
from sayso.errors import SettingsError
from sayso.recognition.decision import Detection
from sayso.system.suggestions import did_you_mean

# Seconds after which a command that is still running is ended: it hangs, or was not meant to be started by a word.
TIMEOUT = 60.0
# Seconds that a command has to end when it is asked to.
GRACE = 2.0
# Characters of a line of a command's output that are shown.
LONGEST_LINE = 1_000
# What only a shell interprets: variables also in double quotes, the rest only outside quotes.
_QUOTED = re.compile(r"""'[^']*'|"(?P<double>(?:\\.|[^"\\])*)"|\\.""", re.DOTALL)
_VARIABLE = re.compile(r"\$(?:\w+|\{[^}]*\}|\([^)]*\))|`[^`]*`|%SAYSO_\w+%")
_OPERATOR = re.compile(r"(?<!\S)(?:\|\|?|&&?|;|\d?>>?|<|~(?=/|\s|$))|;(?=\s|$)|&$|\*")
_SHELLS = {"sh", "bash", "dash", "zsh", "ksh", "fish", "cmd", "powershell", "pwsh"}


def parse(texts: Sequence[str], labels: Sequence[str]) -> dict[str, list[str]]:
    """Parse actions in the form of the command line, `WORD=COMMAND`.

    Parameters
    ----------
    texts : sequence of str
        The actions.
    labels : sequence of str
        The labels of the model; silence and unknown are never detected.

    Returns
    -------
    actions : dict of str to list of str
        The commands of each word, in the given order.

    Raises
    ------
    SettingsError
        If an action has another form, or names a word that the model does not know.
    """
    words = [label for label in labels if label not in (SILENCE, UNKNOWN)]
    actions: dict[str, list[str]] = {}
    for text in texts:
        word, equals, command = text.partition("=")
        if not equals or not command.strip():
            raise SettingsError(f"the action {text!r} is not WORD=COMMAND, as in 'left=xdotool key Left'")
        if word not in words:
            raise SettingsError(
                f"the action {text!r} is for no word of the model: {', '.join(words)}{did_you_mean(word, words)}"
            )
        actions.setdefault(word, []).append(command)
    return actions


def needs_shell(command: str) -> str:
    """Return the first part of a command that only a shell would interpret, such as a variable; empty if none."""
    words = command.split(maxsplit=1)
    if words and PurePath(words[0]).stem.lower() in _SHELLS:
        return ""
    bare = _QUOTED.sub(lambda quoted: quoted["double"] or "", command)
    unquoted = _QUOTED.sub("", command)
    found = _VARIABLE.search(bare) or _OPERATOR.search(unquoted)
    return found[0] if found else ""


class Actions:
    """Starts commands and looks after them, as a context manager.

    A command gets the word, its confidence and its time in its environment: SAYSO_WORD, SAYSO_CONFIDENCE (0 to 1),
    SAYSO_START and SAYSO_END (seconds from the beginning of the session). One that fails is reported when it ends; one
    that runs too long is ended together with the processes that it started, and so are all when the program ends. What
    a command leaves running in the background when it ends is left alone.

    Parameters
    ----------
    commands : mapping of str to sequence of str
        The commands of each word.
    shell : bool
        Whether the commands are run by a shell. Otherwise they are only split into arguments as a shell would do, and
        variables, pipes and the like are not interpreted.
    notify : callable
        Called with a message when a command cannot be started, fails or is ended, also in other threads.
    show : callable
        Called with each line that a command prints, in other threads.
    timeout : float
        Seconds that a command may run; 0 is any time.

    Raises
    ------
    SettingsError
        If a command cannot be split because its quotes do not match.
    """

    def __init__(
        self,
        commands: Mapping[str, Sequence[str]],
        shell: bool = False,
        notify: Callable[[str], None] = print,
        show: Callable[[str], None] = print,
        timeout: float = TIMEOUT,
    ) -> None:
        self._shell, self._notify, self._show, self._timeout = shell, notify, show, timeout
        self._running: dict[subprocess.Popen[str], threading.Thread] = {}
        self._closing = False
        try:
            self._commands = {
                word: [(text, text if shell else shlex.split(text)) for text in texts]
                for word, texts in commands.items()
            }
        except ValueError as error:
            raise SettingsError(f"a command of an action cannot be parsed: {error}; mend its quotes") from error
        for text in (text for texts in commands.values() for text in texts if not shell):
            if part := needs_shell(text):
                notify(f"{text!r} is started without a shell, which leaves {part} as it is; give --shell to use one")

    def __enter__(self) -> Self:
        """Do nothing yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End all commands that are still running."""
        self._closing = True
        _end(list(self._running))

    @property
    def running(self) -> int:
        """Number of commands that are running."""
        return len(self._running)

    def wait(self) -> None:
        """Wait for the running commands to end, each within its time."""
        for watcher in list(self._running.values()):
            watcher.join()

    def start(self, detection: Detection) -> None:
        """Start the commands of the word that was detected."""
        environment = os.environ | {
            "SAYSO_WORD": detection.label,
            "SAYSO_CONFIDENCE": f"{detection.confidence:.4f}",
            "SAYSO_START": f"{detection.start:.3f}",
            "SAYSO_END": f"{detection.end:.3f}",
        }
        for text, command in self._commands.get(detection.label, ()):
            try:
                # A group of its own, so that it can be ended with all that it started, and only by this program.
                process = subprocess.Popen(
                    command,
                    shell=self._shell,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                    encoding="utf-8",
                    errors="replace",
                    start_new_session=True,
                )
            except (OSError, ValueError) as error:
                reason = getattr(error, "strerror", None) or error
                self._notify(f"{text!r} cannot be started: {reason}; give a command that exists")
            else:
                self._running[process] = threading.Thread(target=self._watch, args=(text, process), daemon=True)
                self._running[process].start()

    def _watch(self, text: str, process: subprocess.Popen[str]) -> None:
        """Wait for a command to end, end it if it takes too long, and report what went wrong."""
        reader = threading.Thread(target=self._pass_on, args=(process,), daemon=True)
        reader.start()
        try:
            status = process.wait(self._timeout or None)
        except subprocess.TimeoutExpired:
            _end([process])
            self._notify(f"{text!r} was ended, as it still ran after {self._timeout:g} s; see --exec-timeout")
        else:
            # What it left running in the background may keep its output open.
            reader.join(GRACE)
            if status and not self._closing:
                how = f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
                self._notify(f"{text!r} {how}")
        self._running.pop(process, None)

    def _pass_on(self, process: subprocess.Popen[str]) -> None:
        """Show the output of a command line by line."""
        assert process.stdout is not None
        while line := process.stdout.readline(LONGEST_LINE):
            self._show(line.rstrip("\r\n"))


def _end(processes: Sequence[subprocess.Popen[str]]) -> None:
    """Ask commands and all that they started to end, and make them end if they do not."""
    try:
        for process in processes:
            _signal(process, kill=False)
        deadline = time.monotonic() + GRACE
        for process in processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(deadline - time.monotonic(), 0.0))
    finally:
        for process in processes:
            _signal(process, kill=True)
            process.wait()


def _signal(process: subprocess.Popen[str], kill: bool) -> None:
    """End a command's whole group of processes, or only the command where there are no groups."""
    with suppress(OSError):
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL if kill else signal.SIGTERM)
        elif kill:
            process.kill()
        else:
            process.terminate()
