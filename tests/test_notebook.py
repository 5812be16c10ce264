"""The notebook of the documentation runs from its first cell to its last, and prints what it shows."""

import contextlib
import io
import json
import re
from pathlib import Path

import pytest

from cases import case

ROOT = Path(__file__).parent.parent
NUMBER = re.compile(r"\d+(?:\.\d+)?")


def test_the_notebook_prints_what_it_shows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    notebook = json.loads((ROOT / "docs" / "python.ipynb").read_text(encoding="utf-8"))
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert len({cell["id"] for cell in notebook["cells"]}) == len(notebook["cells"])
    folder = tmp_path / "docs"
    folder.mkdir()
    (tmp_path / "data").symlink_to(ROOT / "data")
    monkeypatch.chdir(folder)
    session: dict[str, object] = {}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            with case(cell["id"]):
                printed = io.StringIO()
                with contextlib.redirect_stdout(printed):
                    exec("".join(cell["source"]), session)
                shown = "".join(line for output in cell["outputs"] for line in output["text"])
                # Processors round differently, and a training makes more of it.
                assert NUMBER.sub("#", printed.getvalue()) == NUMBER.sub("#", shown)
    assert not list(folder.iterdir()), "it removes what it wrote"
