"""docs/architecture.md holds what the code has: the rooms with their lines, and every function on the three ways."""

import ast
import importlib
import re
from pathlib import Path

import sayso
from cases import case
from test_imports import NAMES, ROOMS

ROOT = Path(sayso.__file__).parent
PAGE = (Path(__file__).parent.parent / "docs" / "architecture.md").read_text(encoding="utf-8")


def test_the_rooms_stand_in_their_order_with_the_lines_of_their_docstrings() -> None:
    rows = re.findall(r"^\| `(\w+?)(?:/|\.py)` \| (.+) \|$", PAGE, re.MULTILINE)
    assert [room for room, _ in rows] == list(ROOMS)
    for room, line in rows:
        with case(room):
            docstring = importlib.import_module(f"sayso.{room}").__doc__ or ""
            assert line == docstring.strip().splitlines()[0].removesuffix(".")


def test_every_function_on_the_ways_is_defined_where_they_say() -> None:
    ways = re.findall(r"^  [▼├] .+? (\w+)/(\w+)\.py +(\w+)\(\)", PAGE, re.MULTILINE)
    assert len(ways) > 25
    for room, file, function in ways:
        with case(room, file, function):
            tree = ast.parse((ROOT / room / f"{file}.py").read_text(encoding="utf-8"))
            assert function in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_every_file_that_the_page_names_exists() -> None:
    for name in re.findall(r"`((?:\w+/)+\w+\.py)`", PAGE):
        with case(name):
            assert (ROOT / name).exists() or (ROOT.parents[1] / name).exists()


def test_every_room_tells_what_it_is() -> None:
    for name in sorted(NAMES):
        with case(name):
            assert importlib.util.find_spec(name)
            path = ROOT.parent / Path(*name.split("."))
            source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
            assert ast.get_docstring(ast.parse(source.read_text(encoding="utf-8")))
