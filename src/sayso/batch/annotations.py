"""Write the words detected in long files as labels for Audacity and Praat."""

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from sayso.batch.classify import FileResult
from sayso.batch.names import base_name, candidate_names
from sayso.errors import StorageError
from sayso.recognition.decision import Detection
from sayso.system.atomic_files import TakenError, creating
from sayso.system.text import printable


def audacity_labels(result: FileResult) -> str:
    """Return the words of a file as a label track for Audacity: start, end and label, separated by tabs."""
    return "".join(f"{word.start:.3f}\t{word.end:.3f}\t{printable(word.label)}\n" for word in result.detections)


def text_grid(result: FileResult) -> str:
    """Return the words of a file as a TextGrid for Praat: one tier of intervals, with empty ones between the words.

    The windows of words in quick succession overlap, but intervals must not: each word ends where the next one starts.
    """
    intervals = list(_intervals(result.detections, result.seconds))
    lines = [
        'File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0", f"xmax = {result.seconds:.6f}",
        "tiers? <exists>", "size = 1", "item []:", "    item [1]:", '        class = "IntervalTier"',
        '        name = "words"', "        xmin = 0", f"        xmax = {result.seconds:.6f}",
        f"        intervals: size = {len(intervals)}",
    ]  # fmt: skip
    for number, (start, end, label) in enumerate(intervals, 1):
        quoted = printable(label).replace('"', '""')
        lines += [
            f"        intervals [{number}]:", f"            xmin = {start:.6f}", f"            xmax = {end:.6f}",
            f'            text = "{quoted}"',
        ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _intervals(words: Sequence[Detection], seconds: float) -> Iterable[tuple[float, float, str]]:
    """Yield intervals that cover the time from 0 to the end without a gap."""
    at = 0.0
    for place, word in enumerate(words):
        after = words[place + 1].start if place + 1 < len(words) else seconds
        start, end = max(word.start, at), min(word.end, after, seconds)
        if start > at:
            yield at, start, ""
        if end > start:
            yield start, end, word.label
            at = end
    if at < seconds:
        yield at, seconds, ""


# By the name of the option: the suffix of the files, and the function that returns their text.
ANNOTATIONS: dict[str, tuple[str, Callable[[FileResult], str]]] = {
    "audacity": (".txt", audacity_labels),
    "textgrid": (".TextGrid", text_grid),
}


def annotate(folder: Path, name: str, suffix: str, text: str) -> Path:
    """Write a text about a sound into a folder, under the name of the sound; other files are never overwritten.

    Raises
    ------
    StorageError
        If the text cannot be written.
    """
    content = text.encode()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for place in candidate_names(folder, base_name(name), suffix):
            if _holds(place, content) or _written(place, content):
                return place
    except OSError as error:
        reason = error.strerror or error
        raise StorageError(f"cannot write labels into {folder}: {reason}; choose another folder") from error
    raise AssertionError("names never run out")


def _holds(place: Path, content: bytes) -> bool:
    """Return whether a file holds just this, as an interrupted batch may have written the same."""
    return place.is_file() and place.stat().st_size == len(content) and place.read_bytes() == content


def _written(place: Path, content: bytes) -> bool:
    """Write a new file and return True; False if there is something else with its name."""
    if os.path.lexists(place):
        return False
    try:
        with creating(place) as file:
            file.write(content)
    except TakenError:
        return False
    return True
