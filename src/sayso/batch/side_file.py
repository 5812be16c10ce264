"""The file beside an output that says which batch writes it, and how far it is.

It is locked while a batch runs, so that two never write one output. It stays when the output is complete: without it,
nothing could tell whether a finished output is that of the batch to be resumed, or an older one.

It holds two copies of the state, written in turn, each with a checksum. Whenever the process is killed, or the disk is
full, at least one copy is whole.
"""

import contextlib
import hashlib
import json
import math
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sayso.batch.tally import Tally
from sayso.errors import DamageError, StorageError, untrusted
from sayso.system.atomic_files import unwritable, write_all
from sayso.system.locked_file import open_locked

# Bytes for each copy: enough for three of the longest paths.
SLOT = 65_536
_LARGEST = 2**63


@dataclass(frozen=True)
class State:
    """How far a batch is.

    Attributes
    ----------
    identity : dict
        Plain values on which the output depends.
    replaces : bool
        Whether the output may replace a file that is there already.
    length : int
        Bytes of rows that are on disk.
    digest : str
        Hash of the names of the files that are done.
    tally : Tally
        Counts of these files.
    width : int
        Width of the first column of a table.
    output_bytes : int or None
        Size of the output; None until it is complete.
    """

    identity: dict[str, Any]
    replaces: bool = False
    length: int = 0
    digest: str = ""
    tally: Tally = field(default_factory=Tally)
    width: int = 0
    output_bytes: int | None = None


def side_path(output: Path) -> Path:
    """Return the path of the side file of an output: hidden, so that no walk takes it for input."""
    return output.with_name(f".{output.name}.batch")


class SideFile:
    """An open and locked side file.

    Parameters
    ----------
    output : Path
        The output that it belongs to.

    Attributes
    ----------
    saved : State or None
        The state saved last; None if there is none, or none that can be read.

    Raises
    ------
    StorageError
        If another process has the file, or it cannot be opened.
    """

    def __init__(self, output: Path) -> None:
        self._output, self.path = output, side_path(output)
        try:
            file = open_locked(self.path)
        except OSError as error:
            raise unwritable(self.path, error) from error
        if file is None:
            raise StorageError(
                f"another sayso is writing {output}; wait until it has finished, or choose another --output"
            )
        self._file = file
        try:
            copies = [self._read(slot) for slot in (0, 1)]
        except OSError as error:
            file.close()
            raise unwritable(self.path, error) from error
        self._number, self.saved = max(copies, key=lambda copy: copy[0])

    def _read(self, slot: int) -> tuple[int, State | None]:
        """Return the number and the state of a copy, or -1 and None if it is not whole."""
        self._file.seek(slot * SLOT)
        line, end, _ = (self._file.read(SLOT) or b"").partition(b"\n")
        checksum, _, content = line.partition(b" ")
        if not end or checksum != _checksum(content):
            return -1, None
        try:
            with untrusted():
                values = json.loads(content)
                return _count(values.pop("number")), _state(values)
        except DamageError:
            return -1, None

    def save(self, state: State) -> None:
        """Save a state; the one before stays readable until this is done.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        number = self._number + 1
        content = json.dumps({"number": number, **asdict(state)}).encode()
        line = _checksum(content) + b" " + content + b"\n"
        if len(line) > SLOT:
            raise OSError(0, "the state of the batch is too long")
        self._file.seek(number % 2 * SLOT)
        write_all(self._file, line)
        os.fsync(self._file.fileno())
        self._number, self.saved = number, state

    def clear(self) -> None:
        """Forget all states, as nothing is left to resume."""
        self._file.truncate(0)
        self.saved = None

    def close(self) -> None:
        """Unlock the file, and delete it if it holds nothing."""
        with self._file:
            if self._file.seek(0, os.SEEK_END) == 0:
                # Windows keeps open files.
                with contextlib.suppress(PermissionError):
                    self.path.unlink()


def _checksum(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest()[:16].encode()


def _state(values: dict[str, Any]) -> State:
    """Build a state from JSON; raise a ValueError, TypeError, KeyError or AttributeError if it is none."""
    tally = Tally(**values.pop("tally"))
    state = State(**values, tally=tally)
    for number in (state.length, state.width, tally.files, tally.words, tally.errors, state.output_bytes or 0):
        _count(number)
    if not (isinstance(state.identity, dict) and isinstance(state.digest, str) and math.isfinite(tally.seconds)):
        raise ValueError("not the state of a batch")
    return state


def _count(number: Any) -> int:
    if type(number) is not int or not 0 <= number < _LARGEST:
        raise ValueError(f"{number!r} is not a count")
    return number
