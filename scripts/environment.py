"""An isolated environment with heed in it, made on first use and found again afterwards.

Needs Python and pip, nothing else: not even the part of Python that Debian packs separately and that `python -m venv`
wants.
"""

import hashlib
import os
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".venv"
OLDEST_PYTHON = (3, 11)


def run(module: str, arguments: Sequence[str], extra: str = "") -> int:
    """Run a module inside the environment and return its exit status.

    Parameters
    ----------
    module : str
        What `python -m` shall run.
    arguments : sequence of str
        Its arguments.
    extra : str
        The group of optional dependencies that it needs, as named in pyproject.toml.
    """
    if sys.version_info < OLDEST_PYTHON:
        sys.exit(
            f"error: this is Python {sys.version.split()[0]}, heed needs {'.'.join(map(str, OLDEST_PYTHON))} or newer"
        )
    prepare(extra)
    child = subprocess.Popen([str(_python()), "-m", module, *arguments])
    while True:
        try:
            return child.wait()
        except KeyboardInterrupt:
            # Ctrl-C reaches the child as well, which ends in its own way; wait for it.
            continue


def prepare(extra: str) -> None:
    """Make the environment and install heed into it, unless that was done for this very pyproject.toml."""
    stamp = FOLDER / f"installed{'-' + extra if extra else ''}"
    wanted = hashlib.sha256((ROOT / "pyproject.toml").read_bytes() + sys.version.encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return
    print(f"preparing {FOLDER} (once, a minute or two)", file=sys.stderr, flush=True)
    venv.create(FOLDER, with_pip=False)
    what = f"{ROOT}[{extra}]" if extra else str(ROOT)
    pip = [sys.executable, "-m", "pip", "--python", str(_python()), "--disable-pip-version-check"]
    if subprocess.run([*pip, "install", "--quiet", "--editable", what]).returncode:
        sys.exit("error: pip could not install heed (its own message stands above); mend that and run this again")
    stamp.write_text(wanted)


def _python() -> Path:
    return FOLDER / "Scripts" / "python.exe" if os.name == "nt" else FOLDER / "bin" / "python"
