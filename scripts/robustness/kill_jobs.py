"""The commands that `kill.py` kills: how to run them, and how to check what they leave and what they give."""

import hashlib
import shutil
import sys
import tarfile
from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np
import soundfile

import fuzz_material
from sayso.download.catalogue import MARKER
from sayso.model import model_file, shipped

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))
import sounds
from file_server import FileServer

SAYSO = (sys.executable, "-m", "sayso")
# Runs `sayso data download tiny` with a data set on a server of this machine.
DOWNLOAD = """
import sys
from sayso.download import catalogue
from sayso.cli import main
address, size, sha256 = sys.argv[1:4]
catalogue.KNOWN["tiny"] = catalogue.DataSet("tiny", "", address, "tiny.tar.gz", int(size), sha256, 40_000_000)
sys.argv = ["sayso", "data", "download", "tiny", "--dir", sys.argv[4]]
main.main()
"""
# Saves two models alternately, so that it is killed while saving.
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
        """Delete what earlier runs left."""

    def check_after_kill(self) -> None:  # noqa: B027
        """Raise if a half-written file can be taken for a complete one."""

    @abstractmethod
    def result(self) -> str:
        """Return a digest of the result."""

    def close(self) -> None:  # noqa: B027
        """Release its resources."""


def digest(*paths: Path) -> str:
    """Return one hash of files, by their names and bytes."""
    total = hashlib.sha256()
    for path in paths:
        total.update(path.name.encode() + path.read_bytes())
    return total.hexdigest()


class Train(Job):
    """`sayso train`, resumed if there is a checkpoint; the file must be the same bit for bit."""

    name = "training"
    epochs = 12
    resume = True

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.corpus = fuzz_material.make_corpus(folder / "corpus")
        (folder / "tiny.toml").write_text(fuzz_material.TOML)
        self.model, self.checkpoint = folder / "m.safetensors", folder / "m.safetensors.checkpoint"

    def command(self, again: bool) -> list[str]:
        """Return what to run."""
        resume = ["--resume"] if again and self.resume and self.checkpoint.exists() else []
        return [*SAYSO, "train", str(self.corpus), "-o", str(self.model), "--config", str(self.folder / "tiny.toml"),
                "--epochs", str(self.epochs), *resume]  # fmt: skip

    def reset(self) -> None:
        """Delete what earlier runs left, and what they cached."""
        shutil.rmtree(self.folder / "cache", ignore_errors=True)
        self.model.unlink(missing_ok=True)
        self.checkpoint.unlink(missing_ok=True)

    def check_after_kill(self) -> None:
        """Check that what is there is complete."""
        if self.model.exists():
            model_file.load(self.model)

    def result(self) -> str:
        """Return a digest of the result."""
        return digest(self.model)


class Load(Train):
    """`sayso train` of a corpus that takes longer to read than to learn; a damaged cache must do no harm."""

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

    def command(self, again: bool) -> list[str]:
        """Return what to run."""
        return [*SAYSO, "classify", str(self.sounds), "--format", "csv", "-o", str(self.rows), "--resume"]

    def reset(self) -> None:
        """Delete what earlier runs left."""
        for path in self.folder.glob("*rows.csv*"):
            path.unlink()

    def check_after_kill(self) -> None:
        """Check that what is there is complete."""
        if self.rows.exists():
            lines = self.rows.read_text(encoding="utf-8").splitlines()[1:]
            paths = [line.split(",")[0] for line in lines]
            assert len(set(paths)) == len(paths) == 300, f"{len(set(paths))} of 300 files in {len(paths)} rows"

    def result(self) -> str:
        """Return a digest of the result."""
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
        """Delete what earlier runs left."""
        shutil.rmtree(self.target, ignore_errors=True)

    def check_after_kill(self) -> None:
        """Check that what is there is complete."""
        if (self.target / "tiny").exists():
            assert (self.target / "tiny" / MARKER).exists(), "the folder is there without its marker"
            assert len(self.clips()) == 200, "half of the folder is there"

    def result(self) -> str:
        """Return a digest of the result."""
        # A kill while writing leaves a hidden file, which is never read.
        written = {path.name for path in self.target.iterdir() if not path.match(".sayso.*.tmp")}
        left = written - {"tiny", ".tiny.lock"}
        assert not left, f"left behind: {left}"
        return digest(*self.clips())

    def clips(self) -> list[Path]:
        """Return the files that were downloaded."""
        return sorted((self.target / "tiny").glob("*/*.wav"))

    def close(self) -> None:
        """Stop the server."""
        self.server.stop()


class Save(Job):
    """Two models saved alternately to one path."""

    name = "saving"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.path = folder / "saved.safetensors"
        self.models = [shipped.models()[name] for name in ("commands-tiny", "commands")]

    def command(self, again: bool) -> list[str]:
        """Return what to run."""
        return [sys.executable, "-c", SAVE, *map(str, self.models), str(self.path)]

    def reset(self) -> None:
        """Delete what earlier runs left."""
        for path in self.folder.iterdir():
            path.unlink()

    def check_after_kill(self) -> None:
        """Check that what is there is complete."""
        if self.path.exists():
            model_file.load(self.path)

    def result(self) -> str:
        """Return a digest of the result."""
        return digest(self.path)


JOBS: tuple[type[Job], ...] = (Train, Batch, Download, Load, Save)
