"""An output file that grows for hours and can be resumed after an interruption, with the same bytes in the end.

Until it is complete, the file is called OUTPUT.part. About once a second it is flushed to disk; then its length and the
number of files done so far are saved in OUTPUT.resume.json. To resume, the file is cut to that length, that many files
are skipped, and the work goes on: rows after that point, complete or not, are written again.

The rows of a group of files are written in one call, so the number of files that is saved always ends a group, and the
groups after it are those of a run without interruption (see `sayso.batch.classify`).
"""

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from sayso.batch.classify import FileResult
from sayso.config import SILENCE, UNKNOWN, build
from sayso.errors import DamageError, SettingsError, StorageError, untrusted
from sayso.system.atomic_files import check_writable, write_atomically

# Seconds between two saves: about as much work is lost by a kill.
SAVE_SECONDS = 1.0


@dataclass(frozen=True)
class Tally:
    """Counts of a batch.

    Attributes
    ----------
    files, words, errors : int
        Files done, words detected in them (not counting silence and unknown speech), files with an error.
    seconds : float
        Total duration of the sound.
    """

    files: int = 0
    words: int = 0
    errors: int = 0
    seconds: float = 0.0

    def plus(self, results: Sequence[FileResult]) -> Self:
        """Return the counts with those of more files added."""
        detections = [detection for each in results for detection in each.detections]
        return replace(
            self,
            files=self.files + len(results),
            words=self.words + sum(detection.label not in (SILENCE, UNKNOWN) for detection in detections),
            errors=self.errors + sum(bool(each.error) for each in results),
            seconds=self.seconds + sum(each.seconds for each in results),
        )


@dataclass(frozen=True)
class _State:
    """Content of OUTPUT.resume.json."""

    identity: dict[str, Any]
    length: int = 0
    digest: str = ""
    tally: Tally = field(default_factory=Tally)


def is_whole(output: Path) -> bool:
    """Return whether the output exists and is complete, that is, no interrupted batch is left for it."""
    return output.exists() and not _state_path(output).exists()


def _state_path(output: Path) -> Path:
    return output.with_name(output.name + ".resume.json")


class Journal:
    """The output of a batch, as a context manager; if the context fails, it is kept so that it can be resumed.

    Parameters
    ----------
    output : Path
        Path of the complete output.
    identity : mapping
        Plain values on which the rows depend; a batch can only be resumed with the same values.
    resume : bool
        Whether to resume an interrupted batch.
    finish : callable, optional
        Converts the file of rows, its first argument, into the output, its second; by default the file is renamed.

    Attributes
    ----------
    before : Tally
        Counts of the interrupted batch that is resumed.

    Raises
    ------
    SettingsError
        If the interrupted batch was another one, or its files are damaged.
    StorageError
        If the output cannot be written.
    """

    def __init__(
        self,
        output: Path,
        identity: Mapping[str, Any],
        resume: bool = False,
        finish: Callable[[Path, Path], None] | None = None,
    ) -> None:
        check_writable(output)
        self._output, self._finish = output, finish
        self._part = output.with_name(output.name + ".part")
        self._state_path = _state_path(output)
        self._state = _State(dict(identity))
        self._names = hashlib.sha256()
        if resume:
            self._read()
        self.before = self.tally
        self._saved = time.monotonic()

    @property
    def tally(self) -> Tally:
        """Counts of the batch so far, including the part before an interruption."""
        return self._state.tally

    @property
    def left_over(self) -> bool:
        """Whether an earlier batch was interrupted."""
        return self._state_path.exists()

    def _read(self) -> None:
        if not self._state_path.exists():
            # The batch was stopped before the first save.
            return
        try:
            with untrusted():
                content = json.loads(self._state_path.read_bytes())
                tally, length = build(Tally, content["tally"], "tally"), content["length"]
                state = _State(dict(content["identity"]), length, str(content["digest"]), tally)
                if not isinstance(length, int) or length < 0 or tally.files < 0:
                    raise ValueError("its counts are not whole numbers from 0")
            size = self._part.stat().st_size
        except (OSError, DamageError) as error:
            raise SettingsError(
                f"{self._state_path} or {self._part} is damaged; start afresh without --resume"
            ) from error
        for name, ours in self._state.identity.items():
            if state.identity.get(name) != ours:
                raise SettingsError(
                    f"{self._part} was begun with another {name}; use the same, or start afresh without --resume"
                )
        if size < state.length:
            raise SettingsError(f"{self._part} is shorter than it was; start afresh without --resume")
        self._state = state

    def __enter__(self) -> Self:
        """Open OUTPUT.part at the position to resume from."""
        try:
            if not self._state.length:
                # After a kill, it would pass for the state of this batch.
                self._state_path.unlink(missing_ok=True)
            self._file: BinaryIO = self._part.open("r+b" if self._state.length else "wb")
            self._file.truncate(self._state.length)
            self._file.seek(self._state.length)
        except OSError as error:
            raise _unwritable(self._part, error) from error
        return self

    def left(self, files: Iterable[str]) -> Iterator[str]:
        """Skip the files that are done, and return the others.

        Raises
        ------
        SettingsError
            If the files skipped are not those that were done.
        """
        files = iter(files)
        for _, name in zip(range(self.before.files), files, strict=False):
            self._names.update(_noted(name))
        if self.before.files and self._names.hexdigest() != self._state.digest:
            raise SettingsError(
                f"{self._part} was begun with other files: the first {self.before.files} are not the same; "
                "give the same, or start afresh without --resume"
            )
        return files

    def write(self, text: str, results: Sequence[FileResult] = ()) -> None:
        """Append the rows of a group of files."""
        try:
            self._file.write(text.encode("utf-8", "surrogateescape"))
            names = self._names.copy()
            for each in results:
                names.update(_noted(each.path))
            tally = self.tally.plus(results)
            # In one statement, so that Ctrl-C cannot come between.
            self._names, self._state = (
                names,
                replace(self._state, length=self._file.tell(), digest=names.hexdigest(), tally=tally),
            )
            if time.monotonic() - self._saved >= SAVE_SECONDS:
                self._save()
        except OSError as error:
            raise _unwritable(self._part, error) from error

    def _save(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        write_atomically(self._state_path, json.dumps(asdict(self._state)).encode())
        self._saved = time.monotonic()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the file its final name if it is complete; otherwise save the position to resume from."""
        try:
            with self._file:
                self._save()
            if error:
                if not self._state.length:
                    self._part.unlink()
                    self._state_path.unlink()
                return
            if self._finish:
                self._finish(self._part, self._output)
                self._part.unlink()
            else:
                self._part.replace(self._output)
            self._state_path.unlink()
        except (OSError, StorageError) as trouble:
            # If the context failed, report that error, not this one.
            if not error:
                raise trouble if isinstance(trouble, StorageError) else _unwritable(self._output, trouble) from trouble


def _noted(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape") + b"\0"


def _unwritable(path: Path, error: OSError) -> StorageError:
    return StorageError(f"cannot write {path}: {error.strerror or error}; choose another place or free some space")
