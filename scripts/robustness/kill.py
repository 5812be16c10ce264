"""Kill sayso at random moments, fill its disk and take its rights: nothing finished may be lost, nothing half taken.

Example: python scripts/robustness/kill.py --times 50

Training, batch classification, download, saving and the reading of a corpus (with what it caches) are each killed with
SIGKILL at random moments between their start and their end, and run again: the second run must succeed and give what an
undisturbed one gives, and a reader at any moment finds the old file or the new. Then the same commands run on a full
disk (needs root, for a small file system in memory) and as a user who may not write. The exit status is 1 if any of it
failed. Linux only.
"""

import argparse
import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import soundfile

import fuzz_cases
from sayso.download.catalogue import MARKER
from sayso.errors import SaysoError
from sayso.model import model_file, shipped

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))
import sounds
from file_server import FileServer

# What has been done until then is kept: to go on from, or because it was heard and cannot be heard again.
KEPT = {"m.checkpoint", "tiny.tar.gz.part", "tiny.tar.gz.part.json", ".tiny.lock", "session.wav", "session.wav.jsonl"}

SAYSO = (sys.executable, "-m", "sayso")
# Runs `sayso data download tiny` with a data set that is served on this machine.
DOWNLOAD = """
import sys
from sayso.download import catalogue
from sayso.cli import main
address, size, sha256 = sys.argv[1:4]
catalogue.KNOWN["tiny"] = catalogue.DataSet("tiny", "", address, "tiny.tar.gz", int(size), sha256, 40_000_000)
sys.argv = ["sayso", "data", "download", "tiny", "--dir", sys.argv[4]]
main.main()
"""
# Saves one of two models again and again, so that most moments lie within saving.
SAVE = """
import sys
from pathlib import Path
from sayso.model import model_file, shipped
models = [model_file.load(Path(path)) for path in sys.argv[1:3]]
for number in range(400):
    models[number % 2].save(Path(sys.argv[3]))
"""


class Job(ABC):
    """A command that is killed and run again.

    Parameters
    ----------
    folder : Path
        An empty folder for it.
    """

    name = ""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)

    @abstractmethod
    def command(self, again: bool) -> list[str]:
        """Return the command for the first run, or for the run after a kill."""

    def reset(self) -> None:  # noqa: B027 - most leave nothing
        """Take away what runs have left."""

    def check_at_any_moment(self) -> None:  # noqa: B027
        """Raise if a half-written file can be taken for a whole one."""

    @abstractmethod
    def result(self) -> str:
        """Return a digest of the finished work."""

    def close(self) -> None:  # noqa: B027
        """Let go of what it holds."""


def digest(*paths: Path) -> str:
    """Return one hash of files, by their names and bytes."""
    total = hashlib.sha256()
    for path in paths:
        total.update(path.name.encode() + path.read_bytes())
    return total.hexdigest()


class Train(Job):
    """`sayso train`, resumed if there is a checkpoint; the file must come out bit for bit."""

    name = "training"
    epochs = 12
    resume = True

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.corpus = fuzz_cases.make_corpus(folder / "corpus")
        (folder / "tiny.toml").write_text(fuzz_cases.TOML)
        self.model, self.checkpoint = folder / "m.safetensors", folder / "m.safetensors.checkpoint"

    def command(self, again: bool) -> list[str]:
        """Return what to run."""
        go_on = ["--resume"] if again and self.resume and self.checkpoint.exists() else []
        return [*SAYSO, "train", str(self.corpus), "-o", str(self.model), "--config", str(self.folder / "tiny.toml"),
                "--epochs", str(self.epochs), *go_on]  # fmt: skip

    def reset(self) -> None:
        """Take away what runs have left, and what they cached."""
        shutil.rmtree(self.folder / "cache", ignore_errors=True)
        self.model.unlink(missing_ok=True)
        self.checkpoint.unlink(missing_ok=True)

    def check_at_any_moment(self) -> None:
        """Look for what is half."""
        if self.model.exists():
            model_file.load(self.model)

    def result(self) -> str:
        """Return a digest of the finished work."""
        return digest(self.model)


