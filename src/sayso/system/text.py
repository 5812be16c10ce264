"""Make untrusted text safe to print on a terminal."""


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
