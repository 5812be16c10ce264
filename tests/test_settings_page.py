"""Every setting is explained: on a page made from the code, in a recipe to start from, and in the help."""

import dataclasses
import runpy
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cases import case
from command_line import Result, one_line_error
from sayso.config import Settings, recipes
from sayso.config.description import described
from sayso.nn.architectures import ARCHITECTURES

ROOT = Path(__file__).parent.parent
Sayso = Callable[..., Result]


@pytest.fixture(scope="module")
def pages() -> dict[str, Any]:
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        return runpy.run_path(str(ROOT / "scripts" / "reference_pages.py"))
    finally:
        sys.path.remove(str(ROOT / "scripts"))


def test_the_pages_made_from_code_and_models_are_current(pages: dict[str, Any]) -> None:
    for path, text in pages["made"]().items():
        with case(path.name):
            assert path.read_text(encoding="utf-8") == text, "run scripts/reference_pages.py"


def test_every_setting_has_a_meaning_a_default_and_its_limits() -> None:
    for name, architecture in ARCHITECTURES.items():
        found = {(setting.table, setting.name): setting for *_, some in described(architecture()) for setting in some}
        defaults = Settings(network=architecture())
        for part in dataclasses.fields(Settings):
            for own in dataclasses.fields(getattr(defaults, part.name)):
                with case(name, part.name, own.name):
                    setting = found.pop((part.name, own.name))
                    assert setting.meaning.endswith(".")
                    assert setting.default == getattr(getattr(defaults, part.name), own.name)
                    assert setting.expected or setting.kind in ("true or false", "words")
                    # A quantity that the text measures in something has that unit.
                    for unit, word in (("s", "in seconds"), ("Hz", "in hertz"), ("dB", "in decibels")):
                        assert (word in setting.meaning) <= (setting.unit == unit)
        assert not found


def test_config_prints_a_recipe_that_means_the_same_with_every_setting_explained(sayso: Sayso, tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text('[decision.words]\n"stra\\u00dfe" = 0.9\n"say \\"hi\\"" = 0.8\n[training]\nepochs = 7\n')
    for name, path in {**recipes(), str(own): own}.items():
        with case(name):
            result = sayso("config", name)
            assert result.status == 0
            printed = tmp_path / "printed.toml"
            printed.write_text(result.out, encoding="utf-8")
            settings = Settings.from_toml(path)
            assert Settings.from_toml(printed) == settings
            for table, values in tomllib.loads(result.out).items():
                assert values.keys() == settings.to_dict()[table].keys()
            # Each setting stands below its comment.
            lines = result.out.splitlines()
            assert all(
                lines[place - 1].startswith("#")
                for place, line in enumerate(lines)
                if " = " in line and not line.startswith(("#", "name = "))
            )
    assert one_line_error(sayso("config", "comands")).endswith(
        "the recipes are: commands-tiny, commands, dense, quickstart"
    )


def test_the_help_of_train_shows_the_defaults_of_the_recipe(sayso: Sayso) -> None:
    shown = " ".join(sayso("train", "--help").out.split())
    training = Settings.from_toml(recipes()["commands"]).training
    for name in ("epochs", "patience", "batch_size", "learning_rate", "seed"):
        assert f"[default: that of the recipe, {getattr(training, name)} in commands]" in shown, name
