"""Print results on stdout, and notes, warnings and progress on stderr.

File names and words are untrusted and may contain control sequences of a terminal, so all text for people goes through
`printable`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from sayso.system.text import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

    from sayso.corpus.skipped import Skipped

# Of skipped files and the like, this many are listed and the others counted.
LISTED = 10


def say(text: str, err: bool = False, **style: Any) -> None:
    """Print lines of text on stdout, with escapes for what is not printable; `style` as for `click.style`."""
    # None lets click find out whether it is a terminal.
    colour = None if _controllable() else False
    click.secho("\n".join(map(printable, text.split("\n"))), err=err, color=colour, **style)


def note(text: str, **style: Any) -> None:
    """Print a note on stderr."""
    say(text, err=True, **style)


def warn(text: str) -> None:
    """Print a warning on stderr."""
    note(f"warning: {text}")


def can_draw(console: Console) -> bool:
    """Return whether what is printed there can be changed later: it is a terminal, and one that moves its cursor."""
    return console.is_terminal and _controllable()


def _controllable() -> bool:
    """Return whether a terminal, if there is one, understands control sequences."""
    return os.environ.get("TERM", "" if os.name == "posix" else "any").lower() not in ("", "dumb", "unknown")


def report_skipped(skipped: Sequence[Skipped]) -> None:
    """Report on stderr which files were skipped and why; the first few are listed."""
    from sayso.corpus.skipped import summary

    for number, line in enumerate(summary(skipped)):
        note(line) if number else warn(line)


@contextmanager
def progress_bar(*columns: str) -> Iterator[Progress]:
    """Show a progress bar on stderr, after some fields of its task; nothing if stderr is not a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    console = Console(stderr=True)
    texts = [TextColumn(column) for column in columns]
    bar = Progress(*texts, BarColumn(), TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(), console=console,
                   disable=not console.is_terminal)  # fmt: skip
    with bar:
        yield bar
