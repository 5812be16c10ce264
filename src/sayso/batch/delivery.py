"""Write the results of a batch: rows, labels of long files, files sorted by word."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from sayso.batch import rows
from sayso.batch.annotations import ANNOTATIONS, annotate
from sayso.batch.classify import FileResult, Row
from sayso.batch.journal import Journal
from sayso.batch.sorting import sort_into
from sayso.batch.tally import Tally
from sayso.system.text import printable

# Columns of a terminal that are kept free for everything but the path.
OTHER_COLUMNS = 70


class Delivery:
    """Writes results as rows, as labels, and as files sorted by word.

    Parameters
    ----------
    style : str
        Format of the rows.
    journal : Journal or None
        The output file; None for stdout.
    min_confidence : float
        Detections with less confidence are left out.
    annotations : dict of str to Path
        Folders for the labels of long files, by the kind of labels.
    word_folders : mapping of str to Path
        Folders in which files are sorted, by label; empty if they are not sorted.
    copy : bool
        Whether sorted files are always copied instead of linked.
    excel : bool
        Whether CSV is made for a spreadsheet.
    """

    def __init__(
        self,
        style: str,
        journal: Journal | None,
        min_confidence: float,
        annotations: dict[str, Path],
        word_folders: Mapping[str, Path],
        copy: bool = False,
        excel: bool = False,
    ) -> None:
        self.journal = journal
        self._style, self._min_confidence, self._annotations = style, min_confidence, annotations
        self._word_folders, self._copy, self._excel = word_folders, copy, excel
        self._tally = Tally()
        self._width = journal.width if journal else 0

    @property
    def tally(self) -> Tally:
        """Counts of the batch so far."""
        return self.journal.tally if self.journal else self._tally

    def take(self, group: Sequence[FileResult]) -> Tally:
        """Write the results of a group of files, and return the counts of the batch so far."""
        if self._min_confidence:
            group = [
                replace(each, detections=tuple(d for d in each.detections if d.confidence >= self._min_confidence))
                for each in group
            ]
        # Before the rows, as after an interruption this is done again, which changes nothing.
        for result in group:
            self._place(result)
        header = "" if self.tally.files else self._header([result.path for result in group])
        text = header + "".join(self._line(row) for result in group for row in result.rows())
        if self.journal:
            self.journal.write(text, group)
        else:
            sys.stdout.write(self._fitted(text))
            sys.stdout.flush()
            self._tally = self._tally.plus(group)
        return self.tally

    def end(self) -> None:
        """Write the header if there were no files."""
        if self.journal and not self.tally.files:
            self.journal.write(self._header([]))

    def _header(self, paths: Sequence[str]) -> str:
        if self._style == "csv":
            return rows.csv_header(self._excel)
        return rows.table_header(self._columns(paths)) if self._style == "table" else ""

    def _line(self, row: Row) -> str:
        if self._style == "csv":
            return rows.csv_line(row, self._excel)
        return rows.table_line(row, self._width) if self._style == "table" else rows.jsonl_line(row)

    def _fitted(self, text: str) -> str:
        """Wrap the lines of a table at spaces if they are wider than the terminal."""
        if self._style != "table" or not sys.stdout.isatty():
            return text
        columns = max(shutil.get_terminal_size().columns, 40)
        wrapper = textwrap.TextWrapper(
            columns, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False, expand_tabs=False
        )
        return "".join(
            line if len(line) <= columns else f"{wrapper.fill(line.rstrip())}\n"
            for line in text.splitlines(keepends=True)
        )

    def _columns(self, paths: Sequence[str]) -> int:
        """Choose the width of the path column from the first paths, and on a terminal also from its width."""
        self._width = max((len(printable(path)) for path in paths), default=0)
        if self.journal:
            self.journal.width = self._width
        elif sys.stdout.isatty():
            self._width = min(self._width, max(shutil.get_terminal_size().columns - OTHER_COLUMNS, 20))
        return self._width

    def _place(self, result: FileResult) -> None:
        if not result.is_clip:
            for kind, folder in self._annotations.items():
                suffix, write = ANNOTATIONS[kind]
                annotate(folder, result.path, suffix, write(result))
        if self._word_folders:
            for label in dict.fromkeys(detection.label for detection in result.detections):
                sort_into(self._word_folders[label], result.path, self._copy)
