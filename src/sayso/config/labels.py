"""The labels of a model: which have a meaning of their own, and what any label must be like."""

from collections.abc import Sequence

SILENCE = "_silence_"
UNKNOWN = "_unknown_"
COMMANDS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")

# Labels of a model, and characters of one.
MOST_LABELS = 1_000
LONGEST_LABEL = 64


def check_labels(labels: Sequence[str]) -> None:
    """Make sure that labels can be told apart, shown on a terminal and kept in a model file.

    Control characters could command the terminal, and those that change the direction of writing could make one word
    look like another.

    Raises
    ------
    ValueError
        If there are fewer than two or too many, one stands twice, is empty, too long, or holds what cannot be printed.
    """
    for label in labels:
        if not label or len(label) > LONGEST_LABEL or not label.isprintable():
            shown = ascii(label[: LONGEST_LABEL + 1])
            raise ValueError(f"the label {shown} is not a printable word of 1 to {LONGEST_LABEL} characters")
    if len(set(labels)) != len(labels) or not 2 <= len(labels) <= MOST_LABELS:
        raise ValueError(f"labels are not 2 to {MOST_LABELS} different words")


def label_of(word: str, labels: Sequence[str]) -> str:
    """Return the label that a word stands for: itself, or unknown."""
    return word if word in labels or word == SILENCE else UNKNOWN
