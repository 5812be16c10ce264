"""Actions: the user's commands, started when a word is detected and not waited for."""

import os
import shlex
import subprocess
from collections.abc import Callable, Mapping, Sequence

from sayso.errors import SettingsError
from sayso.recognition.decision import Detection
from sayso.system.suggestions import did_you_mean


def parse(texts: Sequence[str], labels: Sequence[str]) -> dict[str, list[str]]:
    """Parse actions in the form of the command line, `WORD=COMMAND`.

    Parameters
    ----------
    texts : sequence of str
        The actions.
    labels : sequence of str
        The words that the model knows.

    Returns
    -------
    actions : dict of str to list of str
        The commands of each word, in the given order.

    Raises
    ------
    SettingsError
        If an action has another form, or names a word that the model does not know.
    """
    actions: dict[str, list[str]] = {}
    for text in texts:
        word, equals, command = text.partition("=")
        if not equals or not command.strip():
            raise SettingsError(f"the action {text!r} is not WORD=COMMAND, as in 'left=xdotool key Left'")
        if word not in labels:
            raise SettingsError(
                f"the action {text!r} is for no word of the model: {', '.join(labels)}{did_you_mean(word, labels)}"
            )
        actions.setdefault(word, []).append(command)
    return actions


class Actions:
    """Starts commands.

    A command gets the word, its confidence and its time in its environment: SAYSO_WORD, SAYSO_CONFIDENCE (0 to 1),
    SAYSO_START and SAYSO_END (seconds from the beginning of the session).

    Parameters
    ----------
    commands : mapping of str to sequence of str
        The commands of each word.
    shell : bool
        Whether the commands are run by a shell. Otherwise they are only split into arguments as a shell would do, and
        variables, pipes and the like are not interpreted.
    notify : callable
        Called with a message when a command cannot be started or fails.

    Raises
    ------
    SettingsError
        If a command cannot be split because its quotes do not match.
    """

    def __init__(
        self, commands: Mapping[str, Sequence[str]], shell: bool = False, notify: Callable[[str], None] = print
    ) -> None:
        self._shell, self._notify = shell, notify
        self._running: list[tuple[str, subprocess.Popen[bytes]]] = []
        try:
            self._commands = {
                word: [(text, text if shell else shlex.split(text)) for text in texts]
                for word, texts in commands.items()
            }
        except ValueError as error:
            raise SettingsError(f"a command of an action cannot be parsed: {error}; mend its quotes") from error

    def start(self, detection: Detection) -> None:
        """Start the commands of the word that was detected."""
        self.check_running()
        environment = os.environ | {
            "SAYSO_WORD": detection.label,
            "SAYSO_CONFIDENCE": f"{detection.confidence:.4f}",
            "SAYSO_START": f"{detection.start:.3f}",
            "SAYSO_END": f"{detection.end:.3f}",
        }
        for text, command in self._commands.get(detection.label, ()):
            try:
                # Its output goes to stderr, so that stdout holds only detections.
                process = subprocess.Popen(
                    command, shell=self._shell, stdin=subprocess.DEVNULL, stdout=2, env=environment
                )
            except OSError as error:
                self._notify(f"{text!r} cannot be started: {error.strerror}; give a command that exists")
            else:
                self._running.append((text, process))

    def check_running(self) -> None:
        """Remove the commands that have ended from the list of running ones, and report those that failed."""
        for text, process in self._running:
            if process.poll():
                self._notify(f"{text!r} ended with status {process.returncode}")
        self._running = [(text, process) for text, process in self._running if process.returncode is None]
