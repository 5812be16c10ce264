"""Make untrusted text (names of files, labels, messages about them) safe for a terminal and for files."""

import unicodedata

# Joiners are parts of words in Persian and in Indic scripts, and have no effect elsewhere.
_JOINERS = "\u200c\u200d"
# Spaces such as the one of U+00A0, characters that this version of Unicode does not know, and private ones.
_HARMLESS = ("Zs", "Cn", "Co")


def printable(text: str) -> str:
    """Return text with escapes for the characters that could do harm, so that it stays on one line.

    These are control characters, which command a terminal and break the lines of a file; those that are invisible or
    change the writing direction; and undecodable bytes of a file name, with which the text would not be valid Unicode.
    Everything that sayso prints or writes into rows and labels goes through here, so a name is the same everywhere.
    """
    if text.isprintable():
        return text
    return "".join(
        character if is_safe(character) else character.encode("unicode_escape").decode("ascii") for character in text
    )


def is_safe(character: str) -> bool:
    """Return whether a character can be shown as it is."""
    return character.isprintable() or character in _JOINERS or unicodedata.category(character) in _HARMLESS
