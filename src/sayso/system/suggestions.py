"""Suggest the known name that a misspelt one is close to."""

from collections.abc import Iterable

# Least similarity, from 0 to 1: one wrong letter in a short name, two or three in a long one.
SIMILARITY = 0.6


def nearest(name: str, known: Iterable[str], similarity: float = SIMILARITY) -> str | None:
    """Return the known name that is most similar to a name, whatever its case; None if none is similar enough."""
    from difflib import get_close_matches

    by_case = {each.casefold(): each for each in known}
    found = get_close_matches(name.casefold(), by_case, 1, similarity)
    return by_case[found[0]] if found else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return "; did you mean …?" for a misspelt name, to follow a message; nothing if no known name is similar."""
    found = nearest(name, known)
    return f"; did you mean {found}?" if found else ""
