"""What a light installation can do, and what it says where it lacks something."""

import json
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import soundfile

import sayso
import sounds
from cases import case
from command_line import write_words
from sayso.extras import PACKAGES, MissingPackageError, require
from sayso.model import model_file

ROOT = Path(__file__).parent.parent
# As if the packages of the extras were not installed; then, each line of standard input is a command of sayso to run.
WITHOUT = """
import contextlib, importlib, io, json, sys

absent = sys.argv[1:]

class Without:
    def __init__(self, finder):
        self.finder = finder
    def find_spec(self, name, *more):
        return None if name.split(".")[0] in absent else self.finder.find_spec(name, *more)
    def __getattr__(self, name):
        return getattr(self.finder, name)

sys.meta_path[:] = [Without(finder) for finder in sys.meta_path]
"""
LIGHT = f"""{WITHOUT}
from sayso.cli.main import main
for line in sys.stdin:
    arguments = json.loads(line)
    out, sys.argv = io.StringIO(), ["sayso", *arguments]
    status = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        try:
            main()
        except SystemExit as end:
            status = end.code or 0
    print(json.dumps([status, out.getvalue()]))
"""


ABSENT = [*(module for modules in PACKAGES.values() for module in modules.values()), "numba"]


def run_light(commands: list[list[str]], folder: Path) -> list[tuple[int, str]]:
    done = subprocess.run(
        [sys.executable, "-c", LIGHT, *ABSENT], cwd=folder, text=True, capture_output=True,
        input="".join(json.dumps(command) + "\n" for command in commands),
    )  # fmt: skip
    assert not done.stderr, done.stderr
    return [tuple(json.loads(line)) for line in done.stdout.splitlines()]


def test_a_light_installation_recognises_teaches_and_measures(tiny_model_path: Path, tmp_path: Path) -> None:
    shutil.copy(tiny_model_path, tmp_path / "model.safetensors")
    write_words(tmp_path / "new", nine=8, ten=8)
    soundfile.write(tmp_path / "clip.wav", sounds.clip("yes"), sounds.RATE)
    commands = [
        ["classify", "clip.wav", "-m", "model.safetensors"],
        ["teach", "new", "-m", "model.safetensors", "-o", "taught.safetensors"],
        ["evaluate", "new", "-m", "taught.safetensors", "--split", "training"],
        ["evaluate", "new", "-m", "taught.safetensors", "--split", "training", "--stream", "--hours", "0.01"],
        ["listen", "-m", "taught.safetensors", "--input", "clip.wav"],
        ["info", "-m", "taught.safetensors"],
        ["data", "list"],
    ]
    for command, (status, shown) in zip(commands, run_light(commands, tmp_path), strict=True):
        with case(*command):
            assert status == 0, shown
    assert "nine" in model_file.load(tmp_path / "taught.safetensors").labels


def test_a_light_installation_can_import_every_module_but_the_classifier_and_the_web_server() -> None:
    root = Path(sayso.__file__).parent
    names = [".".join(path.relative_to(root.parent).with_suffix("").parts) for path in sorted(root.rglob("*.py"))]
    needy = ("sayso.classifier", *(f"sayso.serve.web.{name}" for name in ("connection", "guard", "server")))
    names = [name for name in names if name not in needy and not name.endswith("__main__")]
    script = f"{WITHOUT}\nfor name in sys.stdin.read().split():\n    importlib.import_module(name)"
    run = subprocess.run([sys.executable, "-c", script, *ABSENT], input=" ".join(names), text=True, capture_output=True)
    assert run.returncode == 0, run.stderr


def test_a_command_that_lacks_a_package_says_in_one_line_what_to_type(tiny_model_path: Path, tmp_path: Path) -> None:
    shutil.copy(tiny_model_path, tmp_path / "model.safetensors")
    write_words(tmp_path / "words", yes=3, no=3)
    commands = {
        "train": [
            ["train", "words", "-o", "new.safetensors"],
            ["sweep", "words", "-o", "sweep", "--seeds", "0,1"],
        ],
        "train,report": [
            ["quickstart"],
            ["explain", "--training"],
        ],
        "web": [["serve", "web", "-m", "model.safetensors"]],
        "report": [
            ["report", "-m", "model.safetensors"],
            ["evaluate", "words", "-m", "model.safetensors", "--plots", "plots"],
            ["explain", "words/yes/00000000_nohash_0.wav", "-m", "model.safetensors"],
        ],
    }
    asked = [(extra, command) for extra, some in commands.items() for command in some]
    before = sorted(tmp_path.rglob("*"))
    results = run_light([command for _, command in asked], tmp_path)
    for (extra, command), (status, shown) in zip(asked, results, strict=True):
        with case(*command):
            assert status == 1
            assert len(shown.splitlines()) == 1
            assert shown.startswith("error: ")
            assert f'install "sayso[{extra}]"' in shown
            assert all(name in shown for part in extra.split(",") for name in PACKAGES[part])
    assert sorted(tmp_path.rglob("*")) == before


def test_the_classifier_says_what_it_needs_as_an_import_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PACKAGES, "train", {"nowhere": "nowhere_to_be_found"})
    monkeypatch.delitem(sys.modules, "sayso.classifier", raising=False)
    with pytest.raises(ImportError, match=r'^FeedForwardClassifier needs nowhere: pip install "sayso'):
        sayso.FeedForwardClassifier  # noqa: B018
    with pytest.raises(MissingPackageError):
        require("this", "train")


def test_the_extras_are_those_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for extra, names in PACKAGES.items():
        with case(extra):
            wanted = project["optional-dependencies"][extra]
            assert [line.split(">")[0] for line in wanted] == list(names)
