"""What SECURITY.md promises about models and output: no code runs, sizes are bounded, no name controls a terminal."""

import csv
import dataclasses
import hashlib
import io
import json
import os
import re
import struct
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile

import sayso
import sounds
from cases import case
from command_line import Result
from sayso.cli.tables import table
from sayso.config import FeatureSettings, Settings, bounds
from sayso.errors import ModelError
from sayso.features.filterbank import FeatureTables
from sayso.features.standardizer import Standardizer
from sayso.model import checksums, model_file, shipped
from sayso.model.model_file import Model
from sayso.nn import (
    Convolution2d,
    Dense,
    DepthwiseConvolution,
    Flatten,
    Layer,
    Network,
    Pointwise,
    ReLU,
    Spectrum,
    Stack,
    StatisticsPooling,
)
from sayso.nn.architectures import DenseArchitecture, TdnnArchitecture
from sayso.system.text import printable

FEATURES = FeatureSettings(clip=0.13, mel_bands=6, coefficients=4)


def written(tmp_path: Path, layers: Sequence[Layer], features: FeatureSettings = FEATURES) -> Path:
    """Write a model that is consistent except for the memory or work that these layers ask for."""
    path = tmp_path / "hostile.safetensors"
    Model(
        labels=("yes", "no"),
        features=features,
        tables=FeatureTables.from_settings(features),
        standardizer=Standardizer(np.zeros(features.width, np.float32), np.ones(features.width, np.float32)),
        network=Network(layers, (features.frames, features.width)).initialise(np.random.default_rng(0)),
    ).save(path)
    return path


# Few weights, yet gigabytes of activations or hours of work.
GREEDY = {
    "a matrix for every frame": ([DepthwiseConvolution(kernel=1, padding=65_536), StatisticsPooling()], "at once"),
    "ever more frames": (
        [*(DepthwiseConvolution(kernel=1, padding=1_000, stride=1) for _ in range(9)), StatisticsPooling()],
        "at once",
    ),
    "much work": ([DepthwiseConvolution(kernel=2_000, padding=1_999) for _ in range(40)] + [Flatten()], "at once"),
    "a cosine for every channel": ([Pointwise(5_000), Spectrum(), Stack(), StatisticsPooling()], "at once"),
    "a kernel as large as its input": (
        [Spectrum(), Convolution2d(channels=1, band_kernel=4, kernel=4_001, padding=4_000), Stack(), Flatten()],
        "at once",
    ),
    "too many layers": ([ReLU()] * 1_001 + [Flatten()], "more than 1000 layers"),
}


def test_a_network_that_needs_absurd_memory_or_work_is_refused(tmp_path: Path) -> None:
    for name, (layers, message) in GREEDY.items():
        with case(name), pytest.raises(ModelError, match=message):
            model_file.load(written(tmp_path, [*layers, Dense(2)]))


def test_a_network_that_costs_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, [Flatten(), Dense(300), Dense(300), Dense(2)])
    monkeypatch.setattr(bounds, "MOST_MULTIPLY_ADDS", 90_000)
    with pytest.raises(ModelError, match=r"it costs 9\d,\d+ multiply-adds; expected at most 90,000"):
        model_file.load(path)


def test_every_network_that_can_be_trained_can_be_loaded() -> None:
    # Settings and model files have the same bounds; the largest networks of the recipes are far from them.
    for network in (DenseArchitecture(), TdnnArchitecture()):
        settings = Settings(network=network)
        shape = (settings.features.frames, settings.features.width)
        chain = Network(network.layers(12), shape).chain
        bounds.check_network(chain, shape)
        assert 10 * chain.workspace(shape[::-1]) < bounds.MOST_WORKSPACE


def test_a_header_that_would_fill_the_memory_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    with path.open("wb") as file:
        file.write(struct.pack("<Q", model_file.MAX_HEADER + 1))
        file.truncate(model_file.MAX_HEADER + 100)  # takes no space on the disk
    with pytest.raises(ModelError, match="declares a header of 8388609 bytes"):
        model_file.load(path)


def test_metadata_of_the_training_is_only_printed(
    tiny_model: Model, sayso: Callable[..., Result], tmp_path: Path
) -> None:
    path = tmp_path / "model.safetensors"
    for odd in (3, "x", {}):
        with case(repr(odd)):
            dataclasses.replace(tiny_model, training={"taught": odd}).save(path)
            with pytest.raises(ModelError, match="list of what was taught"):
                model_file.load(path)
            training = {"data": odd, "validation_accuracy": odd, "settings": [], "history": odd}
            scores = {"\x1b[2J": odd, "b": {"accuracy": "high"}}
            dataclasses.replace(tiny_model, training=training, scores=scores).save(path)
            result = sayso("info", "-m", path)
            assert result.status == 0
            assert "trained on" in result.out
            assert "unknown" in result.out
            assert r"on \x1b[2J" in result.out
            assert "\x1b" not in result.out


