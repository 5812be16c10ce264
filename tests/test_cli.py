"""The command line as a whole: help, usage errors, one-line errors, shipped models, quickstart."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from cases import case
from command_line import Result, one_line_error, some_clip
from sayso.cli import main as cli_main
from sayso.model import shipped


def test_the_module_runs_the_command() -> None:
    run = subprocess.run([sys.executable, "-m", "sayso", "--version"], capture_output=True, text=True, check=True)
    assert run.stdout.startswith("sayso, version ")


def test_help_shows_an_example_for_each_command(sayso: Callable[..., Result]) -> None:
    assert sayso("--help").status == 0
    for command in cli_main.cli.commands:
        assert f"Example: sayso {command}" in sayso(command, "--help").out


def test_wrong_usage_exits_with_two(sayso: Callable[..., Result]) -> None:
    assert sayso("classify").status == 2
    assert sayso("nonsense").status == 2
    assert sayso("train", "x", "-o", "y", "--epochs", "many").status == 2


def test_shared_options_have_the_same_help_everywhere(sayso: Callable[..., Result]) -> None:
    texts: dict[str, set[str | None]] = {}
    for command in cli_main.cli.commands.values():
        for option in command.params:
            if isinstance(option, click.Option):
                for name in set(option.opts) & {"--model", "--device", "--split", "--words", "--noise", "--negatives"}:
                    texts.setdefault(name, set()).add(option.help)
    assert len(texts) == 6
    assert all(len(found) == 1 for found in texts.values()), texts


def test_debug_shows_the_traceback() -> None:
    for arguments in (["--debug", "info", "-m", "nothing"], ["info", "-m", "nothing", "--debug"]):
        with case(*arguments):
            run = subprocess.run([sys.executable, "-m", "sayso", *arguments], capture_output=True, text=True)
            assert run.returncode == 1
            assert "Traceback" in run.stderr


def test_an_output_that_cannot_be_written_is_reported_in_one_line(
    sayso: Callable[..., Result], tiny_corpus: Path, tiny_model_path: Path, tmp_path: Path
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    inside = blocked / "output"
    for arguments in (
        ["train", tiny_corpus, "-o", inside],
        ["classify", some_clip(tiny_corpus), "-m", tiny_model_path, "-o", inside],
        ["evaluate", tiny_corpus, "-m", tiny_model_path, "--plots", inside],
        ["quickstart", "-o", inside],
    ):
        with case(arguments[0]):
            assert "cannot write" in one_line_error(sayso(*arguments))
            assert blocked.read_text() == "no folder"


def test_a_file_that_is_not_a_model_is_reported_in_one_line(
    sayso: Callable[..., Result], tiny_corpus: Path, tmp_path: Path
) -> None:
    fake = tmp_path / "fake.safetensors"
    fake.write_bytes(b"not a model")
    for command in (["info"], ["classify", some_clip(tiny_corpus)], ["evaluate", tiny_corpus], ["report"]):
        assert "fake.safetensors" in one_line_error(sayso(*command, "-m", fake))
    assert "no model nowhere" in one_line_error(sayso("info", "-m", "nowhere"))


def test_a_reader_that_closes_the_pipe_early_is_no_error(tiny_corpus: Path, tiny_model_path: Path) -> None:
    if os.name == "nt":
        pytest.skip("needs a Unix shell")
    command = f'"{sys.executable}" -m sayso classify "{tiny_corpus}" -m "{tiny_model_path}" | head -n 1'
    run = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    # If the reader was slow, the batch was complete and its summary was printed.
    assert not run.stderr or re.fullmatch(r"\d+ files, .* as fast as real time\n", run.stderr), run.stderr


def test_the_shipped_models_are_listed(sayso: Callable[..., Result]) -> None:
    facts = json.loads(sayso("models", "--format", "json").out)
    assert [fact["name"] for fact in facts] == sorted(shipped.models())
    assert [fact["name"] for fact in facts if fact["default"]] == [shipped.DEFAULT]
    header, *lines = sayso("models").out.splitlines()
    assert header.split() == ["name", "parameters", "multiply-adds", "file", "accuracy"]
    labels = " ".join(line.strip() for line in lines[len(facts) :])
    for fact, line in zip(facts, lines, strict=False):
        described = json.loads(sayso("info", "-m", fact["name"], "--format", "json").out)
        for name in ("labels", "parameters", "multiply_adds", "scores"):
            assert fact[name] == described[name]
        assert Path(fact["path"]).stat().st_size == fact["bytes"]
        assert line.startswith(fact["name"])
        assert f"{fact['parameters']:,}" in line
        assert fact["name"] in labels
        assert ", ".join(fact["labels"]) in labels
        assert ("(default)" in line) == fact["default"]


def test_without_shipped_models_the_list_is_empty(
    sayso: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipped, "models", dict)
    assert json.loads(sayso("models", "--format", "json").out) == []
    assert len(sayso("models").out.splitlines()) == 1


def test_a_model_without_scores_is_listed_too(
    sayso: Callable[..., Result], tiny_model_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipped, "models", lambda: {"tiny": tiny_model_path})
    (fact,) = json.loads(sayso("models", "--format", "json").out)
    assert (fact["name"], fact["default"], fact["scores"]) == ("tiny", False, {})
    assert "unknown" in sayso("models").out.splitlines()[1]


def test_quickstart_does_what_it_promises(sayso: Callable[..., Result], tmp_path: Path) -> None:
    result = sayso("quickstart", "-o", tmp_path / "out")
    assert result.status == 0, result
    assert "95 % interval" in result.out
    assert "what next" in result.out
    made = tmp_path / "out"
    assert sorted(path.name for path in made.iterdir()) == ["confusion.png", "learning_curve.png", "model.safetensors"]
    accuracy = re.search(r"^accuracy .*?: (\d+\.\d) %", result.out)
    assert accuracy
    assert float(accuracy[1]) > 75  # few synthetic voices: a sanity bound, not a score
    facts = json.loads(sayso("info", "-m", made / "model.safetensors", "--format", "json").out)
    assert facts["training"]["data"]["corpus"] == "demo"
