"""What `sayso classify` does with what is heard: rows, labels, sorted files; a bar meanwhile, and a line at the end."""

from __future__ import annotations

import hashlib
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from sayso.batch import rows
from sayso.batch.classify import Heard, Row
from sayso.batch.inputs import all_files
from sayso.batch.journal import Journal, Tally
from sayso.batch.sorting import annotate, sort_into
from sayso.cli.console import note, progress_bar

# Columns of a terminal that the paths leave to the others.
OTHER_COLUMNS = 70


class Delivery:
    """Where the rows go, and what else becomes of what is heard.

    Parameters
    ----------
    style : str
        How rows are written.
    journal : Journal or None
        The output; stdout if there is none.
    min_confidence : float
        What is less likely is left out.
    annotations : dict of str to Path
        Folders for labels of long files, by the kind of the labels.
    sort_folder : Path or None
        Where files are sorted by word.
    copy : bool
        Whether they are copied in any case.
    """

    def __init__(
        self,
        style: str,
        journal: Journal | None,
        min_confidence: float,
        annotations: dict[str, Path],
        sort_folder: Path | None,
        copy: bool,
    ) -> None:
        self.journal = journal
        self._style, self._min_confidence, self._annotations = style, min_confidence, annotations
        self._sort_folder, self._copy = sort_folder, copy
        self._tally = Tally()
        self._width = 0

    @property
    def tally(self) -> Tally:
        """What the batch has come to."""
        return self.journal.tally if self.journal else self._tally

    def take(self, group: Sequence[Heard]) -> Tally:
        """Deliver what was heard in some files, and return what the batch has come to."""
        if self._min_confidence:
            group = [
                replace(each, detections=tuple(d for d in each.detections if d.confidence >= self._min_confidence))
                for each in group
            ]
        # Before the rows: what is done twice after an interruption changes nothing here.
        for heard in group:
            self._place(heard)
        header = "" if self.tally.files else self._header([heard.path for heard in group])
        text = header + "".join(self._line(row) for heard in group for row in heard.rows())
        if self.journal:
            self.journal.write(text, group)
        else:
            sys.stdout.write(text)
            sys.stdout.flush()
            self._tally = self._tally.plus(group)
        return self.tally

    def end(self) -> None:
        """Write the header if there was not even one file."""
        if self.journal and not self.tally.files:
            self.journal.write(self._header([]))

    def _header(self, paths: Sequence[str]) -> str:
        if self._style == "csv":
            return rows.csv_header()
        return rows.table_header(self._columns(paths)) if self._style == "table" else ""

    def _line(self, row: Row) -> str:
        if self._style == "csv":
            return rows.csv_line(row)
        return rows.table_line(row, self._width) if self._style == "table" else rows.jsonl_line(row)

    def _columns(self, paths: Sequence[str]) -> int:
        """Choose the width of the paths from the first of them, and on a terminal from its width, too."""
        self._width = max((len(path) for path in paths), default=0)
        if not self.journal and sys.stdout.isatty():
            self._width = min(self._width, max(shutil.get_terminal_size().columns - OTHER_COLUMNS, 20))
        return self._width

    def _place(self, heard: Heard) -> None:
        if not heard.is_clip:
            for kind, folder in self._annotations.items():
                suffix, write = rows.ANNOTATIONS[kind]
                annotate(folder, heard.path, suffix, write(heard))
        if self._sort_folder:
            for label in dict.fromkeys(detection.label for detection in heard.detections):
                sort_into(self._sort_folder, label, heard.path, self._copy)


def journal_of(output: Path, style: str, model: Path, min_confidence: float, resume: bool) -> Journal:
    """Prepare the output of a batch, and say what becomes of an earlier one."""
    if style == "parquet":
        rows.check_parquet()
    identity = {
        "model": hashlib.sha256(model.read_bytes()).hexdigest(),
        "format": style,
        "minimum confidence": min_confidence,
    }
    journal = Journal(output, identity, resume, rows.to_parquet if style == "parquet" else None)
    if journal.before.files:
        note(f"resuming after {journal.before.files:,} files")
    elif journal.left_over and not resume:
        note(f"starting afresh; {output}.part of an earlier batch is replaced (--resume would go on from it)")
    return journal


@contextmanager
def progress(places: Sequence[str], listing: str | None, delivery: Delivery) -> Iterator[Callable[[Tally], None]]:
    """Show a bar on stderr, unless rows go to the same terminal; yield what moves it on."""
    if not sys.stderr.isatty() or (not delivery.journal and sys.stdout.isatty()):
        yield lambda tally: None
        return
    done, before = delivery.tally, time.perf_counter()
    with progress_bar("{task.completed:,}/{task.fields[of]} files", "{task.fields[speed]}") as bar:
        task = bar.add_task("", total=None, completed=done.files, of="?", speed="")

        def count() -> None:
            # Beside the work, which it need not wait for.
            total = sum(1 for _ in all_files(places, listing))
            bar.update(task, total=total, of=f"{total:,}")

        if "-" not in (*places, listing):
            threading.Thread(target=count, daemon=True).start()

        def advance(tally: Tally) -> None:
            bar.update(task, completed=tally.files, speed=_speed(tally, done, time.perf_counter() - before))

        yield advance


def _speed(tally: Tally, before: Tally, seconds: float) -> str:
    seconds = max(seconds, 1e-3)
    files, hours = tally.files - before.files, (tally.seconds - before.seconds) / 3600
    return f"{files / seconds:,.0f} files/s, {hours / seconds:.2f} h of sound/s"


def summary(delivery: Delivery, seconds: float) -> str:
    """Say in a line what a batch has come to."""
    tally, before = delivery.tally, delivery.journal.before if delivery.journal else Tally()
    times = (tally.seconds - before.seconds) / max(seconds, 1e-3)
    return (
        f"{_count(tally.files, 'file')}, {tally.seconds / 3600:.2f} h of sound: {_count(tally.words, 'word')}, "
        f"{_count(tally.errors, 'error')}; {seconds:.1f} s, {_speed(tally, before, seconds)}, "
        f"{times:,.0f} times as fast as real time"
    )


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"
