"""An output file that grows for hours and can be resumed after an interruption, with the same bytes in the end.

Until it is complete, the file is called OUTPUT.part. About once a second it is flushed to disk; then its length and the
number of files done so far are saved in a side file (see `sayso.batch.side_file`). To resume, the file is cut to that
length, that many files are skipped, and the work goes on: rows after that point, complete or not, are written again.

The rows of a group of files are written in one call, so the number of files that is saved always ends a group, and the
groups after it are those of a run without interruption (see `sayso.batch.classify`).

Whatever OUTPUT.part holds belongs to the batch of the side file: a new batch is entered there first. At the end, the
size of the output is entered before OUTPUT.part gets its name, so that a kill in between is no more than a kill before
the last step.
"""

import hashlib
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sayso.batch.classify import FileResult
from sayso.batch.side_file import SideFile, State
from sayso.batch.tally import Tally
from sayso.errors import SettingsError, StorageError
from sayso.sound.sources import is_remote
from sayso.system.atomic_files import check_writable, open_new, unwritable, write_all
from sayso.system.locked_file import open_regular

# Seconds between two saves: about as much work is lost by a kill.
SAVE_SECONDS = 1.0


class Journal:
    """The output of a batch, as a context manager; if the context fails, it is kept so that it can be resumed.

    Parameters
    ----------
    output : Path
        Path of the complete output.
    identity : mapping
        Plain values on which the output depends; a batch can only be resumed with the same values.
    resume : bool
        Whether to resume an interrupted batch.
    overwrite : bool
        Whether the output may replace a finished one.
    finish : callable, optional
        Converts the file of rows, its first argument, into the output, its second; by default the file is renamed.

    Attributes
    ----------
    before : Tally
        Counts of the interrupted batch that is resumed.
    complete : bool
        Whether the batch to be resumed is complete already, so that there is nothing to write.
    dropped : Tally
        Counts of an interrupted batch that is replaced, as it is not to be resumed.

    Raises
    ------
    SettingsError
        If the batch to be resumed was another one, or its files are damaged.
    StorageError
        If the output cannot be written, may not be replaced, or is written by another process.
    """

    def __init__(
        self,
        output: Path,
        identity: Mapping[str, Any],
        resume: bool = False,
        overwrite: bool = False,
        finish: Callable[[Path, Path], None] | None = None,
    ) -> None:
        check_writable(output)
        self._output, self._resume, self._overwrite, self._finish = output, resume, overwrite, finish
        self._part = output.with_name(output.name + ".part")
        self._state = State(dict(identity))
        self._names, self._here = hashlib.sha256(), str(Path.cwd())
        self.before = self.dropped = Tally()
        self.complete = False

    @property
    def tally(self) -> Tally:
        """Counts of the batch so far, including the part before an interruption."""
        return self._state.tally

    @property
    def width(self) -> int:
        """Width of the first column of a table, which is the same after an interruption."""
        return self._state.width

    @width.setter
    def width(self, columns: int) -> None:
        self._state = replace(self._state, width=columns)

    def __enter__(self) -> Self:
        """Lock the output, and open OUTPUT.part at the position to resume from."""
        self._side = SideFile(self._output)
        try:
            self._begin()
        except BaseException as error:
            self._side.close()
            if isinstance(error, OSError):
                raise unwritable(self._part, error) from error
            raise
        self._saved = time.monotonic()
        return self

    def _begin(self) -> None:
        self._earlier = earlier = self._side.saved
        left = os.path.lexists(self._part)
        whole = earlier is not None and not left and self._size() is not None and self._size() == earlier.output_bytes
        if self._resume and earlier and whole:
            if not (self._overwrite and self._difference(earlier)):
                self._adopt(earlier, f"{self._output} is complete, but is the output of a batch")
                self.complete = True
                return
        elif self._resume and left and (earlier is None or earlier.length):
            if earlier is None:
                raise SettingsError(f"{self._side.path} is missing or damaged; {self._afresh()}")
            self._adopt(earlier, f"{self._part} was begun")
            self._state = replace(self._state, output_bytes=None)
            self._check_output()
            self._file: FileIO = open_regular(self._part)
            if self._file.seek(0, os.SEEK_END) < earlier.length:
                self._file.close()
                raise SettingsError(f"{self._part} is shorter than it was; {self._afresh()}")
            self._file.truncate(earlier.length)
            self._file.seek(earlier.length)
            return
        elif self._resume and earlier and earlier.length and earlier.output_bytes is None:
            raise SettingsError(f"{self._part} is missing; {self._afresh()}")
        self._begin_afresh(earlier)

    def _begin_afresh(self, earlier: State | None) -> None:
        if self._resume and earlier and earlier.output_bytes is None and not self._difference(earlier):
            # It was stopped before its first row.
            self._overwrite = self._overwrite or earlier.replaces
        self._state = replace(self._state, replaces=self._overwrite)
        self._check_output()
        if earlier and os.path.lexists(self._part):
            self.dropped = earlier.tally
        try:
            # Twice, so that both copies have their place on a disk that is full later.
            self._side.save(self._state)
            self._side.save(self._state)
            self._file = open_new(self._part)
        except OSError:
            self._forget()
            raise

    def _difference(self, earlier: State) -> str | None:
        """Return in which value an earlier batch was another one."""
        for name, ours in self._state.identity.items():
            if earlier.identity.get(name) != ours:
                return name
        return None

    def _adopt(self, earlier: State, what: str) -> None:
        """Continue from an earlier state, unless it is that of another batch."""
        if difference := self._difference(earlier):
            raise SettingsError(f"{what} with another {difference}; use the same, or {self._afresh()}")
        self._state, self.before = replace(earlier, replaces=earlier.replaces or self._overwrite), earlier.tally

    def _afresh(self) -> str:
        return f"start afresh without --resume{' but with --overwrite' if self._size() is not None else ''}"

    def _size(self) -> int | None:
        """Return the size of what has the name of the output, or None if there is nothing."""
        try:
            return self._output.stat().st_size
        except FileNotFoundError:
            return None

    def _check_output(self) -> None:
        """Raise a StorageError if there is an output that may not be replaced."""
        if self._size() is None or self._state.replaces:
            return
        by_another = " and was not written by this batch" if self._resume else ""
        raise StorageError(f"{self._output} exists{by_another}; --overwrite replaces it, or choose another --output")

    def left(self, files: Iterable[str]) -> Iterator[str]:
        """Skip the files that are done, and return the others.

        Raises
        ------
        SettingsError
            If the files skipped are not those that were done.
        """
        files = iter(files)
        for _, name in zip(range(self.before.files), files, strict=False):
            self._names.update(self._noted(name))
        if self.before.files and self._names.hexdigest() != self._state.digest:
            raise SettingsError(
                f"{self._output if self.complete else self._part} was begun with other files: the first "
                f"{self.before.files:,} are not the same; give the same, or {self._afresh()}"
            )
        if self.complete and (more := next(files, None)) is not None:
            raise SettingsError(f"{self._output} is complete, but without {more}, which is new; {self._afresh()}")
        return files

    def write(self, text: str, results: Sequence[FileResult] = ()) -> None:
        """Append the rows of a group of files."""
        try:
            content = text.encode()
            write_all(self._file, content)
            names = self._names.copy()
            for each in results:
                names.update(self._noted(each.path))
            length, tally = self._state.length + len(content), self.tally.plus(results)
            # In one statement, so that Ctrl-C cannot come between.
            self._names, self._state = (
                names,
                replace(self._state, length=length, digest=names.hexdigest(), tally=tally),
            )
            if time.monotonic() - self._saved >= SAVE_SECONDS:
                self._save()
        except OSError as error:
            raise unwritable(self._part, error) from error

    def _noted(self, name: str) -> bytes:
        """Return what the hash of names takes of a name: also where it leads from, if it is relative."""
        here = "" if is_remote(name) or os.path.isabs(name) else self._here  # noqa: PTH117 - called for each of millions
        return f"{here}\0{name}\0".encode("utf-8", "surrogateescape")

    def _save(self) -> None:
        os.fsync(self._file.fileno())
        self._side.save(self._state)
        self._saved = time.monotonic()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the file its final name if it is complete; otherwise save the position to resume from."""
        try:
            if not self.complete:
                self._end(bool(error))
        except (OSError, StorageError) as trouble:
            # If the context failed, report that error, not this one.
            if not error:
                raise trouble if isinstance(trouble, StorageError) else unwritable(self._output, trouble) from trouble
        finally:
            self._side.close()

    def _end(self, failed: bool) -> None:
        try:
            with self._file:
                # Without the beginning of a group that failed.
                self._file.truncate(self._state.length)
                self._save()
        except OSError:
            if not (self._side.saved and self._side.saved.length):
                self._forget()
            raise
        if failed:
            if not self._state.length:
                self._forget()
            return
        self._check_output()
        if self._finish:
            # From here on, what has the name of the output may be ours.
            self._state = replace(self._state, replaces=True)
            self._side.save(self._state)
            self._finish(self._part, self._output)
            self._side.save(replace(self._state, output_bytes=self._size()))
            self._part.unlink()
        else:
            self._side.save(replace(self._state, output_bytes=self._state.length))
            self._part.replace(self._output)

    def _forget(self) -> None:
        """Leave everything as it was before this batch, which has no row yet."""
        self._part.unlink(missing_ok=True)
        if self._earlier and self._earlier.output_bytes is not None:
            self._side.save(self._earlier)
        else:
            self._side.clear()
