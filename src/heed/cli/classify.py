"""`heed classify`: tell the words in files."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

if TYPE_CHECKING:
    from heed.batch import Row

COLUMNS = ("path", "label", "confidence", "start", "end", "runners_up", "error")


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("-m", "--model", help="A model file, or the name of a shipped model.")
@click.option(
    "--format", "style", type=click.Choice(["table", "csv", "jsonl"]), default="table", show_default=True,
    help="A table for people, CSV or JSON lines for programs.",
)  # fmt: skip
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write the rows to a file.")
@click.pass_context
def classify(
    context: click.Context, paths: tuple[str, ...], model: str | None, style: str, output: Path | None
) -> None:
    """Tell the words in sound files, in all files of folders, and in files that match a pattern.

    A file of up to 2 seconds is one clip and gets one row. A longer one gets a row for each word heard in it, or one
    row without a label if there was none. A file that cannot be read gets a row with its error, and the exit status is
    1.

    Example: heed classify recordings --format csv -o words.csv
    """
    from heed.batch import classify_file, sound_files
    from heed.cli.console import note, tracked
    from heed.model_file import DEFAULT
    from heed.recognizer import load
    from heed.storage import replacing

    recognizer = load(model or DEFAULT)
    files = sound_files(paths)
    failed = False
    with ExitStack() as stack:
        stream: TextIO = sys.stdout
        if output:
            stream = io.TextIOWrapper(stack.enter_context(replacing(output)), encoding="utf-8", newline="")
            stack.callback(stream.detach)
        write = {"table": table_writer, "csv": csv_writer, "jsonl": jsonl_writer}[style](stream, files)
        # Rows and a bar on one terminal would disturb each other, so the bar is for rows that go to a file.
        for path in tracked(files, "{task.completed}/{task.total} files") if output else files:
            for row in classify_file(recognizer, path):
                failed |= bool(row.error)
                write(row)
        stream.flush()
    if output:
        note(f"saved {output}")
    if failed:
        context.exit(1)


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


def jsonl_writer(stream: TextIO, files: Sequence[str]) -> Callable[[Row], None]:
    """Write each row as one line of JSON."""
    return lambda row: print(json.dumps(plain(row), ensure_ascii=False), file=stream)


def csv_writer(stream: TextIO, files: Sequence[str]) -> Callable[[Row], None]:
    """Write rows as CSV (RFC 4180), empty where there is nothing to say."""
    writer = csv.writer(stream)
    writer.writerow(COLUMNS)

    def write(row: Row) -> None:
        values = plain(row)
        values["runners_up"] = " ".join(f"{label}={probability}" for label, probability in values["runners_up"].items())
        writer.writerow(values[column] for column in COLUMNS)

    return write


def table_writer(stream: TextIO, files: Sequence[str]) -> Callable[[Row], None]:
    """Write rows in columns, as wide as the paths need, each as soon as it is known."""
    from heed.cli.console import percent

    width = max(len(file) for file in files)
    print(f"{'path':<{width}}  {'label':<12} {'conf.':>7} {'start':>8} {'end':>8}  runners-up", file=stream)

    def write(row: Row) -> None:
        if row.error:
            # The error names the file itself.
            print(f"{row.path:<{width}}  error: {row.error}", file=stream)
        elif heard := row.detection:
            others = ", ".join(f"{label} {percent(probability)}" for label, probability in heard.runners_up)
            print(
                f"{row.path:<{width}}  {heard.label:<12} {percent(heard.confidence):>7} "
                f"{heard.start:>8.2f} {heard.end:>8.2f}  {others}",
                file=stream,
            )
        else:
            print(f"{row.path:<{width}}  (no word heard)", file=stream)

    return write
