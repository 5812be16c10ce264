"""Imports point downward only, and nothing heavy is imported before it is needed."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

import sayso
import sounds

ROOT = Path(sayso.__file__).parent

# Each may import from those above it; those in one line do not know each other. A folder is one module.
ORDER = (
    ("checksums", "errors", "history", "text"),
    ("storage", "unpacking", "workers"),
    ("fetching",),
    ("nn",),
    ("config",),
    ("sound_file",),
    ("audio",),
    ("corpus", "decoding", "devices", "feature_tables", "piped", "rooms", "speech", "standardizer"),
    ("features",),
    ("augmentation", "inputs", "microphone", "sorting"),
    ("clip_store", "rehearsal"),
    ("clip_cache", "datasets", "varied_clips"),
    ("dataset", "download"),
    ("model_file",),
    ("decision",),
    ("actions", "recognizer", "session"),
    ("listening", "scores", "streams"),
    ("answers", "diagnosis", "stream_scores", "takes"),
    ("teaching", "training"),
    ("preparation",),
    ("evaluation",),
    ("batch", "sweep"),
    ("journal", "outputs"),
    ("classifier", "explanation"),
    ("report",),
    ("cli",),
    ("__main__",),
)
LEVELS = {name: level for level, names in enumerate(ORDER) for name in names}
# Tighter than the order.
ONLY = {"nn": set(), "classifier": {"nn", "errors"}, "errors": set()}

FILES = sorted(path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py")


def module_of(path: Path) -> str:
    return path.relative_to(ROOT).with_suffix("").parts[0]


def imported(path: Path) -> set[str]:
    """Return the dotted names of everything that a file imports, wherever in the file."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} imports relatively"
            module = node.module or ""
            names |= {f"sayso.{alias.name}" for alias in node.names} if module == "sayso" else {module}
    return names


def own(path: Path) -> set[str]:
    """Return the modules of sayso that a file imports."""
    return {name.split(".")[1] for name in imported(path) if name.startswith("sayso.")}


def test_every_module_has_its_place_in_the_order() -> None:
    assert {module_of(path) for path in FILES} == set(LEVELS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_downward(path: Path) -> None:
    name = module_of(path)
    for other in own(path) - {name}:
        assert LEVELS[other] < LEVELS[name], f"{name} imports {other}"
        assert name not in ONLY or other in ONLY[name], f"{name} imports {other}"


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
    unneeded = {"librosa", "sklearn", "matplotlib", "sounddevice", "rich", "click", "soxr", "numba", "torch"}
    assert not packages & unneeded
    assert "soundfile" in packages


def test_commands_that_need_no_network_load_nothing_for_it() -> None:
    packages = loaded(
        'from sayso.cli import main\nfrom sayso import datasets\ndatasets.find(datasets.Path("recordings"))'
    )
    assert not packages & {"requests", "urllib3", "filelock", "platformdirs"}


def test_every_public_name_can_be_had() -> None:
    for name in sayso.__all__:
        assert getattr(sayso, name) is not None
        assert name in dir(sayso)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        sayso.nothing  # noqa: B018
