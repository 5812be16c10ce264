"""All settings of one training run, from a TOML file, a recipe or a model file."""

import tomllib
import typing
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Self

from sayso.config.bounds import check_network
from sayso.config.features import FeatureSettings
from sayso.config.reading import build
from sayso.config.tables import AugmentationSettings, DecisionSettings, TrainingSettings
from sayso.errors import SettingsError, shown, untrusted
from sayso.nn.architectures import ARCHITECTURES, Architecture, DenseArchitecture
from sayso.nn.chain import Chain
from sayso.nn.spectrum import Spectrum
from sayso.system.suggestions import did_you_mean
from sayso.system.text import decoded


@dataclass(frozen=True)
class Settings:
    """All settings of one training run, as they are stored in a model file."""

    features: FeatureSettings = field(default_factory=FeatureSettings)
    network: Architecture = field(default_factory=DenseArchitecture)
    augmentation: AugmentationSettings = field(default_factory=AugmentationSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    decision: DecisionSettings = field(default_factory=DecisionSettings)

    def __post_init__(self) -> None:
        try:
            chain = Chain(tuple(self.network.layers(classes=2)))
            if not self.features.coefficients and any(isinstance(layer, Spectrum) for layer in chain.layers):
                raise ValueError("layers over frequency expect MFCC; set features.coefficients above 0")
            check_network(chain, (self.features.frames, self.features.width))
        except ValueError as error:
            raise SettingsError(f"network: {error}") from error

    @classmethod
    def from_toml(cls, path: Path) -> Self:
        """Read settings from a TOML file; settings that it does not mention keep their defaults.

        Raises
        ------
        SettingsError
            If the file cannot be read, is not valid TOML, or holds an unknown table, an unknown key or an impossible
            value.
        """
        try:
            with untrusted(lambda reason: SettingsError(f"{path} is not valid TOML: {reason}; correct it")):
                content = tomllib.loads(decoded(path.read_bytes()))
        except OSError as error:
            raise SettingsError(
                f"cannot read settings from {path}: {error.strerror}; give a readable TOML file"
            ) from error
        try:
            with untrusted(SettingsError):
                return cls.from_dict(content)
        except SettingsError as error:
            raise SettingsError(f"{path}: {error}") from error

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Self:
        """Build settings from nested mappings, as read from a TOML file or a model file."""
        kinds: dict[str, type] = {
            "features": FeatureSettings,
            "augmentation": AugmentationSettings,
            "training": TrainingSettings,
            "decision": DecisionSettings,
        }
        tables = [*kinds, "network"]
        if unknown := set(content) - set(tables):
            hint = did_you_mean(min(map(str, unknown)), tables)
            raise SettingsError(f"unknown table [{min(map(str, unknown))}]; known are {', '.join(tables)}{hint}")
        parts = {name: build(kind, content.get(name, {}), name) for name, kind in kinds.items()}
        return cls(network=_network_from_dict(content.get("network", {})), **parts)

    def with_values(self, values: Mapping[str, Any]) -> Self:
        """Return the settings with other values for some, as in ``{"training.epochs": 20}``.

        Raises
        ------
        SettingsError
            If there is no such setting, or a value is not allowed.
        """
        tables = self.to_dict()
        for name, value in values.items():
            table, _, key = name.partition(".")
            if not key or not isinstance(tables.get(table, {}), dict):
                raise SettingsError(f"{shown(name)} is not a setting; expected TABLE.NAME, as in training.epochs")
            tables.setdefault(table, {})[key] = value
        return type(self).from_dict(tables)

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as nested plain values, the inverse of `from_dict`."""
        parts = {part.name: asdict(getattr(self, part.name)) for part in fields(self)}
        parts["network"] = {"name": self.network.name, **parts["network"]}
        return parts


def recipes() -> dict[str, Path]:
    """Return the recipes that come with sayso, by name."""
    return {path.stem: path for path in sorted((Path(__file__).parents[1] / "recipes").glob("*.toml"))}


def recipe(name: str) -> Path:
    """Return the TOML file with that path, or the recipe of that name that comes with sayso.

    Raises
    ------
    SettingsError
        If there is neither.
    """
    known = recipes()
    try:
        if Path(name).is_file() or (Path(name).exists() and name not in known):
            return Path(name)
    except OSError as error:
        raise SettingsError(f"cannot read settings from {name}: {error.strerror}; give a readable TOML file") from error
    if name not in known:
        raise SettingsError(
            f"no settings {name}: no such file{did_you_mean(name, known)}; the recipes are: {', '.join(known)}"
        )
    return known[name]


def network_named(name: str) -> Architecture:
    """Return the architecture of that name with its default sizes.

    Raises
    ------
    SettingsError
        If there is none.
    """
    return _network_from_dict({"name": name})


def _network_from_dict(table: Any) -> Architecture:
    if not isinstance(table, Mapping):
        raise SettingsError(f"network is {shown(table)}; expected a table of settings")
    name = table.get("name", DenseArchitecture.name)
    if not isinstance(name, str) or name not in ARCHITECTURES:
        raise SettingsError(
            f"network.name is {shown(name)}; known networks are {', '.join(ARCHITECTURES)}"
            f"{did_you_mean(name, ARCHITECTURES) if isinstance(name, str) else ''}"
        )
    return typing.cast(
        Architecture, build(ARCHITECTURES[name], {key: table[key] for key in table if key != "name"}, "network")
    )
