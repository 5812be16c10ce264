"""Build settings dataclasses from plain tables, checking every key and the type of every value."""

import contextlib
import types
import typing
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Literal

from sayso.errors import SettingsError, shown
from sayso.system.suggestions import did_you_mean


def build(kind: type, table: Any, name: str) -> Any:
    """Build a settings dataclass from a mapping.

    Parameters
    ----------
    kind : type
        The dataclass.
    table : mapping
        Its values; lists are accepted for tuples, whole numbers for floats.
    name : str
        Name of the table in error messages.

    Raises
    ------
    SettingsError
        If a key is unknown, a value has the wrong type, or the dataclass refuses it.
    """
    if not isinstance(table, Mapping):
        raise SettingsError(f"{name} is {shown(table)}; expected a table of settings")
    hints = typing.get_type_hints(kind)
    known = [part.name for part in fields(kind)]
    if unknown := set(table) - set(known):
        raise SettingsError(
            f"unknown setting {name}.{min(map(str, unknown))}; known are {', '.join(known)}"
            f"{did_you_mean(min(map(str, unknown)), known)}"
        )
    values = {key: _typed(value, hints[key], f"{name}.{key}") for key, value in table.items()}
    try:
        return kind(**values)
    except SettingsError as error:
        raise SettingsError(f"{name}: {error}") from error


def _typed(value: Any, hint: Any, name: str) -> Any:
    """Return `value` as the type of `hint`, or raise SettingsError."""
    if typing.get_origin(hint) is Literal:
        if value in typing.get_args(hint):
            return value
        raise SettingsError(f"{name} is {shown(value)}; expected one of {', '.join(map(repr, typing.get_args(hint)))}")
    if typing.get_origin(hint) is tuple:
        items = typing.get_args(hint)
        if isinstance(value, list | tuple) and (items[-1] is Ellipsis or len(value) == len(items)):
            return tuple(_typed(item, items[0], name) for item in value)
    elif typing.get_origin(hint) is dict:
        if isinstance(value, Mapping):
            return {str(key): _typed(item, typing.get_args(hint)[1], f"{name}.{key}") for key, item in value.items()}
    elif isinstance(hint, types.UnionType):
        raise TypeError(f"{name}: settings have one type each")
    elif hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        with contextlib.suppress(OverflowError):  # a whole number beyond the range of floats
            return float(value)
    elif isinstance(value, hint) and not (hint is int and isinstance(value, bool)):
        return value
    expected = getattr(hint, "__name__", str(hint))
    raise SettingsError(f"{name} is {shown(value)}; expected a value of type {expected}")
