"""An isolated environment with sayso in it, created on first use and reused afterwards.

It needs only Python and pip, not even the package that Debian separates from Python and that `python -m venv` needs.
"""

import hashlib
import os
import subprocess
import sys
import tomllib
import venv
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".venv"
OLDEST_FOLDER = ROOT / ".venv-oldest"
OLDEST_PYTHON = (3, 11)
# The extra that contains all others.
EVERYTHING = "dev"
# Options of pytest: a process for each core. Each begins with tests that follow each other, which share what they
# prepare; one that is done takes over some of another's, so that all end together.
SIDE_BY_SIDE = ("-n", "auto", "--maxprocesses", "4", "--dist", "worksteal")


def run_tests(arguments: Sequence[str], extra: str = EVERYTHING, oldest: bool = False) -> int:
    """Run tests side by side and return the exit status of pytest.

    Parameters
    ----------
    arguments : sequence of str
        Files of tests and options, as for pytest.
    extra, oldest : str, bool
        The environment, as for `run`.
    """
    # With threads of their own for each matrix product, the processes would wait for each other's.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Else each process, and each command that a test starts, would compile the tests or sayso again.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    return run("pytest", [*SIDE_BY_SIDE, *arguments], extra, oldest)


def run(module: str, arguments: Sequence[str], extra: str = "", oldest: bool = False) -> int:
    """Run a module inside the environment and return its exit status.

    Parameters
    ----------
    module : str
        The module, as for `python -m`.
    arguments : sequence of str
        Its arguments.
    extra : str
        The groups of optional dependencies that it needs, as named in pyproject.toml, separated by commas.
    oldest : bool
        Whether to take the oldest versions that pyproject.toml allows, in an environment of their own.
    """
    if sys.version_info < OLDEST_PYTHON:
        sys.exit(
            f"error: this is Python {sys.version.split()[0]}, sayso needs {'.'.join(map(str, OLDEST_PYTHON))} or newer"
        )
    folder = OLDEST_FOLDER if oldest else FOLDER
    prepare(folder, extra, oldest)
    child = subprocess.Popen([str(python(folder)), "-m", module, *arguments])
    while True:
        try:
            return child.wait()
        except KeyboardInterrupt:
            # Ctrl-C reaches the child as well, which ends in its own way; wait for it.
            continue


def prepare(folder: Path, extra: str, oldest: bool) -> None:
    """Create the environment and install sayso into it, unless that was done for exactly this pyproject.toml."""
    stamp, complete = (folder / f"installed{'-' + name if name else ''}" for name in (extra, EVERYTHING))
    wanted = hashlib.sha256((ROOT / "pyproject.toml").read_bytes() + sys.version.encode()).hexdigest()
    if any(made.exists() and made.read_text() == wanted for made in (stamp, complete)):
        return
    print(f"preparing {folder} (once, a minute or two)", file=sys.stderr, flush=True)
    if not python(folder).exists():
        # An environment that is in use cannot be created again.
        venv.create(folder, with_pip=False)
    what = f"{ROOT}[{extra}]" if extra else str(ROOT)
    pip = [sys.executable, "-m", "pip", "--python", str(python(folder)), "--disable-pip-version-check"]
    options = ["--constraint", str(_constraints(folder)), "--only-binary", ":all:"] if oldest else []
    if subprocess.run([*pip, "install", "--quiet", *options, "--editable", what]).returncode:
        sys.exit("error: pip could not install sayso (see its message above); fix the cause and run this again")
    stamp.write_text(wanted)


def _constraints(folder: Path) -> Path:
    """Write down the lower bounds of what sayso and its tests need as the versions to take."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    # The tests need some other extras, too.
    bounds = [*project["dependencies"], *extras["train"], *extras["report"], *extras["test"][1:]]
    path = folder / "oldest.txt"
    path.write_text("\n".join(bounds).replace(">=", "==") + "\n", encoding="utf-8")
    return path


def python(folder: Path) -> Path:
    """Return the interpreter of an environment."""
    return folder / "Scripts" / "python.exe" if os.name == "nt" else folder / "bin" / "python"
