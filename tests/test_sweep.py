"""A sweep tries every combination once, keeps the best model, and goes on after an interruption."""

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from command_line import Result
from sayso.config import Settings
from sayso.errors import SettingsError
from sayso.model import model_file
from sayso.training import sweep
from sayso.training.sweep import grid, values_of

TOML = """
[network]
hidden = [16]
[augmentation]
reverberation_probability = 0.0
[training]
batch_size = 16
learning_rate = 0.01
average_decay = 0.8
"""


def test_a_grid_holds_every_combination() -> None:
    runs = grid(Settings(), {"training.epochs": [1, 2], "network.hidden": [[8], [4, 4]]}, Path())
    assert [run.values for run in runs] == [
        {"training.epochs": epochs, "network.hidden": hidden} for epochs in (1, 2) for hidden in ([8], [4, 4])
    ]
    assert [run.settings.to_dict()["network"]["hidden"] for run in runs] == [(8,), (4, 4), (8,), (4, 4)]
    assert [run.settings.training.epochs for run in runs] == [1, 1, 2, 2]
    assert len({run.checkpoint for run in runs}) == 4


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("training.epochs=10, 20", ("training.epochs", [10, 20])),
        ("training.optimizer=adam,sgd", ("training.optimizer", ["adam", "sgd"])),
        ("network.hidden=[256],[64, 64]", ("network.hidden", [[256], [64, 64]])),
        ("training.warmup = 0.1", ("training.warmup", [0.1])),
    ],
)
def test_variations_are_written_as_in_toml_or_plainly(text: str, expected: object) -> None:
    assert values_of(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("training.epochs", "has no values; expected TABLE.NAME=VALUE,VALUE"),
        ("training.epochs=", "has no values"),
        ("epochs=1", "'epochs' is not a setting; expected TABLE.NAME"),
        ("training.epoch=1", r"unknown setting training.epoch; known are epochs"),
        ("nothing.epochs=1", r"unknown table \[nothing\]"),
        ("training.epochs=0", "epochs is 0; expected between 1 and 10000"),
        ("training.epochs=many", "training.epochs is 'many'; expected a value of type int"),
    ],
)
def test_variations_that_cannot_be(text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        grid(Settings(), dict([values_of(text)]), Path())


def test_a_sweep_is_interrupted_and_goes_on(
    sayso: Callable[..., Result], tiny_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "small.toml").write_text(TOML)
    folder = tmp_path / "out"
    variations = ("--seeds", "1", "--set", "training.epochs=1,6")
    arguments = ("sweep", tiny_corpus, "-o", folder, "--config", tmp_path / "small.toml", *variations)

    append = sweep.append

    def stops(path: Path, rows: list[sweep.Row]) -> None:
        append(path, rows)
        if len(list(sweep.finished(path))) == 1:
            with path.open("ab") as file:
                file.write(b'\n{"half')
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(sweep, "append", stops)
        stopped = sayso(*arguments, "--workers", 1)
    assert stopped.status == 1
    assert "stopped after 0 of 2 runs; the same command continues" in stopped.err
    result = sayso(*arguments, "--workers", 1)
    assert result.status == 0, result
    assert "1 of 2 runs are already done" in result.err
    rows = list(sweep.finished(folder / "runs.jsonl"))
    assert [row.values for row in rows] == [{"training.epochs": epochs, "training.seed": 1} for epochs in (1, 6)]
    accuracies = [row.validation_accuracy for row in rows]
    best = model_file.load(folder / "best.safetensors")
    assert best.training["validation_accuracy"] == max(accuracies) > min(accuracies)
    header, *lines = result.out.splitlines()[:3]
    assert header.split() == ["training.epochs", "training.seed", "validation", "best", "epoch", "seconds"]
    assert [float(line.split()[2]) for line in lines] == sorted((round(100 * a, 1) for a in accuracies), reverse=True)
    assert sorted(path.name for path in folder.iterdir()) == ["best.safetensors", "runs.jsonl"]

    # It is what `sayso train` would have come to.
    model = tmp_path / "model.safetensors"
    sayso("train", tiny_corpus, "-o", model, "--config", tmp_path / "small.toml", "--epochs", 6, "--seed", 1)
    assert model_file.load(model).training["validation_accuracy"] == accuracies[1]
    # All is done: the table alone.
    content = (folder / "runs.jsonl").read_bytes()
    again = sayso(*arguments)
    assert "2 of 2 runs are already done" in again.err
    assert again.out == result.out
    assert (folder / "runs.jsonl").read_bytes() == content


def test_a_run_and_what_it_needs_can_travel(tiny_model: model_file.Model) -> None:
    (run,) = grid(Settings(), {"training.seed": [7]}, Path("x"))
    data = sweep.Data(Path("corpus"), ("yes",), (Path("noise"),), (), 1)
    assert pickle.loads(pickle.dumps((data, run))) == (data, run)
    there = pickle.loads(pickle.dumps(tiny_model))
    np.testing.assert_array_equal(there.network.parameters.vector, tiny_model.network.parameters.vector)


def test_nothing_to_try_is_wrong_usage(sayso: Callable[..., Result], tiny_corpus: Path, tmp_path: Path) -> None:
    assert sayso("sweep", tiny_corpus, "-o", tmp_path).status == 2
