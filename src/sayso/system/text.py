"""Text from elsewhere: decode it by its byte order mark, and make it safe for a terminal and for files."""

import codecs
import unicodedata

# Joiners are parts of words in Persian and in Indic scripts, and have no effect elsewhere.
_JOINERS = "\u200c\u200d"
# Spaces such as the one of U+00A0, characters that this version of Unicode does not know, and private ones.
_HARMLESS = ("Zs", "Cn", "Co")
# Marks at the start of a text that name its encoding; that of UTF-32 begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def is_marked(content: bytes) -> bool:
    """Return whether a text begins with a byte order mark, as texts from editors on Windows do."""
    return any(content.startswith(mark) for mark, _ in _MARKS)


def decoded(content: bytes, errors: str = "strict") -> str:
    """Decode a text file: UTF-8, or what its byte order mark says; every line ends in one newline.

    Parameters
    ----------
    content : bytes
        The whole file.
    errors : str
        What to do with bytes that are not text, as for `bytes.decode`.

    Raises
    ------
    UnicodeDecodeError
        If it is encoded differently.
    """
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), "utf-8")
    return content.decode(encoding, errors).replace("\r\n", "\n").replace("\r", "\n")


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
