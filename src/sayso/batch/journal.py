"""A file of rows that grows for hours, and goes on after an interruption as if there had been none.

Until it is whole it bears another name, OUTPUT.part. Now and then what was written is forced to the disk, and then its
length and the number of files done so far go into OUTPUT.resume.json. To resume is to cut the file to that length, pass
over as many files, and go on: whatever was written after, or half written, is written again.
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
from sayso.config import SILENCE, UNKNOWN
from sayso.errors import SettingsError, StorageError
from sayso.system.atomic_files import check_writable, write_atomically

# Seconds of work that an interruption costs at most.
SAVE_SECONDS = 1.0


@dataclass(frozen=True)
class Tally:
    """What a batch has come to.

    Attributes
    ----------
    files, words, errors : int
        Files done, words heard in them (silence and unknown speech are none), files with an error.
    seconds : float
        Length of all sound.
    """

    files: int = 0
    words: int = 0
    errors: int = 0
    seconds: float = 0.0

    def plus(self, results: Sequence[FileResult]) -> Self:
        """Count more files."""
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
    """What the side file holds."""

    identity: dict[str, Any]
    length: int = 0
    digest: str = ""
    tally: Tally = field(default_factory=Tally)


def is_whole(output: Path) -> bool:
    """Tell whether a file of rows is there and no interrupted batch for it."""
    return output.exists() and not _side(output).exists()


def _side(output: Path) -> Path:
    return output.with_name(output.name + ".resume.json")


class Journal:
    """The output of a batch, as a context manager; it is kept for a resumption if the context fails.

    Parameters
    ----------
    output : Path
        Where the rows shall stand once they are whole.
    identity : mapping
        Plain values on which the rows depend; a batch can only be resumed with the same.
    resume : bool
        Whether to go on where an earlier batch stopped.
    finish : callable, optional
        Turns the file of rows, its first argument, into the output, its second; it is renamed if there is none.

    Attributes
    ----------
    before : Tally
        What an earlier, interrupted part of the batch had come to.

    Raises
    ------
    SettingsError
        If there is nothing to resume, or it was another batch.
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
        self._side = _side(output)
        self._state = _State(dict(identity))
        self._names = hashlib.sha256()
        if resume:
            self._read()
        self.before = self.tally
        self._saved = time.monotonic()

    @property
    def tally(self) -> Tally:
        """What the batch has come to, the part before an interruption included."""
        return self._state.tally

    @property
    def left_over(self) -> bool:
        """Whether an earlier batch was interrupted."""
        return self._side.exists()

    def _read(self) -> None:
        if not self._side.exists():
            # It was stopped before it had begun.
            return
        try:
            content = json.loads(self._side.read_text(encoding="utf-8"))
            state = _State(content["identity"], content["length"], content["digest"], Tally(**content["tally"]))
            size = self._part.stat().st_size
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SettingsError(f"{self._side} or {self._part} is damaged; start afresh without --resume") from error
        for name, ours in self._state.identity.items():
            if state.identity.get(name) != ours:
                raise SettingsError(
                    f"{self._part} was begun with another {name}; use the same, or start afresh without --resume"
                )
        if size < state.length:
            raise SettingsError(f"{self._part} is shorter than it was; start afresh without --resume")
        self._state = state

    def __enter__(self) -> Self:
        """Open the file of rows."""
        try:
            if not self._state.length:
                # What it says of an earlier batch must not be believed of this one.
                self._side.unlink(missing_ok=True)
            self._file: BinaryIO = self._part.open("r+b" if self._state.length else "wb")
            self._file.truncate(self._state.length)
            self._file.seek(self._state.length)
        except OSError as error:
            raise _unwritable(self._part, error) from error
        return self

    def left(self, files: Iterable[str]) -> Iterator[str]:
        """Pass over the files that are done, and yield the others.

        Raises
        ------
        SettingsError
            If those passed over are not those that were done.
        """
        files = iter(files)
        for _, name in zip(range(self.before.files), files, strict=False):
            self._names.update(_noted(name))
        if self.before.files and self._names.hexdigest() != self._state.digest:
            raise SettingsError(
                f"{self._part} was begun with other files: the first {self.before.files} are not what they were; "
                "give the same, or start afresh without --resume"
            )
        return files

    def write(self, text: str, results: Sequence[FileResult] = ()) -> None:
        """Append the rows of some files."""
        try:
            self._file.write(text.encode("utf-8", "surrogateescape"))
            names = self._names.copy()
            for each in results:
                names.update(_noted(each.path))
            tally = self.tally.plus(results)
            # In one go, so that Ctrl-C finds either all of it or nothing.
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
        write_atomically(self._side, json.dumps(asdict(self._state)).encode())
        self._saved = time.monotonic()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the file its name if it is whole; else note how far it is."""
        try:
            with self._file:
                self._save()
            if error:
                if not self._state.length:
                    self._part.unlink()
                    self._side.unlink()
                return
            if self._finish:
                self._finish(self._part, self._output)
                self._part.unlink()
            else:
                self._part.replace(self._output)
            self._side.unlink()
        except (OSError, StorageError) as trouble:
            # What went wrong first is what matters.
            if not error:
                raise trouble if isinstance(trouble, StorageError) else _unwritable(self._output, trouble) from trouble


def _noted(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape") + b"\0"


def _unwritable(path: Path, error: OSError) -> StorageError:
    return StorageError(f"cannot write {path}: {error.strerror or error}; choose another place or free some space")
