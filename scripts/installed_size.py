"""Measure what `pip install sayso` puts on a disk, without extras: `python3 scripts/installed_size.py`.

It installs sayso into a new environment, with compiled Python as pip leaves it, and lists the largest packages. Exit
status 1 if they have more than 150 MB together, or if a package for training or drawing came along.
"""

import subprocess
import sys
import tempfile
import venv
from pathlib import Path

import environment

MOST = 150  # megabytes
LISTED = 8
UNWANTED = ("librosa", "numba", "scipy", "sklearn", "matplotlib")


def packages(python: Path) -> Path:
    """Return the folder into which an environment's packages are installed."""
    script = "import sysconfig; print(sysconfig.get_path('purelib'))"
    return Path(subprocess.run([python, "-c", script], capture_output=True, text=True, check=True).stdout.strip())


def check(folder: Path) -> str:
    """Return the size of installed packages as a sentence, or end with a line that says what is wrong."""
    if found := [name for name in UNWANTED if (folder / name).exists()]:
        sys.exit(f"error: sayso installs {', '.join(found)} without being asked for an extra; see pyproject.toml")
    sizes = {path.name: _bytes(path) / 1e6 for path in folder.iterdir()}
    total = sum(sizes.values())
    if total > MOST:
        sys.exit(f"error: sayso and what it needs have {total:.0f} MB, expected at most {MOST}; {_largest(sizes)}")
    return f"sayso and what it needs have {total:.0f} MB: {_largest(sizes)}"


def _bytes(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.lstat().st_size for file in files if not file.is_dir())


def _largest(sizes: dict[str, float]) -> str:
    ordered = sorted(sizes.items(), key=lambda item: -item[1])
    return ", ".join(f"{name} {size:.0f}" for name, size in ordered[:LISTED])


def main() -> None:
    """Install into a new environment and measure it."""
    with tempfile.TemporaryDirectory(prefix="sayso-size-") as name:
        venv.create(name, with_pip=False)
        python = environment.python(Path(name))
        pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check"]
        if subprocess.run([*pip, "install", "--quiet", str(environment.ROOT)]).returncode:
            sys.exit("error: pip could not install sayso (see its message above); fix the cause and run this again")
        print(check(packages(python)))


if __name__ == "__main__":
    main()