def test_loading_a_model_runs_and_writes_nothing(tiny_model_path: Path) -> None:
    script = """
import sys
from pathlib import Path
from sayso.model import model_file
path = Path(sys.argv[1])
model_file.load(path)  # imports what it needs
seen = []
sys.addaudithook(lambda event, arguments: seen.append((event, arguments)))
model_file.load(path)
allowed = {"open", "object.__getattr__", "os.listdir", "os.scandir"}
strange = [entry for entry in seen if entry[0] not in allowed]
opened = {str(arguments[0]) for event, arguments in seen if event == "open" and arguments[1] not in ("r", "rb", None)}
print(strange, opened)
assert seen and not strange and not opened
"""
    run = subprocess.run([sys.executable, "-c", script, tiny_model_path], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


def test_the_shipped_models_have_the_checksums_in_the_code() -> None:
    files = {**shipped.models(), **shipped.packs()}
    found = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()}
    assert found == checksums.SHIPPED, "run: python scripts/shipped_models/hashes.py"


def test_a_shipped_model_that_was_changed_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = bytearray(shipped.models()["commands-tiny"].read_bytes())
    content[-200_000] ^= 1  # still a valid model
    monkeypatch.setattr(shipped, "bundled", lambda kind: tmp_path)
    path = tmp_path / "commands-tiny.safetensors"
    path.write_bytes(content)
    with pytest.raises(
        ModelError, match=r"is not the model that came with sayso: its SHA-256 is .*, expected [0-9a-f]{64}"
    ):
        sayso.load("commands-tiny")
    with pytest.raises(ModelError, match="is not the model that came with sayso"):
        model_file.load(Path(os.path.relpath(path)))
    (tmp_path / "mine").mkdir()
    sayso.load(str(path.rename(tmp_path / "mine" / "commands-tiny.safetensors")))


NASTY = "a\x1b]0;x\x07\n\r\x9b2J\u202e\udcff"


def test_characters_that_are_not_printable_become_escapes() -> None:
    assert printable("Grüße, 世界 ✓") == "Grüße, 世界 ✓"
    assert printable(NASTY) == r"a\x1b]0;x\x07\n\r\x9b2J\u202e\udcff"
    assert printable(NASTY).isprintable()
    assert table(["name"], [[NASTY]]).split("\n")[1] == printable(NASTY)


def test_names_of_files_and_words_cannot_control_a_terminal(
    sayso: Callable[..., Result], tiny_model_path: Path, tmp_path: Path
) -> None:
    for number, name in enumerate(("a\x1b]0;x\x07\n\x9b2J\u202e", os.fsdecode(b"a\xff"))):
        (tmp_path / str(number)).mkdir()
        with case(repr(name)):
            check_that_output_is_printable(name, sayso, tiny_model_path, tmp_path / str(number))


def check_that_output_is_printable(
    name: str, sayso: Callable[..., Result], tiny_model_path: Path, folder: Path
) -> None:
    corpus = folder / "corpus"
    for word in ("yes", name):
        (corpus / word).mkdir(parents=True)
        for take in range(3):
            soundfile.write(corpus / "yes" / "clip.wav", sounds.clip("yes", take), sounds.RATE)
            (corpus / "yes" / "clip.wav").rename(corpus / word / f"{take}.wav")
        (corpus / word / f"{name}.wav").write_bytes(b"no sound")
    runs = [
        ("data", "info", corpus),
        ("evaluate", corpus, "-m", tiny_model_path, "--split", "training"),
        ("train", corpus, "-o", folder / "model"),
        ("train", corpus, "-o", folder / "model", "--words", name),
        ("teach", corpus, "-o", folder / "model", "-m", tiny_model_path),
        ("info", "-m", corpus / name / f"{name}.wav"),
        ("listen", "--input", corpus / name / f"{name}.wav", "-m", tiny_model_path),
        ("train", corpus, "-o", folder / "model", name),
        ("classify", corpus, "-m", tiny_model_path),
        ("classify", corpus, "-m", tiny_model_path, "--format", "jsonl"),
        ("report", corpus, "-m", tiny_model_path, "-o", folder / f"{name}.html"),
        ("explain", corpus / name / f"{name}.wav", "-m", tiny_model_path),
        ("sweep", corpus, "-o", folder / name, "--seeds", "0", "--set", "training.epochs=1"),
    ]
    for arguments in runs:
        result = sayso(*arguments)
        for text in (result.out, result.err):
            assert all(line.isprintable() for line in text.split("\n")), (arguments, text)
    assert not (folder / "model").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="needs a name that is not valid text")