class Load(Train):
    """`sayso train` of a corpus that takes longer to read than to learn; whatever is cached must do no harm."""

    name = "reading and caching"
    epochs = 1
    resume = False

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        for number in range(60):
            for word in sounds.TONES:
                name = f"{number:08x}_nohash_0.flac"
                soundfile.write(self.corpus / word / name, sounds.clip(word, number, rate=48_000), 48_000)


class Batch(Job):
    """`sayso classify FOLDER --format csv -o FILE --resume`."""

    name = "batch"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.sounds = folder / "sounds"
        self.sounds.mkdir()
        for number in range(300):
            word = ("yes", "no", "up")[number % 3]
            soundfile.write(self.sounds / f"{number:03}.wav", sounds.clip(word, number), sounds.RATE)
        self.rows = folder / "rows.csv"
        self.can_resume = (
            "--resume" in subprocess.run([*SAYSO, "classify", "--help"], capture_output=True, text=True).stdout
        )

    def command(self, again: bool) -> list[str]:
        """Return what to run."""
        go_on = ["--resume"] if self.can_resume else []
        return [*SAYSO, "classify", str(self.sounds), "--format", "csv", "-o", str(self.rows), *go_on]

    def reset(self) -> None:
        """Take away what runs have left."""
        for path in self.folder.glob("*rows.csv*"):
            path.unlink()

    def check_at_any_moment(self) -> None:
        """Look for what is half."""
        # Rows that are there are whole, and each of another file; only without --resume are all there or none.
        if self.rows.exists():
            lines = self.rows.read_text(encoding="utf-8").splitlines()[1:]
            paths = [line.split(",")[0] for line in lines]
            assert len(set(paths)) == len(paths), "a file has two rows"
            assert self.can_resume or len(lines) == 300, f"{len(lines)} of 300 rows look like all"

    def result(self) -> str:
        """Return a digest of the finished work."""
        return digest(self.rows)


class Download(Job):
    """`sayso data download` from a server on this machine."""

    name = "download"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        rng = np.random.default_rng(0)
        archive = folder / "tiny.tar.gz"
        with tarfile.open(archive, "w:gz", compresslevel=1) as packed:
            for number in range(200):
                (folder / "clip.wav").write_bytes(rng.bytes(60_000))
                packed.add(folder / "clip.wav", f"{('yes', 'no')[number % 2]}/{number}.wav")
        content = archive.read_bytes()
        self.server = FileServer()
        self.server.files["tiny.tar.gz"] = content
        self.arguments = [self.server.address, str(len(content)), hashlib.sha256(content).hexdigest()]
        self.target = folder / "data"

    def command(self, again: bool) -> list[str]:
        """Return what to run."""
        return [sys.executable, "-c", DOWNLOAD, *self.arguments, str(self.target)]

    def reset(self) -> None:
        """Take away what runs have left."""
        shutil.rmtree(self.target, ignore_errors=True)

    def check_at_any_moment(self) -> None:
        """Look for what is half."""
        if (self.target / "tiny").exists():
            assert (self.target / "tiny" / MARKER).exists(), "a folder without its mark bears the name"
            assert len(self.clips()) == 200, "half a folder bears the name"

    def result(self) -> str:
        """Return a digest of the finished work."""
        # A kill in the middle of writing leaves a hidden file, which nobody reads.
        written = {path.name for path in self.target.iterdir() if not path.match(".sayso.*.tmp")}
        left = written - {"tiny", ".tiny.lock"}
        assert not left, f"left behind: {left}"
        return digest(*self.clips())

    def clips(self) -> list[Path]:
        """Return the files that came."""
        return sorted((self.target / "tiny").glob("*/*.wav"))

    def close(self) -> None:
        """Stop the server."""
        self.server.stop()


