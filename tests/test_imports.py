"""Imports point downward only, and nothing heavy is imported before it is needed."""

import ast
import graphlib
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

import sayso
import sounds

ROOT = Path(sayso.__file__).parent

# The rooms, from the ground up; each may import from those above it alone. A folder is one room.
ROOMS = (
    "errors", "extras", "version", "nn", "sound", "system", "classifier", "config", "features", "corpus", "download",
    "model", "recognition", "live", "batch", "evaluation", "explanation", "training", "tasks", "report", "export",
    "serve", "cli", "__main__",
)  # fmt: skip
FLOOR = {name: floor for floor, name in enumerate(ROOMS)}
# Tighter than the order.
ONLY = {"nn": set(), "classifier": {"nn", "errors", "extras"}, "errors": set(), "extras": {"errors"}, "version": set()}

FILES = sorted(path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py")


def name_of(path: Path) -> str:
    """Return the dotted name by which a file is imported."""
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


NAMES = {name_of(path) for path in FILES}


def room_of(module: str) -> str:
    return module.split(".")[1]


def imported(path: Path) -> set[str]:
    """Return the dotted names of everything that a file imports, wherever in the file."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} imports relatively"
            module = node.module or ""
            # A name taken from a folder may be a file of it.
            names |= {whole if (whole := f"{module}.{alias.name}") in NAMES else module for alias in node.names}
    return names


@pytest.fixture(scope="module")
def imports() -> dict[str, set[str]]:
    """The files of sayso that each imports."""
    return {name_of(path): imported(path) & NAMES - {name_of(path)} for path in FILES}


def test_every_room_has_its_place_in_the_order() -> None:
    assert {room_of(name) for name in NAMES} == set(ROOMS)


def test_imports_between_rooms_point_one_way(imports: dict[str, set[str]]) -> None:
    upward = {
        (name, other)
        for name, others in imports.items()
        for other in others
        if FLOOR[room_of(other)] > FLOOR[room_of(name)]
        or (room_of(other) != room_of(name) and room_of(other) not in ONLY.get(room_of(name), ROOMS))
    }
    assert not upward


def test_no_file_imports_itself_by_way_of_others(imports: dict[str, set[str]]) -> None:
    graphlib.TopologicalSorter(imports).prepare()


def test_no_file_is_too_long_to_be_one_concept() -> None:
    lengths = {path.name: len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
    assert not {name: length for name, length in lengths.items() if length > 350}


def test_the_network_knows_only_numpy() -> None:
    others = {
        name for path in (ROOT / "nn").rglob("*.py") for name in imported(path) if not name.startswith("sayso.nn")
    }
    assert {name.split(".")[0] for name in others} - set(sys.stdlib_module_names) == {"numpy"}


def loaded(script: str, *arguments: object) -> set[str]:
    """Run a script in a fresh process and return the packages that are loaded at its end."""
    run = subprocess.run(
        [sys.executable, "-c", f"import sys\n{script}\nprint(*sys.modules)", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=True,
    )
    return {name.split(".")[0] for name in run.stdout.split()}


def test_importing_sayso_loads_nothing_heavy() -> None:
    heavy = {"librosa", "scipy", "sklearn", "matplotlib", "sounddevice", "rich", "click", "soundfile", "soxr", "numpy"}
    assert not loaded("import sayso; sayso.__version__; dir(sayso)") & heavy


def test_recognition_loads_only_what_it_needs(tiny_model_path: Path, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "clip.wav", sounds.clip("yes"), sounds.RATE)
    script = "import sayso\nassert sayso.load(sys.argv[1]).classify(sys.argv[2]).label == 'yes'"
    packages = loaded(script, tiny_model_path, tmp_path / "clip.wav")
    unneeded = {"librosa", "scipy", "sklearn", "matplotlib", "sounddevice", "rich", "click", "soxr", "numba", "torch"}
    assert not packages & unneeded
    assert "soundfile" in packages


def test_commands_that_need_no_network_load_nothing_for_it() -> None:
    packages = loaded(
        'from sayso.cli import main\nfrom sayso.download import catalogue\ncatalogue.find(catalogue.Path("recordings"))'
    )
    assert not packages & {"requests", "urllib3", "filelock", "platformdirs"}


def test_every_public_name_can_be_had() -> None:
    for name in sayso.__all__:
        assert getattr(sayso, name) is not None
        assert name in dir(sayso)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        sayso.nothing  # noqa: B018
