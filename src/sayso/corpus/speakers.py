"""Who speaks in a recording, as far as file names tell."""

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from sayso.config.labels import nfc
from sayso.errors import SettingsError

_NOHASH = re.compile(r"(?P<speaker>.+?)_nohash_.*")
_GAP = r"[ ._-]+"


def speaker_of(path: Path) -> str | None:
    """Return the speaker that a file name like `<speaker>_nohash_<n>.wav` gives, or None."""
    match = _NOHASH.fullmatch(path.stem)
    return nfc(match["speaker"]) if match else None


class _Pattern(NamedTuple):
    """One usual form of file names: how it is called, and the expression for the names of one word."""

    name: str
    expression: Callable[[str], str]


# In this order the first that fits all names is taken; those with the word in the name are the surest.
_PATTERNS = (
    _Pattern("speaker-word-number", lambda word: rf"(?P<speaker>.+?){_GAP}{word}(?:(?:{_GAP})?\d\w*)?"),
    _Pattern("word-speaker-number", lambda word: rf"{word}{_GAP}(?P<speaker>.+?){_GAP}\d\w*"),
    _Pattern("speaker-number", lambda word: rf"(?P<speaker>.+?){_GAP}\d+|(?P<name>[^\W\d][^\d]*?)\d+"),
    _Pattern("speaker", lambda word: r"(?P<speaker>\D+)"),
)


def recognised(names: Sequence[tuple[str, str]]) -> tuple[list[str], str] | None:
    """Find the speakers in file names that all have the same usual form.

    A form without the word in it fits only if there are several speakers and each says several words: `take_01` names
    no speaker.

    Parameters
    ----------
    names : sequence of (str, str)
        The word of each clip and its file name without the suffix.

    Returns
    -------
    speakers : list of str
        The speaker of each.
    form : str
        What the form is called.
    None
        If no form fits all names.
    """
    expressions: dict[tuple[str, str], re.Pattern[str]] = {}
    for pattern in _PATTERNS:
        speakers: list[str] = []
        for word, stem in names:
            if (key := (pattern.name, word)) not in expressions:
                spelt = _GAP.join(map(re.escape, re.split(_GAP, nfc(word).casefold())))
                expressions[key] = re.compile(pattern.expression(spelt), re.IGNORECASE)
            match = expressions[key].fullmatch(nfc(stem))
            found = match and next(filter(None, match.groups()), None)
            # A take is not named after its word alone.
            if not found or found.casefold() == word.casefold():
                break
            speakers.append(found)
        if names and len(speakers) == len(names) and _plausible(names, speakers, "word" in pattern.name):
            return speakers, pattern.name
    return None


def _plausible(names: Sequence[tuple[str, str]], speakers: Sequence[str], word_is_named: bool) -> bool:
    """Return whether these may be speakers and no numbers of takes or names of a device."""
    words: defaultdict[str, set[str]] = defaultdict(set)
    for (word, _), speaker in zip(names, speakers, strict=True):
        words[speaker].add(word)
    if word_is_named:
        # Numbers from 1 to the count of files are no speakers.
        return len(words) < len(names)
    several = len({word for word, _ in names}) > 1
    said = sum(len(found) > 1 for found in words.values())
    return len(words) > 1 and (said > len(words) / 2 if several else len(words) <= len(names) / 2)


def by_expression(expression: str, paths: Sequence[str]) -> list[str | None]:
    """Return what a regular expression finds in each path: its group `speaker`, or its first group, or all of it.

    Raises
    ------
    SettingsError
        If it is no regular expression or finds no speaker in any path.
    """
    try:
        pattern = re.compile(expression)
    except (re.error, RecursionError, OverflowError) as error:
        raise SettingsError(
            f"--speaker {expression!r} is no regular expression ({error}); give one such as '([^/_]+)_[0-9]+'"
        ) from error
    group: str | int = "speaker" if "speaker" in pattern.groupindex else min(pattern.groups, 1)
    speakers = [nfc(match[group]) if (match := pattern.search(path)) and match[group] else None for path in paths]
    if paths and not any(speakers):
        raise SettingsError(
            f"--speaker {expression!r} finds no speaker in any of {len(paths)} paths such as {paths[0]!r}; "
            "put the part that names the speaker in parentheses"
        )
    return speakers
