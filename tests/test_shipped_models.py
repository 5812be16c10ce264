"""The models that come with sayso: how a name or a path finds one."""

from pathlib import Path

import pytest

from cases import case
from model_files import small_model
from sayso.config import COMMANDS, SILENCE, UNKNOWN
from sayso.errors import ModelError
from sayso.model import model_file, shipped


@pytest.fixture
def own_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two models in place of the shipped ones, and an empty working directory."""
    folder = tmp_path / "shipped"
    folder.mkdir()
    for name in ("dense", "small"):
        small_model().save(folder / f"{name}{shipped.SUFFIX}")
    (folder / "README.md").write_text("models")
    monkeypatch.setattr(shipped, "bundled", lambda kind: {"models": folder}[kind])
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return folder


def test_shipped_models_are_found_by_name(own_models: Path) -> None:
    assert list(shipped.models()) == ["dense", "small"]
    assert shipped.find("small") == own_models / "small.safetensors"


def test_the_shipped_models_recognise_the_commands() -> None:
    assert shipped.DEFAULT in shipped.models()
    for path in shipped.models().values():
        assert model_file.load(path).labels == (*COMMANDS, UNKNOWN, SILENCE)


def test_a_file_takes_precedence_over_a_shipped_name(own_models: Path) -> None:
    Path("small").write_bytes(b"")
    assert shipped.find("small") == Path("small")
    assert shipped.find(str(own_models / "dense.safetensors")) == own_models / "dense.safetensors"


def test_a_folder_does_not_take_precedence_over_a_shipped_name(own_models: Path) -> None:
    Path("small").mkdir()
    assert shipped.find("small") == own_models / "small.safetensors"
    Path("other").mkdir()
    with pytest.raises(ModelError, match="other is a folder"):
        model_file.load(shipped.find("other"))


@pytest.mark.usefixtures("own_models")
def test_for_an_unknown_name_the_shipped_models_are_listed() -> None:
    for name in ("nothing", "small.safetensors", "no/such/file", ""):
        with case(name), pytest.raises(ModelError, match=r"dense, small|is a folder"):
            model_file.load(shipped.find(name))


def test_a_name_that_no_file_can_have_is_refused() -> None:
    with pytest.raises(ModelError, match="too long"):
        shipped.find("x" * 300)


def test_without_shipped_models_the_list_says_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipped, "bundled", lambda kind: tmp_path / "missing")
    with pytest.raises(ModelError, match="the shipped models are: none"):
        shipped.find("dense")


def test_bundled_folders_exist() -> None:
    assert (shipped.bundled("demo") / "yes").is_dir()
    assert shipped.bundled("models").is_dir()
