"""Text from elsewhere: decode it by its byte order mark, and make it safe to print on a terminal."""

import codecs

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
    """Return text with every character that is not printable replaced by an escape, so that it stays on one line.

    This includes control characters, those that change the writing direction, and undecodable bytes of a file name.
    """
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text
    )
