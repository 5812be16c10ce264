"""Read plain values that nobody has checked: each function returns a typed, bounded value, or None."""

from collections.abc import Mapping
from itertools import islice
from typing import Any

from sayso.system.text import printable

# Larger numbers are no measurement, and would overflow where they are drawn.
LARGEST = 1e30
# Characters of a text.
LONGEST_TEXT = 200


def number(value: Any, low: float = -LARGEST, high: float = LARGEST) -> float | None:
    """Return a finite number within bounds as a float."""
    # Whole numbers are compared before the conversion, which may overflow; NaN fails every comparison.
    if isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high:
        return float(value)
    return None


def whole(value: Any, low: int = 0, high: int = 2**53) -> int | None:
    """Return a whole number within bounds."""
    return value if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high else None


def text(value: Any, longest: int = LONGEST_TEXT) -> str | None:
    """Return a text, printable and shortened."""
    if not isinstance(value, str):
        return None
    return printable(value if len(value) <= longest else f"{value[:longest]}…")


def display(value: Any) -> str | None:
    """Return a number, a truth value, a text, or a list of these as a text to show."""
    if isinstance(value, list | tuple) and not any(isinstance(item, list | tuple) for item in value):
        return text(", ".join(display(item) or "?" for item in value[:LONGEST_TEXT]))
    if isinstance(value, bool) or number(value) is not None:
        return str(value)
    return text(value)


def table(value: Any, most: int) -> dict[str, Any]:
    """Return the first entries of a mapping, whose names are made printable; empty for anything else."""
    if not isinstance(value, Mapping):
        return {}
    return {text(str(name)) or "": item for name, item in islice(value.items(), most)}
