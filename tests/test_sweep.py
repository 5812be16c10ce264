"""A sweep trains every combination once, keeps the best model, and continues after an interruption."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cases import case
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


def test_values_of_settings_are_written_as_in_toml_or_as_plain_words() -> None:
    for text, expected in {
        "training.epochs=10, 20": ("training.epochs", [10, 20]),
        "training.optimizer=adam,sgd": ("training.optimizer", ["adam", "sgd"]),
        "network.hidden=[256],[64, 64]": ("network.hidden", [[256], [64, 64]]),
        "training.warmup = 0.1": ("training.warmup", [0.1]),
    }.items():
        assert values_of(text) == expected, text


def test_impossible_settings_and_values_are_refused() -> None:
    for text, message in {
        "training.epochs": "has no values; expected TABLE.NAME=VALUE,VALUE",
        "training.epochs=": "has no values",
        "epochs=1": "'epochs' is not a setting; expected TABLE.NAME",
        "training.epoch=1": r"unknown setting training.epoch; known are epochs",
        "nothing.epochs=1": r"unknown table \[nothing\]",
        "training.epochs=0": "epochs is 0; expected between 1 and 10000",
        "training.epochs=many": "training.epochs is 'many'; expected a value of type int",
        "training.seed=" + "9" * 5_000: "has impossible values: .*; correct them",
        "training.seed=0x" + "f" * 5_000: "seed is a int too large to show",
        "training.seed=" + "[" * 5_000: "has impossible values: it is nested too deeply",
        "training.seed=\x00": "training.seed is ",
        "training.epochs=1979-05-27": "training.epochs is datetime.date",
    }.items():
        with case(text), pytest.raises(SettingsError, match=message):
            grid(Settings(), dict([values_of(text)]), Path())


def test_an_interrupted_sweep_continues_and_keeps_the_best_model(
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

    # `sayso train` gives the same result.
    model = tmp_path / "model.safetensors"
    sayso("train", tiny_corpus, "-o", model, "--config", tmp_path / "small.toml", "--epochs", 6, "--seed", 1)
    assert model_file.load(model).training["validation_accuracy"] == accuracies[1]
    # All runs are done: the same command only prints the table.
    content = (folder / "runs.jsonl").read_bytes()
    again = sayso(*arguments)
    assert "2 of 2 runs are already done" in again.err
    assert again.out == result.out
    assert (folder / "runs.jsonl").read_bytes() == content


def test_runs_data_and_models_can_be_pickled(tiny_model: model_file.Model) -> None:
    (run,) = grid(Settings(), {"training.seed": [7]}, Path("x"))
    data = sweep.Data(Path("corpus"), ("yes",), (Path("noise"),), (), 1)
    assert pickle.loads(pickle.dumps((data, run))) == (data, run)
    copy = pickle.loads(pickle.dumps(tiny_model))
    np.testing.assert_array_equal(copy.network.parameters.vector, tiny_model.network.parameters.vector)


def test_a_sweep_without_settings_or_seeds_is_wrong_usage(
    sayso: Callable[..., Result], tiny_corpus: Path, tmp_path: Path
) -> None:
    assert sayso("sweep", tiny_corpus, "-o", tmp_path).status == 2


def test_lines_of_results_that_are_none_are_done_again(tmp_path: Path) -> None:
    row = {
        "values": {"training.seed": 1}, "settings": {}, "data": {}, "validation_accuracy": 0.5, "best_epoch": 3,
        "seconds": 1.5,
    }  # fmt: skip
    good = json.dumps(row).encode()
    odd = (None, "x", [], {}, True, float("nan"), 10**400, -1)
    changed = [
        json.dumps({**row, name: value}).encode()
        for name in ("validation_accuracy", "best_epoch", "seconds") for value in odd
    ]  # fmt: skip
    path = tmp_path / "runs.jsonl"
    for line in (
        b"", b"{", b"null", b"[]", b"1" * 5_000, b"[" * 100_000, b"\xff", b"\xef\xbb\xbf{}", good[:-1], b"{}", *changed,
        json.dumps({**row, "values": [1]}).encode(), json.dumps({**row, "more": 1}).encode(),
    ):  # fmt: skip
        path.write_bytes(b"\n".join((line, good, line)))
        with case(line[:60]):
            assert list(sweep.finished(path)) == [sweep.Row(**row)]
