"""The labels of a model: the reserved ones, and the rules for all."""

from collections.abc import Sequence

SILENCE = "_silence_"
UNKNOWN = "_unknown_"
COMMANDS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")

# Number of labels of a model, and of characters in a label.
MOST_LABELS = 1_000
LONGEST_LABEL = 64


def check_labels(labels: Sequence[str]) -> None:
    """Check that labels are distinct, printable on a terminal and short enough for a model file.

    Control characters could send commands to the terminal, and those that change the direction of writing could make
    one word look like another.

    Raises
    ------
    ValueError
        If there are fewer than two or too many, or one is repeated, empty, too long or not printable.
    """
    for label in labels:
        if not label or len(label) > LONGEST_LABEL or not label.isprintable():
            shown = ascii(label[: LONGEST_LABEL + 1])
            raise ValueError(f"the label {shown} is not a printable word of 1 to {LONGEST_LABEL} characters")
    if len(set(labels)) != len(labels) or not 2 <= len(labels) <= MOST_LABELS:
        raise ValueError(f"labels are not 2 to {MOST_LABELS} different words")


def label_of(word: str, labels: Sequence[str]) -> str:
    """Return the label of a word: itself if it is a label, otherwise unknown."""
    return word if word in labels or word == SILENCE else UNKNOWN
