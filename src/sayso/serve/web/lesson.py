"""Teaching in a process of its own: live recognition goes on meanwhile, and it ends at once when it is not wanted.

The process is this file, run as a module. It tells each step, and then the result, as a line of JSON.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from sayso.errors import SaysoError, WorkerError

# Priority of the process below that of the server, whose sound may not wait.
NICE = 5
# Bytes of a line, and of what is kept of the standard error of a process that fails.
MOST_LINE, MOST_ERROR = 2**20, 2_000
# Files that could not be used, of which the page tells.
MOST_SKIPPED = 5


class Result(NamedTuple):
    """What teaching tells beside the model.

    Attributes
    ----------
    warnings : list of str
        What may spoil the result.
    doubtful : list of Path
        The recordings that fit their word least, worst first.
    """

    warnings: list[str]
    doubtful: list[Path]


async def taught(recordings: Path, base: Path, output: Path, progress: Callable[[str], None]) -> Result:
    """Teach the words of a folder to a model, and save the model; the process ends if the task is cancelled.

    Parameters
    ----------
    recordings, base, output : Path
        The folder, the file of the model, and where to save the taught one.
    progress : callable
        Called with the name of each step.

    Returns
    -------
    result : Result
        What there is to tell.

    Raises
    ------
    WorkerError
        If it cannot be taught; the message says why.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", __name__, str(recordings), str(base), str(output)),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, limit=MOST_LINE,
        # Ctrl-C in a terminal is for the server, which ends the process.
        start_new_session=True, creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
    )  # fmt: skip
    assert process.stdout
    assert process.stderr
    errors = asyncio.create_task(_tail(process.stderr))
    try:
        async for line in process.stdout:
            match json.loads(line):
                case {"step": str(step)}:
                    progress(step)
                case {"error": str(reason)}:
                    raise WorkerError(reason)
                case {"warnings": list(warnings), "doubtful": list(doubtful)}:
                    return Result(warnings, [Path(path) for path in doubtful])
        lines = (await errors).splitlines()
        raise WorkerError(f"teaching ended unexpectedly: {lines[-1] if lines else 'was its process killed?'}")
    finally:
        errors.cancel()
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _tail(reader: asyncio.StreamReader) -> str:
    """Return the end of what a process writes."""
    tail = b""
    while more := await reader.read(MOST_ERROR):
        tail = (tail + more)[-MOST_ERROR:]
    return tail.decode(errors="replace").strip()


def main() -> None:
    """Teach, in the process."""
    from sayso.tasks import teach

    recordings, base, output = sys.argv[1:]
    if hasattr(os, "nice"):
        os.nice(NICE)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        lesson = teach(recordings, base, progress=_Steps())
        lesson.model.save(output)
    except (SaysoError, OSError) as error:
        _tell(error=str(error))
        return
    unread = [f"{skipped.path} could not be used: {skipped.reason}" for skipped in lesson.skipped[:MOST_SKIPPED]]
    _tell(warnings=[*lesson.warnings, *unread], doubtful=[str(doubt.clip.path) for doubt in lesson.doubtful])


class _Steps:
    """Tells each step once, however often it is reported."""

    def __init__(self) -> None:
        self._step = ""

    def __call__(self, step: str, done: float) -> None:
        if step != self._step:
            self._step = step
            _tell(step=step)


def _tell(**message: Any) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def _end_with_parent() -> None:
    """Exit when the server is gone, which ends standard input."""
    sys.stdin.buffer.read()
    os._exit(1)


if __name__ == "__main__":
    main()
