"""Write the words detected in long files as labels for Audacity and Praat."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PurePath

from sayso.batch.classify import FileResult
from sayso.batch.sorting import base_name, candidate_names
from sayso.recognition.decision import Detection
from sayso.system.atomic_files import write_atomically


def audacity_labels(result: FileResult) -> str:
    """Return the words of a file as a label track for Audacity: start, end and label, separated by tabs."""
    return "".join(f"{word.start:.3f}\t{word.end:.3f}\t{word.label}\n" for word in result.detections)


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
        quoted = label.replace('"', '""')
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
    """Write a text about a sound into a folder, under the name of the sound; other files are never overwritten."""
    content = text.encode("utf-8", "surrogateescape")
    for place in candidate_names(folder, PurePath(base_name(name)).stem + suffix):
        if not place.exists():
            write_atomically(place, content)
        elif place.read_bytes() != content:
            continue
        return place
    raise AssertionError("names never run out")
