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
BYTE_ORDER_MARK = "\ufeff"
# A spreadsheet takes text that begins with one of these for a formula; the last four are their full-width forms.
FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")  # noqa: RUF001


def row_to_dict(row: Row) -> dict[str, Any]:
    """Return a row as plain values, whose text is safe in every format (see `printable`)."""
    detection = row.detection
    return {
        "path": printable(row.path),
        "label": printable(detection.label) if detection else None,
        "confidence": round(detection.confidence, 4) if detection else None,
        "start": round(detection.start, 3) if detection else None,
        "end": round(detection.end, 3) if detection else None,
        "runners_up": {printable(label): round(p, 4) for label, p in detection.runners_up} if detection else {},
        "error": printable(row.error) or None,
    }


def jsonl_line(row: Row) -> str:
    """Return a row as one line of JSON, in ASCII."""
    return json.dumps(row_to_dict(row)) + "\n"


def csv_line(row: Row, excel: bool = False) -> str:
    """Return a row as CSV (RFC 4180); missing values are empty.

    Parameters
    ----------
    row : Row
        The row.
    excel : bool
        Whether a spreadsheet shall show text that it would take for a formula: an apostrophe goes before it.
    """
    values = row_to_dict(row)
    values["runners_up"] = " ".join(f"{label}={probability}" for label, probability in values["runners_up"].items())
    cells = (values[column] for column in COLUMNS)
    return _csv(map(_no_formula, cells) if excel else cells)


def csv_header(excel: bool = False) -> str:
    """Return the header line of a CSV file; by the byte order mark before it, Excel knows that the file is UTF-8."""
    return (BYTE_ORDER_MARK if excel else "") + _csv(COLUMNS)


def _no_formula(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell


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
    runners_up = detection.runners_up
    others = ", ".join(f"{printable(label)} {100 * probability:.1f} %" for label, probability in runners_up)
    confidence = f"{100 * detection.confidence:.1f} %"
    times = f"{detection.start:>8.2f} {detection.end:>8.2f}"
    return f"{path:<{width}}  {printable(detection.label):<12} {confidence:>7} {times}  {others}".rstrip() + "\n"


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
        rows.open(encoding="utf-8") as lines,
        replacing(output) as file,
        parquet.ParquetWriter(file, schema) as writer,
    ):
        while part := [json.loads(line) for line in islice(lines, ROW_GROUP)]:
            for row in part:
                row["runners_up"] = list(row["runners_up"].items())
            writer.write_table(pa.Table.from_pylist(part, schema))
