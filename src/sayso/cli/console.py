"""Print results on stdout, and notes, warnings, errors and progress on stderr.

File names and words are untrusted and may contain control sequences of a terminal, so all text for people goes through
`printable`. With -q there are no notes and no progress; with -v there are details, too.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from sayso.system.invocation import called_as, in_form_of_call
from sayso.system.text import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

    from sayso.corpus.skipped import Skipped

# Of skipped files and the like, this many are listed and the others counted.
LISTED = 10
# Columns of a terminal below which a progress bar shows its numbers only.
SPACE_FOR_BAR = 80
# Where the context of a command keeps -q and -v.
_VERBOSITY = "sayso.verbosity"


def set_verbosity(context: click.Context, level: int) -> None:
    """Set how much the command prints on stderr: -1 is quiet, 0 is normal, 1 is verbose."""
    context.meta[_VERBOSITY] = level


def verbosity() -> int:
    """Return how much the running command prints on stderr; outside of a command, it is 0."""
    context = click.get_current_context(silent=True)
    level: int = context.meta.get(_VERBOSITY, 0) if context else 0
    return level


def say(text: str, err: bool = False, **style: Any) -> None:
    """Print lines of text on stdout, with escapes for what is not printable; `style` as for `click.style`.

    A command in backticks, as in "`sayso doctor`", is printed in the form in which the user called sayso.
    """
    # None lets click find out whether it is a terminal.
    colour = None if _controllable() else False
    click.secho("\n".join(map(printable, in_form_of_call(text).split("\n"))), err=err, color=colour, **style)


def say_next(arguments: str) -> None:
    """Print the command that is the usual next step, as it is to be typed, from the arguments of sayso."""
    say(f"next: {called_as()} {arguments}")


def note(text: str, **style: Any) -> None:
    """Print a note on stderr, unless the command is quiet."""
    if verbosity() >= 0:
        say(text, err=True, **style)


def detail(text: str) -> None:
    """Print a detail on stderr if the command is verbose."""
    if verbosity() > 0:
        say(text, err=True)


def warn(text: str) -> None:
    """Print a warning on stderr."""
    say(f"warning: {text}", err=True)


def listed(count: int) -> int:
    """Return how many of `count` similar lines are listed: the first few, or with -v all."""
    return count if verbosity() > 0 else min(count, LISTED)


def can_draw(console: Console) -> bool:
    """Return whether what is printed there can be changed later: it is a terminal, and one that moves its cursor."""
    return console.is_terminal and _controllable()


def _controllable() -> bool:
    """Return whether a terminal, if there is one, understands control sequences."""
    return os.environ.get("TERM", "" if os.name == "posix" else "any").lower() not in ("", "dumb", "unknown")


def report_skipped(skipped: Sequence[Skipped]) -> None:
    """Report on stderr which files were skipped and why; the first few are listed, with -v all."""
    from sayso.corpus.skipped import summary

    if skipped:
        first, *others = summary(skipped, listed(len(skipped)))
        warn(first)
        for line in others:
            say(line, err=True)


@contextmanager
def progress_bar(*columns: str) -> Iterator[Progress]:
    """Show a progress bar on stderr, after some fields of its task; nothing if quiet or if stderr is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.table import Column

    console = Console(stderr=True)
    # A field that does not fit is cut, so that the bar stays on its line.
    shown: list[ProgressColumn] = [
        TextColumn(column, table_column=Column(no_wrap=True, overflow="ellipsis")) for column in columns
    ]
    if console.width >= SPACE_FOR_BAR:
        shown += [BarColumn(bar_width=None), TimeElapsedColumn(), TextColumn("left")]
    bar = Progress(*shown, TimeRemainingColumn(compact=True), console=console, expand=console.width >= SPACE_FOR_BAR,
                   disable=verbosity() < 0 or not console.is_terminal)  # fmt: skip
    with bar:
        yield bar
