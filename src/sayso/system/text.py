"""Text that may come from anywhere, made fit for a terminal."""


def printable(text: str) -> str:
    """Write text on one line of a terminal and nothing else: control characters and the like become escapes.

    Also such that change the direction of writing, and bytes of a file name that are no text.
    """
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text
    )
