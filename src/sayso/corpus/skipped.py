"""What of the recordings is not used, and why: it is reported when a command succeeds, and also when it fails."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sayso.errors import SaysoError
from sayso.system.text import printable

# More than this many skipped files are counted, not listed.
LISTED = 10


@dataclass(frozen=True)
class Skipped:
    """A file or folder that is not used, and why."""

    path: Path
    reason: str


def summary(skipped: Sequence[Skipped], most: int = LISTED) -> list[str]:
    """Return lines that list what was skipped, the first few by name; none if nothing was."""
    if not skipped:
        return []
    lines = ["1 file was skipped:" if len(skipped) == 1 else f"{len(skipped)} files were skipped:"]
    lines += [f"  {printable(f'{item.path}: {item.reason}')}" for item in skipped[:most]]
    if len(skipped) > most:
        lines.append(f"  … and {len(skipped) - most} more (-v lists them all)")
    return lines


@contextmanager
def reasons_kept(skipped: Sequence[Skipped], warnings: Sequence[str] = ()) -> Iterator[None]:
    """Add what was skipped until then, and warnings, to an error as a note, as they are often the cause.

    Parameters
    ----------
    skipped : sequence of Skipped
        Files that are not used.
    warnings : sequence of str
        Warnings about the others. Both lists may grow inside.
    """
    try:
        yield
    except SaysoError as error:
        lines = [*summary(list(dict.fromkeys(skipped))), *(f"warning: {warning}" for warning in warnings)]
        if lines:
            error.add_note("\n".join(lines))
        raise
