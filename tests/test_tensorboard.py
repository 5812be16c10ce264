"""Training curves for TensorBoard: they can be read back, and problems are reported before the training."""

import struct
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from command_line import Result
from sayso.model import model_file

pytest.importorskip("tensorboardX", reason="needs tensorboardX, as in sayso[tensorboard]")


def events(folder: Path) -> Iterator[object]:
    """Read the records of all files in a folder: length, checksum, an event, checksum."""
    from tensorboardX.proto.event_pb2 import Event

    for path in sorted(folder.iterdir()):
        content, at = path.read_bytes(), 0
        while at < len(content):
            (length,) = struct.unpack_from("<Q", content, at)
            event = Event()
            event.ParseFromString(content[at + 12 : at + 12 + length])
            yield event
            at += length + 16


def scalars(folder: Path) -> dict[str, dict[int, float]]:
    read: dict[str, dict[int, float]] = {}
    for event in events(folder):
        for value in event.summary.value:
            read.setdefault(value.tag, {})[event.step] = value.simple_value
    return read


def test_each_epoch_can_be_read_back(sayso: Callable[..., Result], tiny_corpus: Path, tmp_path: Path) -> None:
    output, folder = tmp_path / "model.safetensors", tmp_path / "deep" / "board"
    options = ["--config", "quickstart", "--epochs", 3, "--tensorboard", folder, "--report", tmp_path / "page.html"]
    result = sayso("train", tiny_corpus, "-o", output, *options)
    assert result.status == 0, result
    assert f"{tmp_path / 'page.html'}: open it in a browser" in result.out
    assert "Report on model" in (tmp_path / "page.html").read_text()
    history = model_file.load(output).training["history"]
    read = scalars(folder)
    for name, key in (
        ("loss/training", "loss"),
        ("loss/validation", "validation_loss"),
        ("accuracy/training", "training_accuracy"),
        ("accuracy/validation", "validation_accuracy"),
        ("learning_rate", "learning_rate"),
        ("gradient_norm/all", "gradient_norm"),
    ):
        assert read[name] == {row["epoch"]: pytest.approx(row[key], rel=1e-6) for row in history}
    assert len(history) == 3
    layers = model_file.load(output).training["layers"]
    assert {name for name in read if name.startswith("gradient_norm/")} == {
        "gradient_norm/all",
        *(f"gradient_norm/{layer}" for layer in layers),
    }
    # Curves of an earlier training in the same folder are no longer shown.
    assert any(event.HasField("session_log") and event.step == 1 for event in events(folder))


def test_a_missing_package_is_reported_before_anything_is_read(
    sayso: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    result = sayso("train", tmp_path / "nowhere", "-o", tmp_path / "model.safetensors", "--tensorboard", tmp_path / "b")
    assert result.status == 1
    assert result.err.strip().splitlines() == [
        'error: writing for TensorBoard needs the package tensorboardX; run: pip install "sayso[tensorboard]"'
    ]


def test_a_folder_that_cannot_be_written_is_refused(sayso: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    result = sayso("train", tmp_path, "-o", tmp_path / "model.safetensors", "--tensorboard", tmp_path / "file")
    assert result.status == 1
    assert result.err.startswith("error: cannot write ")
