"""What a new user meets: hints in the form of the call, one name for one option, suggestions, tables that fit."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from cases import case
from command_line import Result, one_line_error, some_clip, write_words
from sayso.cli import layout
from sayso.cli import main as cli_main
from sayso.system import invocation
from sayso.system.suggestions import nearest

ROOT = Path(__file__).parent.parent
Sayso = Callable[..., Result]


def every_command() -> dict[str, click.Command]:
    found: dict[str, click.Command] = {}
    for name, command in cli_main.cli.commands.items():
        inner = command.commands if isinstance(command, click.Group) else {}
        found |= {f"{name} {part}": one for part, one in inner.items()} if inner else {name: command}
    return found


def test_commands_are_named_in_the_form_of_the_call(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "bin" / "sayso"
    program.parent.mkdir()
    program.touch(mode=0o755)
    monkeypatch.delenv(invocation.VARIABLE, raising=False)
    monkeypatch.setenv("PATH", str(program.parent))
    module = str(ROOT / "src" / "sayso" / "__main__.py")
    for argv, typed, expected in (
        (["sayso", "x"], ["python3", "/bin/sayso", "x"], "sayso"),
        ([str(program), "x"], ["python3", str(program), "x"], "sayso"),
        (["venv/bin/sayso", "x", "y"], ["python3", "venv/bin/sayso", "x", "y"], "venv/bin/sayso"),
        (["my venv/sayso"], ["python3", "my venv/sayso"], "'my venv/sayso'"),
        ([module, "x"], ["python3.12", "-m", "sayso", "x"], "python3.12 -m sayso"),
        ([module], ["python", "-X", "dev", "-m", "sayso"], "python -X dev -m sayso"),
        (["program.py"], ["python", "program.py"], "sayso"),
    ):
        with case(*argv):
            monkeypatch.setattr(sys, "argv", argv)
            monkeypatch.setattr(sys, "orig_argv", typed)
            assert invocation.called_as() == expected
            assert (
                invocation.in_form_of_call("run `sayso doctor`; sayso says") == f"run `{expected} doctor`; sayso says"
            )
    monkeypatch.setenv("PATH", "")
    assert invocation.called_as() == f"{sys.executable} -m sayso"
    monkeypatch.setenv(invocation.VARIABLE, "py run.py")
    assert invocation.called_as() == "py run.py"


def test_help_usage_errors_and_hints_are_in_the_form_of_the_call(tmp_path: Path) -> None:
    environment = {**os.environ, invocation.VARIABLE: "python3 scripts/run.py", "XDG_DATA_HOME": str(tmp_path)}
    for arguments, expected in (
        (["teach", "-h"], "Example: python3 scripts/run.py teach recordings -o"),
        (["data", "-h"], "(see `python3 scripts/run.py data list`)"),
        (["sweep"], "Usage: python3 scripts/run.py sweep"),
        (["evaluate", "mini-speech-commands"], "run `python3 scripts/run.py data download mini-speech-commands`"),
    ):
        with case(*arguments):
            command = [sys.executable, "-m", "sayso", *arguments]
            run = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=tmp_path)
            shown = " ".join((run.stdout + run.stderr).split())
            assert expected in shown
            assert "`sayso " not in shown
            assert ": sayso " not in shown


def test_the_script_for_a_checkout_passes_on_how_it_was_called(tmp_path: Path) -> None:
    code = (
        "import runpy, sys; sys.path.insert(0, 'scripts'); import environment, os\n"
        "environment.run = lambda module, arguments, extra: print(os.environ['SAYSO_CALLED_AS'], module, arguments)\n"
        "sys.argv = ['scripts/run.py', 'info', '-q']; sys.orig_argv = ['python3', 'scripts/run.py', 'info', '-q']\n"
        "runpy.run_path('scripts/run.py', run_name='__main__')"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert run.stdout == "python3 scripts/run.py sayso ['info', '-q']\n", run.stderr


def test_an_option_has_one_name_and_one_meaning() -> None:
    old = {"--json", "--plot", "--from", "--jsonl"}
    names: dict[str, set[str]] = {}
    for name, command in every_command().items():
        for option in command.params:
            assert not old & set(option.opts), (name, option.opts)
            names.setdefault(str(option.name), set()).add(" ".join(option.opts))
        assert {"quiet", "verbose", "debug"} <= {str(option.name) for option in command.params}, name
    assert names["model"] == {"-m --model"}
    assert names["style"] == {"--format"}
    assert names["plots"] == {"--plots"}
    assert names["output"] == {"-o --output"}


def test_a_misspelt_name_gets_a_suggestion(sayso: Sayso, tiny_corpus: Path, tmp_path: Path) -> None:
    clip = some_clip(tiny_corpus)
    (tmp_path / "one.toml").write_text("[trainning]\nepochs = 3\n")
    (tmp_path / "two.toml").write_text("[augmentation]\nnoise_snrs = [1.0, 2.0]\n")
    for arguments, meant in (
        (["clasify", clip], "classify"),
        (["data", "lst"], "list"),
        (["classify", clip, "-m", "comands"], "commands"),
        (["info", "-m", "Dense"], "dense"),
        (["train", tiny_corpus, "-o", tmp_path / "m", "--config", "quikstart"], "quickstart"),
        (["train", tiny_corpus, "-o", tmp_path / "m", "--config", tmp_path / "one.toml"], "training"),
        (["train", tiny_corpus, "-o", tmp_path / "m", "--config", tmp_path / "two.toml"], "noise_snr"),
        (["train", tiny_corpus, "-o", tmp_path / "m", "--network", "tdn"], "tdnn"),
        (["train", "speech-comands", "-o", tmp_path / "m"], "speech-commands"),
        (["teach", "mini-speech-comands", "-o", tmp_path / "m"], "mini-speech-commands"),
        (["data", "download", "speech-commands-tset"], "speech-commands-test"),
        (["evaluate", tiny_corpus, "--split", "validatoin"], "validation"),
        (["models", "--format", "jsn"], "json"),
        (["evaluate", tiny_corpus, "--negativs", "x"], "--negatives"),
        (["explain", clip, "--label", "stpo"], "stop"),
        (["listen", "--input", clip, "--exec", "rigth=true"], "right"),
    ):
        with case(*arguments):
            result = sayso(*arguments)
            assert result.status in (1, 2)
            assert re.search(rf"[Dd]id you mean (?:one of: )?.*{meant}'?\?", result.err), result.err
            assert "Traceback" not in result.err
    assert "did you mean" not in sayso("xylophone").err
    assert nearest("qqqq", ["yes", "no"]) is None


def test_a_model_in_place_of_an_argument_is_explained(sayso: Sayso, tiny_corpus: Path) -> None:
    for arguments in (["info", "commands"], ["evaluate", "commands", tiny_corpus]):
        result = sayso(*arguments)
        assert result.status == 2
        assert "The model is given with -m MODEL." in result.err


def test_the_shell_completes_names_and_files(tmp_path: Path) -> None:
    (tmp_path / "corner.safetensors").touch()
    (tmp_path / "speeches").mkdir()
    for typed, expected, excluded in (
        ("sayso expl", {"explain"}, {"info"}),
        ("sayso classify -m co", {"commands", "commands-tiny", "corner.safetensors"}, {"dense"}),
        ("sayso train --config q", {"quickstart"}, {"dense"}),
        ("sayso evaluate spee", {"speech-commands", "speeches/"}, {"mini-speech-commands"}),
        ("sayso data download mi", {"mini-speech-commands"}, {"speech-commands"}),
        ("sayso evaluate x --split v", {"validation"}, {"testing"}),
    ):
        with case(typed):
            words = {"COMP_WORDS": typed, "COMP_CWORD": str(typed.count(" ")), "_SAYSO_COMPLETE": "bash_complete"}
            run = subprocess.run(
                [sys.executable, "-m", "sayso"],
                env={**os.environ, **words},
                cwd=tmp_path,
                capture_output=True,
                text=True,
            )
            offered = {line.partition(",")[2] for line in run.stdout.splitlines()}
            assert expected <= offered, run
            assert not excluded & offered


def test_the_script_for_completion_is_printed(sayso: Sayso) -> None:
    for shell in ("bash", "zsh", "fish"):
        assert f"_SAYSO_COMPLETE={shell}_complete" in sayso("completion", shell).out
    assert sayso("completion", "cmd").status == 2


def test_quiet_keeps_results_and_warnings_and_verbose_lists_everything(sayso: Sayso, tmp_path: Path) -> None:
    corpus = write_words(tmp_path / "corpus", yes=3)
    for number in range(12):
        (corpus / "yes" / f"broken{number}.wav").touch()
    command = ("data", "info", corpus)
    normal, quiet, verbose = (sayso(*command, *option) for option in ((), ("-q",), ("-v",)))
    for shown in (normal, quiet):
        assert "and 2 more (-v lists them all)" in shown.out
    assert sum("broken" in line for line in verbose.out.splitlines()) == 1 + 12
    assert quiet.err == normal.err
    for detail in ("recordings: ", " MB of memory"):
        assert detail in verbose.err
        assert detail not in normal.err
    clip = corpus / "yes" / "00000000_nohash_0.wav"
    assert "model: " in sayso("classify", clip, "-v").err
    assert sayso("-q", "classify", clip, "-o", tmp_path / "quiet.csv").err == ""
    assert "saved" in sayso("classify", clip, "-o", tmp_path / "normal.csv").err
    assert (tmp_path / "quiet.csv").read_bytes() == (tmp_path / "normal.csv").read_bytes()


def test_every_table_fits_the_terminal(
    sayso: Sayso, tiny_corpus: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tiny_corpus.parent)
    commands = (
        ["models"], ["info"], ["info", "-m", "dense"], ["data", "list"], ["data", "info", tiny_corpus.name],
        ["evaluate", ROOT / "data" / "demo", "-m", "commands-tiny"],
    )  # fmt: skip
    for width in (80, 60):
        monkeypatch.setenv("COLUMNS", str(width))
        for command in commands:
            with case(width, *command):
                result = sayso(*command)
                assert result.status == 0
                assert max(map(len, result.out.splitlines())) <= width
                # No name is cut: all labels and all numbers stand on one line each.
                for name in {"evaluate": ("_unknown_", "_silence_"), "models": ("271,608", "commands-tiny")}.get(
                    str(command[0]), ()
                ):
                    assert name in result.out


@pytest.mark.skipif(os.name == "nt", reason="needs a Unix terminal")
def test_rows_on_a_terminal_are_wrapped_at_spaces(tiny_corpus: Path, tmp_path: Path) -> None:
    import pty

    for columns in (60, 80):
        shown, terminal = pty.openpty()
        command = [sys.executable, "-m", "sayso", "classify", some_clip(tiny_corpus).name, "missing-file.wav"]
        environment = {**os.environ, "COLUMNS": str(columns)}
        folder = some_clip(tiny_corpus).parent
        subprocess.run(command, stdout=terminal, stderr=subprocess.DEVNULL, env=environment, cwd=folder)
        os.close(terminal)
        text = b""
        while part := _read(shown):
            text += part
        lines = text.decode().splitlines()
        with case(columns):
            assert len(lines) > 3
            assert max(map(len, lines)) <= columns
            assert "No such file or directory; give a sound file that exists" in " ".join(text.decode().split())


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # at the end, on Linux
        return b""


def test_text_is_wrapped_at_spaces_and_columns_are_never_lost() -> None:
    lines = [["name", "about", "count"], ["speech", "many words of many people", "12,345"], ["言葉", "x", "7"]]
    wide, narrow = layout.table(lines, 2, 80), layout.table(lines, 2, 30)
    assert len(wide.splitlines()) == 3
    assert {layout.width_of(line) for line in wide.splitlines()} == {layout.width_of(wide.splitlines()[0])}
    assert all(layout.width_of(line) <= 30 for line in narrow.splitlines())
    assert sorted(narrow.split()) == sorted(wide.split())
    many = [["word", *(f"label{number}" for number in range(9))], ["a", *map(str, range(9))]]
    blocks = layout.table(many, 1, 40).split("\n\n")
    assert len(blocks) > 1
    assert all(block.startswith("word") for block in blocks)
    assert [part for block in blocks for part in block.splitlines()[1].split()[1:]] == list(map(str, range(9)))
    for width in (7, 20):
        assert "".join(layout.wrapped("a/long/path/without/any/spaces.wav", width)).replace(" ", "") == (
            "a/long/path/without/any/spaces.wav"
        )
        assert all(len(line) <= width for line in layout.wrapped("a/long/path/without/any/spaces.wav", width))


def test_an_error_stays_an_error_when_quiet(sayso: Sayso) -> None:
    assert "no model nowhere" in one_line_error(sayso("-q", "info", "-m", "nowhere"))
