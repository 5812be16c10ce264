"""What the commands share in talking to people: numbers, tables, notes about what was skipped, progress on stderr.

Names of files and words come from anywhere, and some would command a terminal; all text for people goes through
`printable`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from sayso.system.text import printable

if TYPE_CHECKING:
    from rich.progress import Progress

    from sayso.corpus.corpus import Skipped
    from sayso.evaluation.accuracy import Doubtful, Evaluation

# More than this many skipped files are counted, not listed; --debug or the log shows them all.
LISTED = 10


def percent(share: float) -> str:
    """Write a share as a percentage with one decimal."""
    return f"{100 * share:.1f} %"


def accuracy_line(evaluation: Evaluation) -> str:
    """Write an accuracy with its interval and the count behind it."""
    low, high = evaluation.interval
    return (
        f"{percent(evaluation.accuracy)} (95 % interval {100 * low:.1f} to {percent(high)}, "
        f"{evaluation.right} of {evaluation.clips} clips)"
    )


def accuracy(score: Any) -> str:
    """Write the accuracy that a model file tells of, which may be anything."""
    try:
        return percent(float(score["accuracy"]))
    except (KeyError, TypeError, ValueError, OverflowError):
        return "unknown"


def say(text: str, err: bool = False, **style: Any) -> None:
    """Print lines of text on stdout, made printable; `style` as `click.style` takes it."""
    click.secho("\n".join(map(printable, text.split("\n"))), err=err, **style)


def table(header: Sequence[str], rows: Iterable[Sequence[str]], left: int = 1) -> str:
    """Lay out rows in columns, the first `left` of them flush left and the numbers flush right."""
    lines = [list(map(printable, row)) for row in (header, *rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column < left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def doubtful_table(recordings: Sequence[Doubtful]) -> str:
    """List recordings that may be mislabelled or empty."""
    rows = [(str(entry.clip.path), entry.clip.word, entry.said, f"{entry.loss:.1f}") for entry in recordings]
    return table(("doubtful recording: listen to it", "word", "sounds like", "loss"), rows, left=3)


def note(text: str, **style: Any) -> None:
    """Say something beside the results, on stderr."""
    say(text, err=True, **style)


def warn(text: str) -> None:
    """Warn on stderr."""
    note(f"warning: {text}")


def tell_skipped(skipped: Sequence[Skipped]) -> None:
    """List what was left out and why, the first few by name."""
    if not skipped:
        return
    warn("1 file was skipped:" if len(skipped) == 1 else f"{len(skipped)} files were skipped:")
    for item in skipped[:LISTED]:
        note(f"  {printable(f'{item.path}: {item.reason}')}")
    if len(skipped) > LISTED:
        note(f"  … and {len(skipped) - LISTED} more")


@contextmanager
def progress_bar(*columns: str) -> Iterator[Progress]:
    """Show a bar on stderr with some fields of the task before it; nothing if stderr is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    console = Console(stderr=True)
    texts = [TextColumn(column) for column in columns]
    bar = Progress(*texts, BarColumn(), TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(), console=console,
                   disable=not console.is_terminal)  # fmt: skip
    with bar:
        yield bar
