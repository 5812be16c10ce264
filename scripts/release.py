"""Build what a release consists of in dist/, and check it the way a user meets it: `python3 scripts/release.py`.

It builds the source archive and, from that, the wheel; checks that both can be published and that the archive is
complete; installs the wheel into a new environment and lets it classify a clip, away from the checkout. It publishes
nothing. Exit status 1 and one line if something is wrong.
"""

import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import venv
from collections.abc import Sequence
from pathlib import Path

import environment
import installed_size

ROOT = environment.ROOT
DIST = ROOT / "dist"
CLIP, LABEL = "left/02ae6b3d_nohash_0.opus", "left"


def run(command: Sequence[str | Path], failure: str, cwd: Path = ROOT) -> str:
    """Run a command and return what it prints; if it fails, show that and end with a line that says what failed."""
    # The checkout must not stand in for what is missing in the wheel.
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=cwd, env=variables, capture_output=True, text=True)
    if done.returncode:
        print(done.stdout + done.stderr, file=sys.stderr)
        sys.exit(f"error: {failure}; the output is above")
    return done.stdout


def check_version() -> str:
    """Return the version, if the pages that name it agree."""
    source = (ROOT / "src/sayso/version.py").read_text(encoding="utf-8")
    version = re.search(r'__version__ = "(.+)"', source)
    if version is None:
        sys.exit('error: src/sayso/version.py has no line __version__ = "..."')
    for page, line in (("CHANGELOG.md", f"## {version[1]} "), ("CITATION.cff", f"version: {version[1]}\n")):
        if line not in (ROOT / page).read_text(encoding="utf-8"):
            sys.exit(f"error: src/sayso/version.py says {version[1]}, but {page} has no line '{line.strip()}'")
    return version[1]


def build(python: Path, version: str) -> tuple[Path, Path]:
    """Build the source archive and the wheel, and check what can be seen from outside."""
    archive, wheel = DIST / f"sayso-{version}.tar.gz", DIST / f"sayso-{version}-py3-none-any.whl"
    for file in (archive, wheel):
        file.unlink(missing_ok=True)
    run([python, "-m", "build", "--outdir", DIST, ROOT], "the build failed")
    for file in (archive, wheel):
        if not file.exists():
            sys.exit(f"error: the build made no {file.name}")
        print(f"built {file.relative_to(ROOT)}, {file.stat().st_size / 1e6:.1f} MB")
    run([python, "-m", "twine", "check", "--strict", archive, wheel], "twine finds fault with the description")
    print("twine check passed")
    return archive, wheel


def check_complete(archive: Path) -> None:
    """Compare the source archive with what git tracks; hidden files are for work on a checkout and stay out."""
    if not (ROOT / ".git").exists():
        return
    tracked = {path for path in run(["git", "ls-files"], "git cannot list the files").splitlines() if path[0] != "."}
    with tarfile.open(archive) as tar:
        held = {name.partition("/")[2] for name in tar.getnames()}
    if missing := sorted(tracked - held):
        sys.exit(f"error: {archive.name} lacks {', '.join(missing)}; name them in pyproject.toml, section sdist")
    print(f"{archive.name} holds all {len(tracked)} files that are tracked")


def try_out(wheel: Path, version: str) -> None:
    """Install the wheel into a new environment and classify a clip that it brings along."""
    with tempfile.TemporaryDirectory(prefix="sayso-release-") as name:
        folder = Path(name)
        venv.create(folder / "venv", with_pip=False)
        programs = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
        run(
            [sys.executable, "-m", "pip", "--python", environment.python(folder / "venv"), "install", "--quiet", wheel],
            "the wheel cannot be installed",
        )
        print("installed the wheel into a new environment")
        print(installed_size.check(installed_size.packages(environment.python(folder / "venv"))))
        said = run([programs / "sayso", "--version"], "the installed sayso does not start", folder)
        if version not in said:
            sys.exit(f"error: the installed sayso says '{said.strip()}', expected version {version}")
        clip = next(folder.rglob(f"sayso/_bundled/demo/{CLIP}"), None)
        if clip is None:
            sys.exit(f"error: the wheel does not hold the demo clip {CLIP}")
        row = run([programs / "sayso", "classify", clip, "--format", "jsonl"], "the installed sayso fails", folder)
        label = json.loads(row)["label"]
        if label != LABEL:
            sys.exit(f"error: the installed sayso classifies {CLIP} as '{label}', expected '{LABEL}'")
        print(f"the installed sayso {version} classifies {CLIP} as '{label}'")


def main() -> None:
    """Build and check a release."""
    version = check_version()
    environment.prepare(environment.FOLDER, "dev", oldest=False)
    archive, wheel = build(environment.python(environment.FOLDER), version)
    check_complete(archive)
    try_out(wheel, version)


if __name__ == "__main__":
    main()
