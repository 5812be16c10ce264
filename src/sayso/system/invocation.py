"""The form in which the user called sayso, for hints that name a command to run next."""

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

# Set by a program that runs sayso on behalf of the user, such as scripts/run.py, to the form in which it was called.
VARIABLE = "SAYSO_CALLED_AS"
_PIP = re.compile(r'pip install(?= "sayso\[)')
_MARKED = re.compile(r"(?<=`)sayso(?= [a-z])")


def called_as() -> str:
    """Return what stands in front of a command, such as "sayso", "python3 -m sayso" or "python3 scripts/run.py".

    In a program that uses sayso as a library, it is a form that works there.
    """
    if given := os.environ.get(VARIABLE):
        return given
    program = Path(sys.argv[0] if sys.argv else "")
    if program.name == "__main__.py" and program.parent.name == "sayso":
        # The interpreter's own arguments, as typed: everything before those that Python passes to the program.
        return quoted(sys.orig_argv[: len(sys.orig_argv) - len(sys.argv) + 1])
    found = shutil.which("sayso")
    if program.stem == "sayso":
        # A console script is started with its full path if it was found on the search path.
        typed = program.name == str(program) or (found and Path(found).resolve() == program.resolve())
        return "sayso" if typed else quoted([str(program)])
    return "sayso" if found else quoted([sys.executable or "python3", "-m", "sayso"])


def in_form_of_call(text: str) -> str:
    """Rewrite the commands in a text to what works here.

    These are commands of sayso, marked as in "`sayso doctor`", and the installation of what is optional, as in
    'pip install "sayso[dask]"'.
    """
    if "`sayso " in text:
        text = _MARKED.sub(lambda _: called_as(), text)
    return _PIP.sub(lambda _: f"{_pip()} install", text) if "pip install" in text else text


def _pip() -> str:
    """Return a pip that installs into the environment in which sayso runs; without one in it, that of the caller."""
    if importlib.util.find_spec("pip"):
        return quoted([sys.executable, "-m", "pip"])
    if given := os.environ.get(VARIABLE):
        return f"{given.split(' ')[0]} -m pip --python {quoted([sys.executable])}"
    return "pip"


def quoted(words: Sequence[str]) -> str:
    """Join words to a command line for the shell of this system."""
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)
