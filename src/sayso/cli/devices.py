"""`sayso devices`: list the microphones."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from sayso.cli.console import say
from sayso.cli.options import format_option
from sayso.cli.tables import table


@click.command()
@format_option("table", "json")
def devices(style: str) -> None:
    """List the microphones; the one marked * is used unless --device names another.

    Example: sayso devices
    """
    from sayso.live import devices as sound

    available = sound.devices()
    if style == "json":
        click.echo(json.dumps([asdict(device) for device in available], indent=2))
        return
    # Raises an error with advice if there is no device.
    sound.find(None, available)
    rows = [
        (f"{'*' if device.default else ' '} {device.index}", device.name, device.api, str(device.channels),
         f"{device.sample_rate:g}")
        for device in available
    ]  # fmt: skip
    say(table(("number", "name", "system", "channels", "rate (Hz)"), rows, left=3))
