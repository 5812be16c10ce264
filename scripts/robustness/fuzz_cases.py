"""The inputs of `fuzz.py`: for each number a command of sayso, and damaged files for it."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

import fuzz_mutations as mutations
from fuzz_material import TOML, Material
from fuzz_mutations import Rng, pick
from sayso.download.catalogue import KNOWN, DataSet

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))
from file_server import FileServer

# Options of commands that print a result.
STYLES: tuple[list[str], ...] = ([], ["--format", "json"])
SUFFIXES = (".wav", ".wav", ".flac", ".ogg", ".mp3", ".aiff", ".au", ".caf", ".w64", ".opus", ".raw", "")


class Case(NamedTuple):
    """A command to run: its arguments, and its standard input."""

    arguments: list[str]
    stdin: bytes = b""


class Cases:
    """Makes the case of each number.

    Parameters
    ----------
    material : Material
        The files to damage.
    work : Path
        The folder in which the files of a case are written and its command runs.
    """

    def __init__(self, material: Material, work: Path) -> None:
        self._material, self._work = material, work
        self._server: FileServer | None = None

    def make(self, number: int, kind: str | None = None) -> tuple[str, Case]:
        """Write the files of a case, and return its kind and the case."""
        rng = np.random.default_rng([number, 2_024])
        drawn = pick(rng, [name for name, (weight, _) in KINDS.items() for _ in range(weight)])
        chosen = kind or drawn
        return chosen, KINDS[chosen][1](self, rng)

    def close(self) -> None:
        """Stop the server, if one was started."""
        if self._server:
            self._server.stop()

    def _write(self, name: str, content: bytes | str) -> str:
        path = self._work / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
        return str(path)

    def _model(self, rng: Rng) -> str:
        return self._write("model.safetensors", self._material.models[int(rng.integers(2))])

    def _corpus_folder(self) -> Path:
        shutil.copytree(self._material.corpus, self._work / "corpus")
        return self._work / "corpus"

    def _sound(self, rng: Rng) -> tuple[str, bytes]:
        """Damage a sound file; return a suffix, mostly the correct one, and the bytes."""
        suffix, content = pick(rng, self._material.sounds)
        if rng.random() < 0.3:
            noise = rng.normal(0, 2_000, int(rng.integers(1, 9_000))).astype("<i2").tobytes()
            suffix, content = ".wav", mutations.wav(rng, noise)
        if suffix != ".wav" or rng.random() < 0.5:
            content = mutations.damaged(rng, content)
        return (pick(rng, SUFFIXES) if rng.random() < 0.2 else suffix), content

    def audio(self, rng: Rng) -> Case:
        """Damage a sound file, and let some command read it."""
        suffix, content = self._sound(rng)
        model, way = self._model(rng), float(rng.random())
        if way < 0.35:
            style = pick(rng, ("table", "csv", "jsonl"))
            return Case(["classify", self._write(f"a{suffix}", content), "-m", model, "--format", style])
        if way < 0.5:
            return Case(
                ["listen", "--input", self._write(f"a{suffix}", content), "-m", model, "--record", "session.wav"]
            )
        if way < 0.65:
            style = pick(rng, ("text", "jsonl"))
            return Case(["listen", "--input", "-", "-m", model, "--format", style, "--stats"], content)
        if way < 0.7:
            sound = self._write(f"a{suffix}", content)
            labels = self._write("labels.txt", "0.1\t0.4\tyes\n")
            return Case(["evaluate", sound, "-m", model, "--stream", "--labels", labels])
        corpus = self._corpus_folder()
        if way < 0.8:
            self._write(f"corpus/yes/bad{suffix or '.wav'}", content)
            return Case(["data", "info", str(corpus), *pick(rng, STYLES)])
        if way < 0.88:
            self._write(f"corpus/yes/bad{suffix or '.wav'}", content)
            return Case(["evaluate", str(corpus), "-m", model, "--split", "training", *pick(rng, STYLES)])
        noise = self._write(f"noise{suffix}", content)
        if way < 0.92:
            return Case(["evaluate", str(corpus), "-m", model, "--noise", noise, "--snr", "5"])
        if way < 0.94:
            return Case(["evaluate", str(corpus), "-m", model, "--stream", "--noise", noise, "--hours", "0.01"])
        if way < 0.96:
            return Case(["evaluate", str(corpus), "-m", model, "--stream", "--negatives", noise, "--hours", "0.01"])
        self._write(f"corpus/yes/bad{suffix or '.wav'}", content)
        option = pick(rng, ("--noise", "--negatives"))
        if way < 0.99:
            return Case([*self._train(corpus), "--epochs", "1", option, noise])
        shutil.rmtree(corpus / "up")
        shutil.rmtree(corpus / "no")
        return Case(["teach", str(corpus), "-o", "taught", "-m", model, option, noise])

    def _train(self, corpus: Path) -> list[str]:
        return ["train", str(corpus), "-o", "new.safetensors", "--config", self._write("tiny.toml", TOML)]

    def model(self, rng: Rng) -> Case:
        """Damage a model, and use it in some command."""
        base = self._material.models[pick(rng, (0, 0, 1, 1, 2))]
        model = self._write("bad.safetensors", mutations.safetensors(rng, base))
        way = float(rng.random())
        if way < 0.2:
            return Case(["info", "-m", model, *pick(rng, STYLES)])
        if way < 0.25:
            return Case(["doctor", "-m", model])
        clip = self._write("a.wav", self._material.sounds[0][1])
        if way < 0.6:
            return Case(["classify", clip, "-m", model])
        if way < 0.8:
            return Case(["listen", "--input", clip, "-m", model, "--exec", "nothing=true"][: pick(rng, (5, 7))])
        corpus = self._corpus_folder()
        if way < 0.9:
            return Case(["evaluate", str(corpus), "-m", model, *pick(rng, ([], ["--noise", clip, "--snr", "0"]))])
        if way < 0.97:
            choose = pick(rng, ([], ["--choose-threshold"]))
            return Case(["evaluate", str(corpus), "-m", model, "--stream", "--hours", "0.01", *choose])
        return Case(["teach", str(corpus), "-o", "taught", "-m", model])

    def page(self, rng: Rng) -> Case:
        """Write a report or an explanation, or describe a model, whose file tells odd things of itself."""
        base = self._material.models[pick(rng, (0, 0, 1, 1, 2))]
        damage = mutations.metadata if rng.random() < 0.8 else mutations.safetensors
        model = self._write("bad.safetensors", damage(rng, base))
        way = float(rng.random())
        if way < 0.15:
            return Case(["info", "-m", model, *pick(rng, STYLES)])
        if way < 0.6:
            if rng.random() < 0.2:
                self._write("bad.md", mutations.text_lines(rng, ("# Card", *mutations.TEXTS)))
            plots = pick(rng, ([], [], ["--plots", "plots"]))
            corpus = [str(self._corpus_folder()), "--split", "training"] if rng.random() < 0.1 else []
            return Case(["report", *corpus, "-m", model, "-o", "page.html", *plots])
        suffix, content = self._sound(rng) if rng.random() < 0.2 else self._material.sounds[0]
        folder = pick(rng, ("", "yes/", "no/"))
        clip = self._write(f"{folder}a{suffix}", content)
        label = pick(rng, ([], [], ["--label", pick(rng, mutations.TEXTS[:18])], ["--label", "yes"]))
        return Case(["explain", clip, "-m", model, "-o", "page.html", *label, *pick(rng, ([], ["--animate"]))])

    def sweep(self, rng: Rng) -> Case:
        """Go on with a sweep whose results are damaged, or with odd seeds and settings."""
        corpus = self._corpus_folder()
        row = {"values": {"training.seed": 1}, "settings": {}, "data": {}, "validation_accuracy": 0.5, "best_epoch": 1,
               "seconds": 1.0}  # fmt: skip
        lines = [json.dumps(mutations.tree(rng, dict(row))) for _ in range(int(rng.integers(4)))]
        self._write("sweep/runs.jsonl", mutations.damaged(rng, "\n".join(lines).encode()))
        seeds = str(pick(rng, ("1", "1", "", ",", "9" * 5_000, mutations.HUGE, "[" * 5_000, "-1", "1979-05-27", "x")))
        # A sweep trains in this process if it has one run.
        config = self._write("tiny.toml", TOML)
        return Case(["sweep", str(corpus), "-o", "sweep", "--config", config, "--workers", "1", "--seeds", seeds,
                     "--set", "training.epochs=1"])  # fmt: skip

    def checkpoint(self, rng: Rng) -> Case:
        """Resume from a damaged checkpoint."""
        self._write("new.safetensors.checkpoint", mutations.safetensors(rng, self._material.checkpoint))
        return Case([*self._train(self._corpus_folder()), "--epochs", "2", "--resume"])

    def config(self, rng: Rng) -> Case:
        """Train with damaged settings."""
        config = self._write("bad.toml", mutations.toml(rng, TOML))
        corpus = self._corpus_folder()
        return Case(["train", str(corpus), "-o", "new.safetensors", "--config", config, "--epochs", "1"])

    def labels(self, rng: Rng) -> Case:
        """Use odd label files, lists of splits, names of words, and actions."""
        way, model = float(rng.random()), self._model(rng)
        if way < 0.35:
            labels = self._write("labels.txt", mutations.text_lines(rng, ("0.1\t0.4\tyes", "0.2\t0.3\tno", "\\\t1\t2")))
            sound = self._write("a.wav", self._material.sounds[0][1])
            return Case(["evaluate", sound, "-m", model, "--stream", "--labels", labels, *pick(rng, STYLES)])
        text = str(pick(rng, (*mutations.NAMES, *mutations.LINES))).replace("\0", "")
        if way < 0.45:
            return Case(["record", text, "-o", "recordings", "--speaker", pick(rng, ("anna", text))])
        if way < 0.55:
            sound = self._write("a.wav", self._material.sounds[0][1])
            return Case(["listen", "--input", sound, "-m", model, "--exec", text or "x"])
        corpus = self._corpus_folder()
        if way < 0.65:
            return Case([*self._train(corpus), "--epochs", "1", "--words", f"yes,{text}"])
        if way < 0.7:
            noise = str(corpus / "_background_noise_")
            return Case(["evaluate", str(corpus), "-m", model, "--noise", noise, "--snr", text])
        if way < 0.8:
            for name in (text, f"{text}.wav"):
                if (
                    not set(name) & {"/"}
                    and 0 < len(name.encode("utf-8", "surrogateescape")) < 250
                    and name not in (".", "..")
                ):
                    (corpus / name).mkdir(exist_ok=True)
                    shutil.copy(next((corpus / "yes").iterdir()), corpus / name / "0.wav")
        else:
            names = [f"{path.parent.name}/{path.name}" for path in sorted(corpus.rglob("*.wav"))]
            for split in ("validation", "testing"):
                self._write(f"corpus/{split}_list.txt", mutations.text_lines(rng, names))
        command = pick(rng, (["data", "info", str(corpus)], ["evaluate", str(corpus), "-m", model],
                             [*self._train(corpus), "--epochs", "1"]))  # fmt: skip
        return Case(command)

    def archive(self, rng: Rng) -> Case:
        """Download a hostile or damaged archive, sometimes on top of an unfinished download."""
        content = mutations.archive(rng, self._material.sounds[0][1])
        if not self._server:
            self._server = FileServer()
        self._server.files["fuzz.bin"] = content
        KNOWN["fuzz"] = DataSet("fuzz", "odd things", self._server.address, "fuzz.bin", len(content), None, 100_000)
        if rng.random() < 0.2:
            self._write("data/fuzz.bin.part", content[: int(rng.integers(len(content) + 1))])
            self._write("data/fuzz.bin.part.json", mutations.damaged(rng, json.dumps({"url": "x"}).encode()))
        return Case(["data", "download", "fuzz", "--dir", str(self._work / "data")])


KINDS: dict[str, tuple[int, Callable[[Cases, Rng], Case]]] = {
    "audio": (31, Cases.audio),
    "model": (25, Cases.model),
    "page": (14, Cases.page),
    "sweep": (2, Cases.sweep),
    "checkpoint": (4, Cases.checkpoint),
    "config": (6, Cases.config),
    "labels": (9, Cases.labels),
    "archive": (9, Cases.archive),
}
