"""Run a command of sayso in this process and check everything that it does; the sandbox of `fuzz.py`."""

import contextlib
import io
import os
import resource
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
# Audit events of Python that change files, and how many of their arguments are paths.
_CHANGES = {
    "os.mkdir": 1, "os.rmdir": 1, "os.remove": 1, "os.truncate": 1, "os.chmod": 1, "os.chown": 1, "os.utime": 1,
    "os.rename": 2, "os.link": 2, "os.symlink": 2,
}  # fmt: skip
_PROGRAMS = {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "pty.spawn", "pickle.find_class"}
# The limit of the elapsed time, as a multiple of that of the processor time.
WAITING = 5


class TooLong(BaseException):
    """Stops a command, even if it catches all exceptions."""


class _Pipe(io.BytesIO):
    def seekable(self) -> bool:
        return False

    def seek(self, offset: int, whence: int = 0, /) -> int:
        raise io.UnsupportedOperation("a pipe cannot seek")

    def tell(self) -> int:
        raise io.UnsupportedOperation("a pipe cannot tell")


class Sandbox:
    """A folder in which commands run, and checks of what they do.

    Parameters
    ----------
    root : Path
        An empty folder; commands run in `work` within it, and their home folder is `home`.
    seconds, megabytes : float
        Limits of a command: time, and memory of the whole process.
    """

    def __init__(self, root: Path, seconds: float, megabytes: float) -> None:
        self.root, self.work, self.home = root, root / "work", root / "home"
        self.seconds, self.megabytes = seconds, megabytes
        self._faults: list[str] = []
        self._running = False
        for name in ("canary", "home", "work"):
            (root / name).mkdir()
        (root / "canary" / "bird").write_text("sings")
        os.environ |= {
            name: str(self.home)
            for name in ("HOME", "TMPDIR", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "MPLCONFIGDIR")
        }
        tempfile.tempdir = None
        sys.dont_write_bytecode = True
        warnings.simplefilter("always")
        signal.signal(signal.SIGALRM, self._alarm)
        threading.excepthook = lambda given: self._faults.append(f"a thread ended with {given.exc_value!r}")
        sys.addaudithook(self._audit)

    def run(self, arguments: Sequence[str], stdin: bytes = b"") -> list[str]:
        """Run `sayso ARGUMENTS` and return its faults, none if all is well."""
        before = self._surroundings()
        self._faults = []
        reset_peak()
        status, printed = self._call(arguments, stdin)
        text = printed.decode("utf-8", "replace")
        peak = peak_megabytes()
        if peak > self.megabytes:
            self._faults.append(f"memory of {peak:.0f} MB")
        if status not in (0, 1, 2):
            self._faults.append(f"ended with {status}")
        if status and not text.strip():
            self._faults.append(f"status {status} without a message")
        if "Traceback" in text or "RuntimeWarning" in text:
            self._faults.append(f"prints {text[-3_000:]}")
        from sayso.system.text import is_safe

        if odd := {character for character in text if not is_safe(character)} - {"\r", "\n"}:
            self._faults.append(f"prints {sorted(odd)} in {text[:500]!r}")
        if self._surroundings() != before:
            self._faults.append("changed files outside its folder")
        return self._faults

    def clear(self) -> None:
        """Empty the folders."""
        for folder in (self.work, self.home):
            shutil.rmtree(folder)
            folder.mkdir()

    def _call(self, arguments: Sequence[str], stdin: bytes) -> tuple[object, bytes]:
        from sayso.cli import main

        printed = io.BytesIO()
        streams = sys.stdin, sys.stdout, sys.stderr, sys.argv
        # A file on standard input can seek, a pipe cannot.
        sys.stdin = io.TextIOWrapper(io.BufferedReader((io.BytesIO if len(stdin) % 2 else _Pipe)(stdin)))
        # Kept in a variable, as a stream without a reference closes the buffer below it.
        output = io.TextIOWrapper(printed, "utf-8", errors="backslashreplace", write_through=True)
        sys.stdout = sys.stderr = output
        sys.argv = ["sayso", *arguments]
        os.chdir(self.work)
        status: object = 0
        try:
            with self._watched():
                main.main()
        except SystemExit as end:
            status = end.code or 0
        except TooLong as error:
            self._faults.append("took too long: " + "".join(traceback.format_tb(error.__traceback__)[-4:]))
        except BaseException as error:
            self._faults.append("traceback: " + "".join(traceback.format_exception(error)[-6:]))
        finally:
            sys.stdin, sys.stdout, sys.stderr, sys.argv = streams
            os.chdir(self.root)
        return status, printed.getvalue()

    @contextlib.contextmanager
    def _watched(self) -> Iterator[None]:
        self._running = True
        self._begun = time.monotonic(), time.process_time()
        signal.setitimer(signal.ITIMER_REAL, self.seconds, 0.5)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            self._running = False

    def _alarm(self, number: int, frame: FrameType | None) -> None:
        """Stop a command over its limit of processor time, or of elapsed time, which other programs may use up."""
        waited, worked = time.monotonic() - self._begun[0], time.process_time() - self._begun[1]
        if self._running and (worked > self.seconds or waited > WAITING * self.seconds):
            raise TooLong

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Check what Python is about to do with files, programs and sockets."""
        if not self._running:
            return
        # ffmpeg decodes what libsndfile cannot read.
        decodes = event == "subprocess.Popen" and Path(os.fsdecode(arguments[0])).name == "ffmpeg"
        if event in _PROGRAMS and not decodes:
            self._faults.append(f"{event} {arguments[:2]!r}")
        elif event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITING:
            self._check(arguments[:1], event)
        elif event in _CHANGES:
            self._check(arguments[: _CHANGES[event]], event)
        elif event == "socket.connect" and not (
            isinstance(arguments[1], tuple) and arguments[1][0] in ("127.0.0.1", "localhost")
        ):
            self._faults.append(f"connects to {arguments[1]!r}")

    def _check(self, paths: Sequence[Any], event: str) -> None:
        for path in paths:
            if isinstance(path, int):
                continue  # a descriptor, whose path was checked when it was opened
            # A link in the last part is itself what is changed; links in the folders before it are followed.
            given = Path(os.fsdecode(path)).absolute()
            place = given if given in (self.work, self.home) else given.parent.resolve()
            inside = place.is_relative_to(self.work) or place.is_relative_to(self.home)
            if not inside and str(given) != os.devnull:
                self._faults.append(f"{event} {path!r}")

    def _surroundings(self) -> list[tuple[str, int]]:
        """List everything in the sandbox except the folders that commands may write to, with its time of change."""
        inside = (self.work, self.home)
        places = [self.root, self.root / "canary"]
        return sorted(
            (str(path), path.stat().st_mtime_ns) for place in places for path in place.iterdir() if path not in inside
        )


def reset_peak() -> None:
    """Reset the peak memory of this process, on Linux."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_megabytes() -> float:
    """Return the peak memory in MB since `reset_peak`; on other systems than Linux, since the start."""
    try:
        (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024 / 1e6
    except (OSError, ValueError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6
