"""The display of `sayso listen` on a terminal: input, level, most probable words and latest detections."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from sayso.cli.console import can_draw
from sayso.cli.tables import percent
from sayso.system.invocation import in_form_of_call
from sayso.system.text import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from sayso.live.listening import Level, Listening
    from sayso.recognition.decision import Detection
    from sayso.recognition.stream import WindowScores
    from sayso.recognition.wake import WakeGate
    from sayso.sound.stream import Samples

# Updates per second: enough for a moving level, at little cost.
UPDATES = 5
# Number of words whose probabilities are shown.
WORDS = 4
# Number of detections that are shown.
LOG = 10
# Widths of the columns before and after the bars.
NAME, VALUE = 14, 9


class Display:
    """A display that is updated in place, as a context manager.

    Parameters
    ----------
    title : str
        The first line: the model and the input.
    labels : tuple of str
        The labels, in the order of the probabilities.
    listening : Listening
        The recognition whose level is shown.
    statistics : callable
        Returns the line with the statistics, which may be empty.
    console : Console
        Where to draw.
    """

    def __init__(
        self,
        title: str,
        labels: tuple[str, ...],
        listening: Listening,
        statistics: Callable[[], str],
        console: Console,
    ) -> None:
        from rich.live import Live

        self._title, self._labels, self._listening, self._statistics = printable(title), labels, listening, statistics
        self._log: deque[tuple[str, Detection]] = deque(maxlen=LOG)
        self._next = 0.0
        self._newest: WindowScores | None = None
        self._live = Live(console=console, auto_refresh=False, transient=False)

    def __enter__(self) -> Display:
        """Start drawing."""
        self._live.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        """Stop drawing; the last state stays on the screen."""
        if self._newest:
            self._live.update(self._render(self._newest))
        self._live.__exit__(None, None, None)

    def print(self, text: str) -> None:
        """Print a line above the display; may be called from any thread."""
        from rich.text import Text

        self._live.console.print(Text(printable(text)))

    def show(self, window: WindowScores) -> None:
        """Update the display if the last update is old enough, or if a word was detected."""
        self._newest = window
        if window.detection:
            self._log.appendleft((f"{datetime.now():%H:%M:%S}", window.detection))
        if window.detection or time.monotonic() >= self._next:
            self._next = time.monotonic() + 1 / UPDATES
            self._live.update(self._render(window), refresh=True)

    def _render(self, window: WindowScores) -> Text:
        from rich.text import Text

        from sayso.recognition.decision import ranking

        width = self._live.console.width
        text = Text(no_wrap=True, overflow="ellipsis")
        text.append(f"{self._title}\n\n", "bold")
        level = self._listening.level
        text.append_text(_level_line(level, width)).append("\n")
        if self._listening.wake:
            text.append_text(_wake_line(self._listening.wake, self._listening.awake, width)).append("\n")
        text.append(f"{in_form_of_call(level.problem)}\n\n", "bold red")
        for label, probability in ranking(self._labels, window.probabilities, WORDS):
            style = "dim" if label.startswith("_") else "cyan"
            text.append(
                f"{label[: NAME - 1]:<{NAME}}{_bar(probability, width)}{percent(probability):>{VALUE}}\n", style
            )
        text.append("\n")
        for clock, detection in self._log:
            text.append(
                f"{clock:<{NAME}}{detection.label} {percent(detection.confidence)}\n",
                "bold green" if detection.since_wake == 0 else "",
            )
        text.append(f"{self._statistics()}\nCtrl-C ends", "dim")
        return text


def _wake_line(gate: WakeGate, left: float, width: int) -> Text:
    """Draw for how many seconds commands still count, or the word that is waited for."""
    from rich.text import Text

    if left:
        line, style = f"{'awake':<{NAME}}{_bar(left / gate.seconds, width)}{left:>{VALUE - 2}.1f} s", "bold green"
    else:
        line, style = f"{'asleep':<{NAME}}say {gate.word}", "dim"
    return Text(printable(line), style, no_wrap=True, overflow="ellipsis")


class LevelMeter:
    """A level meter on stderr, as a context manager; it shows nothing if stderr is not a terminal."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        from sayso.live.listening import Level

        self._console = Console(stderr=True)
        self._live = Live(console=self._console, auto_refresh=False, transient=True)
        self._level = Level()

    def __enter__(self) -> LevelMeter:
        """Start drawing."""
        self._live.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        """Remove the meter from the screen."""
        self._live.__exit__(None, None, None)

    def show(self, chunk: Samples) -> None:
        """Draw the level of a chunk."""
        if can_draw(self._console):
            self._level.update(chunk, sample_rate=1)
            self._live.update(_level_line(self._level, self._console.width), refresh=True)


def _level_line(level: Level, width: int) -> Text:
    """Draw a level meter from -60 dB, the level of a quiet room, to full scale."""
    from rich.text import Text

    line = f"{'level':<{NAME}}{_bar(1 + level.decibels / 60, width)}{level.decibels:>{VALUE - 3}.0f} dB"
    return Text(line, "red" if level.clipped else "green", no_wrap=True, overflow="ellipsis")


def _bar(fraction: float, width: int) -> str:
    """Draw a bar that fills a fraction, between 0 and 1, of its column on a line of `width` characters."""
    length = max(width - NAME - VALUE - 1, 1)
    filled = round(min(max(fraction, 0.0), 1.0) * length)
    return "█" * filled + "·" * (length - filled)