def test_a_name_is_the_same_valid_text_in_every_format(
    sayso: Callable[..., Result], tiny_model_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pyarrow = pytest.importorskip("pyarrow.parquet")
    monkeypatch.chdir(tmp_path)
    names = {
        os.fsdecode(b"a\xff.wav"): r"a\udcff.wav", "a\x1b[2J\n.wav": r"a\x1b[2J\n.wav", "a\u202ex.wav": r"a\u202ex.wav",
        "a\xa0b\u3000c.wav": "a\xa0b\u3000c.wav", "a\u200cb.wav": "a\u200cb.wav", "=a, 'b\".wav": "=a, 'b\".wav",
    }  # fmt: skip
    for number, (name, shown) in enumerate(names.items()):
        folder = Path(str(number))
        folder.mkdir()
        (folder / name).write_bytes(b"no sound")
        (folder / f"sound {name}").write_bytes(b"")
        soundfile.write(folder / "x.wav", sounds.stream(["yes", "no"])[0], sounds.RATE)
        (folder / "x.wav").rename(folder / f"y{name}")
        for style in ("table", "csv", "jsonl", "parquet"):
            with case(repr(name), style):
                output = f"{number}.{style}"
                command = ("classify", folder, "-m", tiny_model_path, "-o", output, "--format", style)
                assert f"saved {output}" in sayso(*command).err
                assert "is complete" in sayso(*command, "--resume").err
                if style == "table":
                    text = Path(output).read_bytes().decode()
                    assert text.count(shown) == 6
                    assert len(text.splitlines()) == 5
                    continue
                if style == "parquet":
                    rows = pyarrow.read_table(output).to_pylist()
                elif style == "csv":
                    rows = list(csv.DictReader(io.StringIO(Path(output).read_bytes().decode(), newline="")))
                else:
                    rows = [json.loads(line) for line in Path(output).read_bytes().decode().splitlines()]
                paths = [f"{number}/{shown}", f"{number}/sound {shown}", *[f"{number}/y{shown}"] * 2]
                assert [row["path"] for row in rows] == paths
                assert all(path in row["error"] for path, row in zip(paths[:2], rows[:2], strict=True))


def test_a_small_file_with_hours_of_sound_is_not_a_clip(
    sayso: Callable[..., Result], tiny_model_path: Path, tmp_path: Path
) -> None:
    for word in ("yes", "no"):
        (tmp_path / word).mkdir()
        soundfile.write(tmp_path / word / "good.wav", sounds.clip(word), sounds.RATE)
        soundfile.write(tmp_path / word / "long.flac", np.zeros(1_200_000, np.int16), 1_000)
    result = sayso("evaluate", tmp_path, "-m", tiny_model_path, "--split", "training")
    assert "long.flac is longer than 60 s; cut it into clips of one word each" in result.err


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs to know the memory in use")
def test_absurd_rates_and_channels_take_little_memory(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "wide.wav", np.zeros((400_000, 64), np.int16), 768_000)
    header = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 2**32 - 1, b"WAVE", b"fmt ", 16, 1, 65_535, 2**32 - 1, 0, 0, 32,
                         b"data", 2**32 - 1)  # fmt: skip
    (tmp_path / "pipe.wav").write_bytes(header + bytes(1_000))
    script = (
        "import resource, sys; from pathlib import Path; import soxr, wave\n"
        "from sayso.sound import audio\n"
        "room = int(Path('/proc/self/statm').read_text().split()[0]) * resource.getpagesize() + 2**27\n"
        "resource.setrlimit(resource.RLIMIT_AS, (room, room))\n"
        "print(sum(map(len, audio.read_chunks(sys.argv[1] + '/wide.wav', 16_000))))\n"
        "try: list(audio.read_chunks(open(sys.argv[1] + '/pipe.wav', 'rb'), 16_000))\n"
        "except audio.AudioError as error: print(error)\n"
    )
    run = subprocess.run([sys.executable, "-c", script, tmp_path], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert "the given sound is not a sound file" in run.stdout


def test_every_promise_of_the_page_names_a_test_that_exists() -> None:
    root = Path(__file__).resolve().parent.parent
    page = (root / "SECURITY.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("|")][2:]
    assert len(rows) > 10
    for row in rows:
        named = re.findall(r"`(tests/\w+\.py)::(\w+)`", row)
        assert named, row
        for path, name in named:
            assert f"def {name}(" in (root / path).read_text(encoding="utf-8"), name
