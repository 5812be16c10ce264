"""What `sayso listen` shows on a terminal: the microphone, its level, the likeliest words, and what was heard."""

from __future__ import annotations

import time
from collections import deque
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sayso.cli.tables import percent
from sayso.system.text import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from sayso.live.listening import Level, Listening
    from sayso.recognition.decision import Detection
    from sayso.recognition.recognizer import WindowScores
    from sayso.sound.stream import Samples

# Pictures a second: a level that moves, at little cost.
PICTURES = 5
# Words whose probabilities are shown.
WORDS = 4
# Detections that stay in sight.
LOG = 10
# Widths of the columns before the bars, and of what follows them.
NAME, VALUE = 14, 9


class Display:
    """A picture of the listening on a terminal, as a context manager.

    Parameters
    ----------
    title : str
        The model and the input.
    labels : tuple of str
        What the probabilities stand for.
    listening : Listening
        What is shown.
    stats : callable
        Returns the line about the work, or nothing.
    console : Console
        Where to draw.
    """

    def __init__(self, title: str, labels: tuple[str, ...], listening: Listening, stats: Any, console: Console) -> None:
        from rich.live import Live

        self._title, self._labels, self._listening, self._stats = printable(title), labels, listening, stats
        self._log: deque[tuple[str, Detection]] = deque(maxlen=LOG)
        self._next = 0.0
        self._live = Live(console=console, auto_refresh=False, transient=False)

    def __enter__(self) -> Display:
        """Start to draw."""
        self._live.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        """Leave the last picture on the screen."""
        self._live.__exit__(None, None, None)

    def show(self, window: WindowScores) -> None:
        """Draw a picture if it is time, or if a word was detected."""
        if window.detection:
            self._log.appendleft((f"{datetime.now():%H:%M:%S}", window.detection))
        if window.detection or time.monotonic() >= self._next:
            self._next = time.monotonic() + 1 / PICTURES
            self._live.update(self._picture(window), refresh=True)

    def _picture(self, window: WindowScores) -> Text:
        from rich.text import Text

        from sayso.recognition.decision import ranking

        width = self._live.console.width
        text = Text(no_wrap=True, overflow="ellipsis")
        text.append(f"{self._title}\n\n", "bold")
        level = self._listening.level
        text.append_text(_level_line(level, width)).append("\n")
        text.append(f"{level.trouble}\n\n", "bold red")
        for label, probability in ranking(self._labels, window.probabilities, WORDS):
            style = "dim" if label.startswith("_") else "cyan"
            text.append(
                f"{label[: NAME - 1]:<{NAME}}{_bar(probability, width)}{percent(probability):>{VALUE}}\n", style
            )
        text.append("\n")
        for moment, detection in self._log:
            text.append(f"{moment:<{NAME}}{detection.label} {percent(detection.confidence)}\n")
        text.append(f"{self._stats()}\nCtrl-C ends", "dim")
        return text


class LevelMeter:
    """A level that moves while something is recorded, as a context manager; nothing where stderr is no terminal."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        from sayso.live.listening import Level

        self._console = Console(stderr=True)
        self._live = Live(console=self._console, auto_refresh=False, transient=True)
        self._level = Level()

    def __enter__(self) -> LevelMeter:
        """Start to draw."""
        self._live.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        """Wipe it away."""
        self._live.__exit__(None, None, None)

    def show(self, chunk: Samples) -> None:
        """Draw the level of a chunk."""
        if self._console.is_terminal:
            self._level.take(chunk, sample_rate=1)
            self._live.update(_level_line(self._level, self._console.width), refresh=True)


def _level_line(level: Level, width: int) -> Text:
    """Draw a level from -60 dB, where rooms are quiet, to full scale."""
    from rich.text import Text

    line = f"{'level':<{NAME}}{_bar(1 + level.decibels / 60, width)}{level.decibels:>{VALUE - 3}.0f} dB"
    return Text(line, "red" if level.clipped else "green", no_wrap=True, overflow="ellipsis")


def _bar(part: float, width: int) -> str:
    """Draw a bar that fills its part of the line."""
    room = max(width - NAME - VALUE - 1, 1)
    filled = round(min(max(part, 0.0), 1.0) * room)
    return "█" * filled + "·" * (room - filled)
