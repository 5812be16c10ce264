"""The units of settings, and the refusal of values that are impossible."""

from typing import Annotated

from sayso.errors import SettingsError, shown

# Types with the unit that the documentation gives.
Seconds = Annotated[float, "s"]
Hertz = Annotated[float, "Hz"]
Decibels = Annotated[float, "dB"]
Nats = Annotated[float, "nats"]


def require(condition: bool, settings: object, name: str, expected: str) -> None:
    """Raise SettingsError unless `condition` holds; NaN fails every comparison and is refused with the rest."""
    if not condition:
        raise SettingsError(f"{name} is {shown(getattr(settings, name))}; expected {expected}")
