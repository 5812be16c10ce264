"""What each setting means, as the documentation and `sayso config` tell it: read from the dataclasses themselves."""

import inspect
import math
import re
import textwrap
import typing
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Annotated, Any, Literal

from sayso.config.settings import Settings
from sayso.errors import SettingsError
from sayso.nn.architectures import Architecture

# "name : type", and below it the description, indented.
_ENTRY = re.compile(r"^(\w+) : .+\n((?:    .+\n?)+)", re.MULTILINE)
# The reason of an error about a setting: what is expected instead.
_EXPECTED = re.compile(r".*(?:; expected |; )(.+)")


@dataclass(frozen=True)
class Setting:
    """One setting.

    Attributes
    ----------
    table, name : str
        Where it stands in a TOML file.
    kind : str
        Its type, in words.
    unit : str
        Its unit; empty if it has none.
    default : object
        The value that it has if a file does not mention it.
    expected : str
        Which values are possible, as the error about an impossible value says it; empty if all are.
    meaning : str
        What it does.
    """

    table: str
    name: str
    kind: str
    unit: str
    default: Any
    expected: str
    meaning: str


def described(network: Architecture) -> Iterator[tuple[str, str, list[Setting]]]:
    """Describe all settings, in the order of `Settings`.

    Parameters
    ----------
    network : Architecture
        The architecture whose sizes are the table `network`.

    Yields
    ------
    table, about, settings : str, str, list of Setting
        Name of the table in a TOML file, what it is for, and the settings in it.
    """
    defaults = Settings(network=type(network)())
    for part in fields(Settings):
        table = getattr(defaults, part.name)
        documentation = inspect.getdoc(type(table)) or ""
        about, _, more = documentation.partition("\n\n")
        attributes = more.partition("Attributes\n")[2]
        meanings = {name: " ".join(text.split()) for name, text in _ENTRY.findall(attributes)}
        hints = typing.get_type_hints(type(table), include_extras=True)
        settings = [
            Setting(
                part.name,
                own.name,
                _kind(hints[own.name]),
                _unit(hints[own.name]),
                getattr(table, own.name),
                _expected(part.name, own.name, hints[own.name], defaults),
                meanings[own.name],
            )
            for own in fields(table)
        ]
        yield part.name, " ".join(about.split()), settings


def to_toml(settings: Settings) -> str:
    """Write settings as a TOML file with all of them, each below a comment that describes it."""
    content, lines = settings.to_dict(), []
    for table, about, described_settings in described(settings.network):
        lines += [*_comment(about), f"[{table}]"]
        if table == "network":
            lines += [f"name = {toml_value(settings.network.name)}"]
        for setting in described_settings:
            limits = ", ".join(filter(None, [setting.expected, f"default {toml_value(setting.default)}"]))
            lines += ["", *_comment(f"{setting.meaning} ({limits})")]
            lines += [f"{setting.name} = {toml_value(content[table][setting.name])}"]
        lines += ["", ""]
    return "\n".join(lines).rstrip() + "\n"


def toml_value(value: Any) -> str:
    """Write a setting as a value of TOML."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        # Of the characters that TOML escapes, words have none but these.
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml_value, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{toml_value(name)} = {toml_value(item)}" for name, item in value.items()) + "}"
    return repr(value)


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(text, 118)]


def _bare(hint: Any) -> Any:
    """Return a type without the unit."""
    return typing.get_args(hint)[0] if typing.get_origin(hint) is Annotated else hint


def _kind(hint: Any) -> str:
    hint = _bare(hint)
    if typing.get_origin(hint) is Literal:
        return "text"
    if typing.get_origin(hint) is tuple:
        first, second = typing.get_args(hint)
        if second is Ellipsis:
            return "words" if first is str else "whole numbers"
        return f"two {_kind(first)}s"
    if typing.get_origin(hint) is dict:
        return "a number for each word"
    return {int: "whole number", float: "number", bool: "true or false"}[hint]


def _unit(hint: Any) -> str:
    while typing.get_origin(hint) is tuple:
        hint = typing.get_args(hint)[0]
    return str(typing.get_args(hint)[1]) if typing.get_origin(hint) is Annotated else ""


def _expected(table: str, name: str, hint: Any, defaults: Settings) -> str:
    """Return which values are possible, from the error that an impossible one causes."""
    if typing.get_origin(hint) is Literal:
        return "one of " + ", ".join(map(toml_value, typing.get_args(hint)))
    content = defaults.to_dict()
    length = max(len(content[table][name]), 1) if isinstance(content[table][name], list | tuple) else 1
    for bad in (math.nan, -(10**9), 1e9, (math.nan,) * 2, (-1,) * length, {"word": math.nan}):
        try:
            Settings.from_dict(content | {table: content[table] | {name: bad}})
        except SettingsError as error:
            # Neither a wrong type nor a complaint about another setting.
            if "expected a value of type" not in str(error) and (table == "network" or f"{name} is" in str(error)):
                found = _EXPECTED.match(str(error))
                return found[1] if found else ""
    return ""
