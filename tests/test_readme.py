"""What the README and the pages in docs/ show is run as it stands there, in a folder that holds the bundled data."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

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


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("readme")
    (folder / "data").symlink_to(ROOT / "data", target_is_directory=True)
    return folder


def test_the_readme_has_examples() -> None:
    assert len(PYTHON) >= 2
    assert len(COMMANDS) >= 2


@pytest.mark.parametrize("code", PYTHON)
def test_python_examples_run(code: str, folder: Path) -> None:
    run = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout


def test_commands_run_in_their_order(folder: Path) -> None:
    for command in COMMANDS:
        run = subprocess.run([sys.executable, "-m", *shlex.split(command)], cwd=folder, capture_output=True, text=True)
        assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("text", SETTINGS)
def test_settings_are_valid(text: str, folder: Path) -> None:
    (folder / "settings.toml").write_text(text, encoding="utf-8")
    settings = Settings.from_toml(folder / "settings.toml")
    assert settings != Settings()
