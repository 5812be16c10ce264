"""The models and packs that come with sayso: their names, their files, and the check that these are unchanged."""

from importlib import resources
from pathlib import Path

from sayso.errors import ModelError
from sayso.model.checksums import SHIPPED
from sayso.system.suggestions import did_you_mean

SUFFIX, PACK_SUFFIX = ".safetensors", ".pack"
DEFAULT = "commands"


def verify(path: Path) -> None:
    """Compare a file in the folder of the shipped models with its checksum; other files are not checked.

    Raises
    ------
    ModelError
        If it has another checksum, or none is known for it.
    """
    if path.resolve().parent != bundled("models").resolve() or path.suffix not in (SUFFIX, PACK_SUFFIX):
        return
    if not path.is_file():
        return
    import hashlib

    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    kind, name = ("model", path.stem) if path.suffix == SUFFIX else ("pack", path.name)
    expected = SHIPPED.get(name)
    if found != expected:
        raise ModelError(
            f"{path} is not the {kind} that came with sayso: its SHA-256 is {found}, expected {expected}; install "
            "sayso again, or keep your own models in another folder"
        )


def models() -> dict[str, Path]:
    """Return the models that come with sayso, by name."""
    folder = bundled("models")
    found = {path.stem: path for path in folder.glob(f"*{SUFFIX}")} if folder.is_dir() else {}
    return dict(sorted(found.items()))


def packs() -> dict[str, Path]:
    """Return the packs that come with sayso, by file name."""
    folder = bundled("models")
    found = folder.glob(f"*{PACK_SUFFIX}") if folder.is_dir() else ()
    return {path.name: path for path in sorted(found)}


def find(name: str) -> Path:
    """Return the file of a model, given its path or the name of a shipped model.

    Raises
    ------
    ModelError
        If neither exists.
    """
    path, known = Path(name), models()
    try:
        if path.is_fifo():
            raise ModelError(f"{name} is a pipe; a model is read from a file, save it in one")
        if path.is_file() or (path.exists() and name not in known):
            return path
    except OSError as error:
        raise ModelError(f"cannot read model {name}: {error.strerror}; give a model file") from error
    if name not in known:
        raise ModelError(
            f"no model {name}: no such file{did_you_mean(name, known)}; the shipped models are: "
            f"{', '.join(known) or 'none'}"
        )
    return known[name]


def bundled(kind: str) -> Path:
    """Return a folder of data that comes with sayso: "demo" or "models".

    In an installation it is inside the package, in a checkout at the top level.
    """
    installed = Path(str(resources.files("sayso"))) / "_bundled" / kind
    if installed.is_dir():
        return installed
    checkout = Path(__file__).resolve().parents[3]
    return checkout / {"demo": "data/demo", "models": "models"}[kind]
