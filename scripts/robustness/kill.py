"""Kill sayso at any time, fill its disk and make it read-only: no complete file may be lost, none half-written.

Example: python scripts/robustness/kill.py --times 50

Training, batch classification, download, saving, and reading a corpus (with its cache) are each killed with SIGKILL at
times drawn evenly from start to end, both included, and run again: the next run must succeed and give the result of an
undisturbed one, and at any time a reader finds the old file or the new. Then the same commands run on a full disk and
in a read-only folder (both need root); a batch goes on when there is space again. The exit status is 1 if there was any
fault. Linux only.
"""

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from kill_jobs import JOBS, SAYSO, Batch, Download, Job, Train
from sayso.errors import SaysoError
from sayso.model import shipped

# Files that are kept after a failure: to resume from, or as a recording that cannot be repeated.
KEPT = {
    "m.checkpoint", "tiny.tar.gz.part", "tiny.tar.gz.part.json", ".tiny.lock", "session.wav", "session.wav.jsonl",
    "rows.csv.part", ".rows.csv.batch",
}  # fmt: skip


def run(command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def kill_often(job: Job, times: int, rng: np.random.Generator, environment: dict[str, str]) -> Iterator[str]:
    """Kill a job at times from its start to its end and yield the faults."""
    job.reset()
    before = time.monotonic()
    done = run(job.command(False), environment)
    if done.returncode:
        yield f"does not run at all: {done.stderr.strip()[-500:]}"
        return
    took, expected = time.monotonic() - before, job.result()
    for number in range(times):
        job.reset()
        times_of_kill = []
        # Once or twice: a run that resumes after a kill is killed as well, at any time.
        for again in range(int(rng.integers(1, 3))):
            share = rng.uniform() if again else number / max(times - 1, 1)
            times_of_kill.append(float(share * took))
            process = subprocess.Popen(
                job.command(bool(again)), env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            try:
                process.wait(times_of_kill[-1])
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            try:
                job.check_after_kill()
            except (AssertionError, SaysoError, OSError) as error:
                yield f"kill {number} after {times_of_kill} s: {error}"
        done = run(job.command(True), environment)
        if done.returncode:
            yield f"kill {number} after {times_of_kill} s: the next run fails: {done.stderr.strip()[-500:]}"
            continue
        try:
            if job.result() != expected:
                yield f"kill {number} after {times_of_kill} s: the next run gives another result"
        except (AssertionError, OSError) as error:
            yield f"kill {number} after {times_of_kill} s: {error}"


@contextmanager
def small_disk(place: Path, kilobytes: int) -> Iterator[Path]:
    """Mount a small file system in memory."""
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(place)], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


@contextmanager
def read_only(place: Path) -> Iterator[Path]:
    """Bind-mount a folder read-only, so that not even root may write into it."""
    place.mkdir()
    (place / "old").write_text("old")
    subprocess.run(["mount", "--bind", str(place), str(place)], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", str(place)], check=True)
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def obstruct(root: Path, place: Path, environment: dict[str, str]) -> Iterator[str]:
    """Let every command write where it cannot; each must end with one line, and leave nothing."""
    job = Train(root / f"for-{place.name}")
    server = Download(root / f"download-{place.name}")
    batch = Batch(root / f"batch-{place.name}")
    clip = str(next(iter((job.corpus / "yes").iterdir())))
    commands = {
        "train": [word if word != str(job.model) else str(place / "m") for word in job.command(False)],
        "teach": [*SAYSO, "teach", str(job.corpus), "-o", str(place / "taught")],
        "classify": [*SAYSO, "classify", str(batch.sounds), "-o", str(place / "rows.csv"), "--format", "csv"],
        "download": [*server.command(False)[:-1], str(place / "data")],
        "quickstart": [*SAYSO, "quickstart", "-o", str(place / "new")],
        "listen": [*SAYSO, "listen", "--input", clip, "--record", str(place / "session.wav")],
        "plot": [*SAYSO, "evaluate", str(shipped.bundled("demo")), "-m", "commands-tiny", "--plots", str(place / "c")],
    }
    before = {path.name: path.read_bytes() for path in place.iterdir()}
    for name, command in commands.items():
        done = run(command, environment)
        lines = done.stderr.strip().splitlines()
        if done.returncode != 1 or not lines or not lines[-1].startswith("error: ") or "Traceback" in done.stderr:
            yield f"{name} on {place.name}: status {done.returncode}, {done.stderr[-300:]!r}"
        left = {path.name for path in place.rglob("*") if path.is_file()} - before.keys() - KEPT
        if left:
            yield f"{name} on {place.name} leaves {left}"
        for path in place.iterdir():
            if path.name not in before:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
    if {path.name: path.read_bytes() for path in place.iterdir()} != before:
        yield f"{place.name} was changed"
    server.close()


def resume_with_space(root: Path, place: Path, environment: dict[str, str]) -> Iterator[str]:
    """Let a batch fill the disk, and resume it when there is space: it must end as if nothing had happened."""
    batch = Batch(root / "batch-resumed")
    run(batch.command(False), environment)
    expected = batch.result()
    batch.rows = place / "rows.csv"
    if run(batch.command(False), environment).returncode != 1:
        yield "the disk is not full"
    kept = (place / "rows.csv.part").stat().st_size
    subprocess.run(["mount", "-o", "remount,size=1m", str(place)], check=True)
    done = run(batch.command(True), environment)
    if done.returncode or "resuming after" not in done.stderr or not kept:
        yield f"a batch with {kept} bytes is not resumed: {done.stderr[-300:]!r}"
    elif batch.result() != expected:
        yield "a batch that filled the disk gives another result when it is resumed"


def main() -> None:
    """Run all checks, and print the faults."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=50, help="number of kills of each job (default: 50)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the times (default: 0)")
    parser.add_argument("--only", help="run only the checks with this word in their name, such as download or disk")
    arguments = parser.parse_args()
    failures = 0

    def report(name: str, faults: Iterator[str]) -> None:
        nonlocal failures
        begun, count = time.monotonic(), 0
        for fault in faults:
            count += 1
            print(f"{name}: {fault}", flush=True)
        print(f"{name}: {count} faults, {time.monotonic() - begun:.0f} s", flush=True)
        failures += count

    def wanted(name: str) -> bool:
        return not arguments.only or arguments.only in name

    with tempfile.TemporaryDirectory(prefix="sayso-kill-") as folder:
        root = Path(folder)
        home = root / "home"
        environment = os.environ | {name: str(home) for name in ("HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME")}
        for make in JOBS:
            if wanted(make.name):
                job = make(root / make.name)
                rng = np.random.default_rng(arguments.seed)
                cached = environment | {"XDG_CACHE_HOME": str(job.folder / "cache")}
                with contextlib.closing(job):
                    report(job.name, kill_often(job, arguments.times, rng, cached))
        if os.geteuid() != 0:
            print("full disk, read-only folder: skipped, they need root")
        else:
            if wanted("full disk"):
                with small_disk(root / "full disk", 64) as place:
                    (place / "old").write_bytes(bytes(40_000))
                    report("full disk", obstruct(root, place, environment))
                    report("full disk, then space", resume_with_space(root, place, environment))
            if wanted("read-only folder"):
                with read_only(root / "read-only folder") as place:
                    report("read-only folder", obstruct(root, place, environment))
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
