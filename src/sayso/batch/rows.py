"""Format rows as a table, CSV, JSON lines or Parquet."""

import csv
import io
import json
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

from sayso.batch.classify import Row
from sayso.errors import StorageError
from sayso.system.atomic_files import replacing
from sayso.system.text import printable

COLUMNS = ("path", "label", "confidence", "start", "end", "runners_up", "error")
# Rows in one row group of a Parquet file, which are converted at a time.
ROW_GROUP = 65_536


def row_to_dict(row: Row) -> dict[str, Any]:
    """Return a row as plain values."""
    detection = row.detection
    return {
        "path": row.path,
        "label": detection.label if detection else None,
        "confidence": round(detection.confidence, 4) if detection else None,
        "start": round(detection.start, 3) if detection else None,
        "end": round(detection.end, 3) if detection else None,
        "runners_up": {label: round(share, 4) for label, share in detection.runners_up} if detection else {},
        "error": row.error or None,
    }


def jsonl_line(row: Row) -> str:
    """Return a row as one line of JSON."""
    # Everything but ASCII is escaped, so that no file name can control a terminal.
    return json.dumps(row_to_dict(row)) + "\n"


def csv_line(row: Row) -> str:
    """Return a row as CSV (RFC 4180); missing values are empty."""
    values = row_to_dict(row)
    values["runners_up"] = " ".join(f"{label}={probability}" for label, probability in values["runners_up"].items())
    return _csv(values[column] for column in COLUMNS)


def csv_header() -> str:
    """Return the header line of a CSV file."""
    return _csv(COLUMNS)


def _csv(values: Iterable[Any]) -> str:
    text = io.StringIO()
    csv.writer(text).writerow(values)
    return text.getvalue()


def table_header(width: int) -> str:
    """Return the header line of a table whose path column has this width."""
    return f"{'path':<{width}}  {'label':<12} {'conf.':>7} {'start':>8} {'end':>8}  runners-up\n"


def table_line(row: Row, width: int) -> str:
    """Return a row as a line of a table; a path wider than its column shifts the others."""
    path = printable(row.path)
    if row.error:
        return f"{path:<{width}}  error: {printable(row.error)}\n"
    detection = row.detection
    if not detection:
        return f"{path:<{width}}  (no word detected)\n"
    others = ", ".join(f"{label} {100 * probability:.1f} %" for label, probability in detection.runners_up)
    confidence = f"{100 * detection.confidence:.1f} %"
    times = f"{detection.start:>8.2f} {detection.end:>8.2f}"
    return f"{path:<{width}}  {detection.label:<12} {confidence:>7} {times}  {others}".rstrip() + "\n"


def check_parquet() -> None:
    """Check before hours of work that Parquet can be written.

    Raises
    ------
    StorageError
        If pyarrow is not installed.
    """
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError as error:
        raise StorageError('writing Parquet needs pyarrow: pip install "sayso[parquet]"') from error


def to_parquet(rows: Path, output: Path) -> None:
    """Convert a file of JSON lines to Parquet, one row group at a time.

    Parameters
    ----------
    rows : Path
        File of lines as `jsonl_line` returns them.
    output : Path
        Path of the Parquet file.

    Raises
    ------
    StorageError
        If the file cannot be written.
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
                # Arrow takes valid Unicode only, but file names on Linux may be any bytes.
                row["path"] = row["path"].encode("utf-8", "surrogateescape").decode("utf-8", "replace")
            writer.write_table(pa.Table.from_pylist(part, schema))