class Save(Job):
    """Models saved over each other, again and again."""

    name = "saving"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.path = folder / "saved.safetensors"
        self.models = [shipped.models()[name] for name in ("commands-tiny", "commands")]
        self.whole = {digest_of(path) for path in self.models}

    def command(self, again: bool) -> list[str]:
        """Return what to run."""
        return [sys.executable, "-c", SAVE, *map(str, self.models), str(self.path)]

    def reset(self) -> None:
        """Take away what runs have left."""
        for path in self.folder.iterdir():
            path.unlink()

    def check_at_any_moment(self) -> None:
        """Look for what is half."""
        if self.path.exists():
            model_file.load(self.path)

    def result(self) -> str:
        """Return a digest of the finished work."""
        return digest(self.path)


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def run(command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def kill_often(job: Job, times: int, rng: np.random.Generator, environment: dict[str, str]) -> Iterator[str]:
    """Kill a job at random moments and yield what went wrong."""
    job.reset()
    before = time.monotonic()
    done = run(job.command(False), environment)
    if done.returncode:
        yield f"does not run at all: {done.stderr.strip()[-500:]}"
        return
    took, expected = time.monotonic() - before, job.result()
    for number in range(times):
        job.reset()
        moments = []
        # Once or twice: a run that goes on after a kill is killed as well.
        for again in range(int(rng.integers(1, 3))):
            moments.append(float(rng.uniform(0, took)))
            process = subprocess.Popen(
                job.command(bool(again)), env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            try:
                process.wait(moments[-1])
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            try:
                job.check_at_any_moment()
            except (AssertionError, SaysoError, OSError) as error:
                yield f"kill {number} after {moments} s: {error}"
        done = run(job.command(True), environment)
        if done.returncode:
            yield f"kill {number} after {moments} s: the next run fails: {done.stderr.strip()[-500:]}"
            continue
        try:
            if job.result() != expected:
                yield f"kill {number} after {moments} s: the next run gives something else"
        except (AssertionError, OSError) as error:
            yield f"kill {number} after {moments} s: {error}"


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
    """Mount a folder upon itself so that not even root may write into it."""
    place.mkdir()
    (place / "old").write_text("old")
    subprocess.run(["mount", "--bind", str(place), str(place)], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", str(place)], check=True)
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def obstruct(root: Path, place: Path, environment: dict[str, str]) -> Iterator[str]:
    """Let every command that writes do so where it cannot; each must end with one line, and leave nothing."""
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
        "plot": [*SAYSO, "evaluate", "commands-tiny", str(shipped.bundled("demo")), "--plot", str(place / "c.png")],
    }
    before = {path.name: path.read_bytes() for path in place.iterdir()}
    # A home that cannot be written either must not matter to what does not need it.
    for name, command in commands.items():
        done = run(command, environment)
        said = done.stderr.strip().splitlines()
        if done.returncode != 1 or not said or not said[-1].startswith("error: ") or "Traceback" in done.stderr:
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


JOBS: tuple[Callable[[Path], Job], ...] = (Train, Batch, Download, Load, Save)


def main() -> None:
    """Do it all, and say what went wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=50, help="how often each job is killed (default: 50)")
    parser.add_argument("--seed", type=int, default=0, help="chooses the moments (default: 0)")
    parser.add_argument("--only", help="do only what has this word in its name, such as download, or disk")
    arguments = parser.parse_args()
    failures = 0

    def tell(name: str, faults: Iterator[str]) -> None:
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
            if wanted(make.name):  # type: ignore[attr-defined]
                job = make(root / make.name)  # type: ignore[attr-defined]
                rng = np.random.default_rng(arguments.seed)
                cached = environment | {"XDG_CACHE_HOME": str(job.folder / "cache")}
                with contextlib.closing(job):
                    tell(job.name, kill_often(job, arguments.times, rng, cached))
        if os.geteuid() != 0:
            print("full disk, read-only folder: skipped, they need root")
        else:
            if wanted("full disk"):
                with small_disk(root / "full disk", 64) as place:
                    (place / "old").write_bytes(bytes(40_000))
                    tell("full disk", obstruct(root, place, environment))
            if wanted("read-only folder"):
                with read_only(root / "read-only folder") as place:
                    tell("read-only folder", obstruct(root, place, environment))
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
