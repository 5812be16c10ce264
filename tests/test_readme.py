"""What the README and the pages in docs/ show is run as it stands there, in a folder that holds the bundled data."""

import csv
import re
import shlex
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cases import case
from command_line import Result
from sayso.config import Settings

ROOT = Path(__file__).parent.parent


def blocks(page: Path) -> list[tuple[str, str]]:
    """Return the code blocks of a page: the language, or nothing, and the text."""
    return re.findall(r"^```(\w*)\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


# The listings of the tutorial belong together; test_tutorial.py runs them.
PAGES = [ROOT / "README.md", *(page for page in sorted((ROOT / "docs").glob("*.md")) if page.name != "tutorial.md")]
BLOCKS = blocks(PAGES[0])
# What listens to a microphone is run with a virtual one, in test_microphone.py.
LISTENS = "sayso.listen("
PYTHON = [text for page in PAGES for language, text in blocks(page) if language == "python" and LISTENS not in text]
SETTINGS = [text for page in PAGES for language, text in blocks(page) if language == "toml"]
COMMANDS = [
    line for language, text in BLOCKS if not language for line in text.splitlines() if line.startswith("sayso ")
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "data").symlink_to(ROOT / "data", target_is_directory=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_readme_has_examples() -> None:
    assert len(PYTHON) >= 2
    assert len(COMMANDS) >= 2


@pytest.mark.parametrize("code", PYTHON)
@pytest.mark.usefixtures("folder")
def test_python_examples_run(code: str, capsys: pytest.CaptureFixture[str]) -> None:
    # In a thread of its own: the browser of other tests keeps a loop in the main one.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(exec, code, {"__name__": "example"}).result()
    assert capsys.readouterr().out


def run(commands: list[str], sayso: Callable[..., Result]) -> None:
    assert commands
    for command in commands:
        with case(command):
            name, *arguments = shlex.split(command)
            assert name == "sayso"
            result = sayso(*arguments)
            assert result.status == 0, result.err


def test_a_model_is_trained_measured_and_reported(sayso: Callable[..., Result], folder: Path) -> None:
    run([command for command in COMMANDS if "demo.safetensors" in command], sayso)
    for name in ("demo.safetensors", "report.html"):
        assert (folder / name).stat().st_size > 10_000


def test_a_thousand_files_become_rows_and_a_clip_a_page(sayso: Callable[..., Result], folder: Path) -> None:
    run([command for command in COMMANDS if "demo.safetensors" not in command], sayso)
    with (folder / "words.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len({row["path"] for row in rows}) > 1_000
    assert sum(row["label"] == Path(row["path"]).parent.name for row in rows) > 500
    assert (folder / "explain.html").stat().st_size > 10_000


@pytest.mark.parametrize("text", SETTINGS)
def test_settings_are_valid(text: str, folder: Path) -> None:
    (folder / "settings.toml").write_text(text, encoding="utf-8")
    settings = Settings.from_toml(folder / "settings.toml")
    assert settings != Settings()
