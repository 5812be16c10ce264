"""The labels of a model: which have a meaning of their own, what any label must be like, and when two are the same."""

import functools
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

from sayso.system.suggestions import nearest

SILENCE = "_silence_"
UNKNOWN = "_unknown_"
COMMANDS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")

# Labels of a model, and characters of one.
MOST_LABELS = 1_000
LONGEST_LABEL = 64
# Words that a message names.
# Least similarity of a word to the label that was probably meant: most other words are just other words.
LIKELY = 0.75
NAMED = 12

# Between two letters, these zero-width joiners belong to the spelling of Persian and of Indic languages.
_JOINERS = "\u200c\u200d"


def nfc(text: str) -> str:
    """Return a word in the one spelling that sayso compares: composed (NFC), as most keyboards type it.

    File names that come from a Mac are often decomposed, with each accent as a character of its own.
    """
    return unicodedata.normalize("NFC", text)


def check_labels(labels: Sequence[str]) -> None:
    """Make sure that labels differ, and can be shown on a terminal and kept in a model file.

    Control characters could command the terminal, and those that change the direction of writing could make one word
    look like another.

    Raises
    ------
    ValueError
        If there are fewer than two or too many, one stands twice, is empty, too long, or holds what cannot be printed.
    """
    for label in labels:
        if not can_be_label(label):
            shown = ascii(label[: LONGEST_LABEL + 1])
            raise ValueError(f"the label {shown} is not a printable word of 1 to {LONGEST_LABEL} characters")
    if len(set(map(nfc, labels))) != len(labels) or not 2 <= len(labels) <= MOST_LABELS:
        raise ValueError(f"labels are not 2 to {MOST_LABELS} different words")


def can_be_label(text: str) -> bool:
    """Return whether a text can be a label: printable, not empty and not too long."""
    return 0 < len(text) <= LONGEST_LABEL and _without_joiners(text).isprintable() and bool(text.strip())


def _without_joiners(label: str) -> str:
    """Return a label without the joiners between its letters and their marks."""
    letters = [unicodedata.category(character)[0] in "LM" for character in label]
    return "".join(
        character
        for place, character in enumerate(label)
        if not (
            character in _JOINERS
            and all(letters[max(place - 1, 0) : place] + letters[place + 1 : place + 2])
            and 0 < place < len(label) - 1
        )
    )


def label_of(word: str, labels: Sequence[str]) -> str:
    """Return the label that a word stands for: itself, the only one that differs from it in case, or unknown."""
    return _label_of(word, tuple(labels))


@functools.lru_cache(maxsize=4_096)
def _label_of(word: str, labels: tuple[str, ...]) -> str:
    word = nfc(word)
    if word in labels or word in (SILENCE, UNKNOWN):
        return word
    alike = [label for label in labels if nfc(label) == word or label.casefold() == word.casefold()]
    return alike[0] if len(alike) == 1 else UNKNOWN


def strangers_in_case(words: Iterable[str], labels: Sequence[str]) -> list[str]:
    """Report the words that are labels of a model in another case, one line for each."""
    return [
        f"the word {word!r} is taken for the label {label_of(word, labels)!r}, which differs in case alone"
        for word in sorted(set(words) - {*labels, SILENCE, UNKNOWN})
        if label_of(word, labels) != UNKNOWN
    ]


def strangers(words: Iterable[str], labels: Sequence[str], what: str = "clips") -> list[str]:
    """Report the words that are no label of a model: what they count as, and the label that was probably meant.

    Parameters
    ----------
    words : iterable of str
        The word of each clip.
    labels : sequence of str
        The labels of the model.
    what : str
        What there is one of for each word.
    """
    counts = Counter(words)
    lines = strangers_in_case(counts, labels)
    unknown = sorted(word for word in counts if label_of(word, labels) == UNKNOWN != word)
    if unknown:
        spoken = [label for label in labels if label not in (SILENCE, UNKNOWN)]
        guesses = {word: nearest(word, spoken, LIKELY) for word in unknown}
        # Those that may be a mistake come first.
        named = [f"{word} (did you mean {guess}?)" if guess else word for word, guess in guesses.items()]
        named.sort(key=lambda name: "?)" not in name)
        more = f" and {len(named) - NAMED} more" if len(named) > NAMED else ""
        fate = "counted as unknown speech" if UNKNOWN in labels else "left out, as the model knows no unknown speech"
        lines.append(
            f"{sum(counts[word] for word in unknown)} {what} of {len(unknown)} words that are no labels of the model "
            f"are {fate}: {', '.join(named[:NAMED])}{more}"
        )
    return lines
