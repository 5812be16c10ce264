"""Rows as text for people and programs, and words as labels for editors of sound."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from sayso.batch.classify import Heard, Row
from sayso.errors import StorageError
from sayso.recognition.decision import Detection
from sayso.system.atomic_files import replacing
from sayso.system.text import printable

COLUMNS = ("path", "label", "confidence", "start", "end", "runners_up", "error")
# Rows that are turned into Parquet at a time, each such part one row group of the file.
ROW_GROUP = 65_536


def plain(row: Row) -> dict[str, Any]:
    """Return a row as plain values."""
    heard = row.detection
    return {
        "path": row.path,
        "label": heard.label if heard else None,
        "confidence": round(heard.confidence, 4) if heard else None,
        "start": round(heard.start, 3) if heard else None,
        "end": round(heard.end, 3) if heard else None,
        "runners_up": {label: round(probability, 4) for label, probability in heard.runners_up} if heard else {},
        "error": row.error or None,
    }


def jsonl_line(row: Row) -> str:
    """Write a row as one line of JSON."""
    # What is not ASCII is escaped, so that no name can command a terminal.
    return json.dumps(plain(row)) + "\n"


def csv_line(row: Row) -> str:
    """Write a row as CSV (RFC 4180), empty where there is nothing to say."""
    values = plain(row)
    values["runners_up"] = " ".join(f"{label}={probability}" for label, probability in values["runners_up"].items())
    return _csv(values[column] for column in COLUMNS)


def csv_header() -> str:
    """Return the line that names the columns."""
    return _csv(COLUMNS)


def _csv(values: Iterable[Any]) -> str:
    text = io.StringIO()
    csv.writer(text).writerow(values)
    return text.getvalue()


def table_header(width: int) -> str:
    """Return the line above a table whose paths are so wide."""
    return f"{'path':<{width}}  {'label':<12} {'conf.':>7} {'start':>8} {'end':>8}  runners-up\n"


def table_line(row: Row, width: int) -> str:
    """Write a row in columns; a path that is wider than its column moves the others."""
    path = printable(row.path)
    if row.error:
        # The error names the file itself.
        return f"{path:<{width}}  error: {printable(row.error)}\n"
    heard = row.detection
    if not heard:
        return f"{path:<{width}}  (no word heard)\n"
    others = ", ".join(f"{label} {100 * probability:.1f} %" for label, probability in heard.runners_up)
    confidence = f"{100 * heard.confidence:.1f} %"
    times = f"{heard.start:>8.2f} {heard.end:>8.2f}"
    return f"{path:<{width}}  {heard.label:<12} {confidence:>7} {times}  {others}".rstrip() + "\n"


def check_parquet() -> None:
    """Make sure, before hours of work, that Parquet can be written.

    Raises
    ------
    StorageError
        If what it needs is not installed.
    """
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError as error:
        raise StorageError('writing Parquet needs pyarrow: pip install "sayso[parquet]"') from error


def to_parquet(rows: Path, output: Path) -> None:
    """Turn a file of JSON lines into one of Parquet, piece by piece.

    Parameters
    ----------
    rows : Path
        The lines, as `jsonl_line` writes them.
    output : Path
        Where the Parquet file shall stand.

    Raises
    ------
    StorageError
        If it cannot be written.
    """
    import pyarrow as pa
    from pyarrow import parquet

    schema = pa.schema(
        [("path", pa.string()), ("label", pa.string()), ("confidence", pa.float64()), ("start", pa.float64()),
         ("end", pa.float64()), ("runners_up", pa.map_(pa.string(), pa.float64())), ("error", pa.string())]
    )  # fmt: skip
    with (
        rows.open(encoding="utf-8", errors="surrogateescape") as lines,
        replacing(output) as file,
        parquet.ParquetWriter(file, schema) as writer,
    ):
        while part := [json.loads(line) for line in islice(lines, ROW_GROUP)]:
            for row in part:
                row["runners_up"] = list(row["runners_up"].items())
                # Arrow holds valid text only, and Linux has names that are none.
                row["path"] = row["path"].encode("utf-8", "surrogateescape").decode("utf-8", "replace")
            writer.write_table(pa.Table.from_pylist(part, schema))


def audacity_labels(heard: Heard) -> str:
    """Write the words of a file as a label track that Audacity imports: start, end and label, separated by tabs."""
    return "".join(f"{word.start:.3f}\t{word.end:.3f}\t{word.label}\n" for word in heard.detections)


def text_grid(heard: Heard) -> str:
    """Write the words of a file as a Praat TextGrid: one tier of intervals, which is empty between the words.

    Windows of words said in quick succession overlap, and intervals cannot: there each word ends where the next begins.
    """
    intervals = list(_intervals(heard.detections, heard.seconds))
    lines = [
        'File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0", f"xmax = {heard.seconds:.6f}",
        "tiers? <exists>", "size = 1", "item []:", "    item [1]:", '        class = "IntervalTier"',
        '        name = "words"', "        xmin = 0", f"        xmax = {heard.seconds:.6f}",
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
    """Yield stretches that fill the time from 0 to the end without a gap."""
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


# By the name of the option: the suffix of the files, and what is in them.
ANNOTATIONS: dict[str, tuple[str, Callable[[Heard], str]]] = {
    "audacity": (".txt", audacity_labels),
    "textgrid": (".TextGrid", text_grid),
}
