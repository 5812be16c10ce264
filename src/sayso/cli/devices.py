"""`sayso devices`: list the microphones."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from sayso.cli.console import say
from sayso.cli.tables import table


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def devices(as_json: bool) -> None:
    """List what `sayso listen` can listen to; the one marked * is listened to unless --device names another.

    Example: sayso devices
    """
    from sayso.live import devices as sound

    found = sound.devices()
    if as_json:
        click.echo(json.dumps([asdict(device) for device in found], indent=2))
        return
    # Says what to do if there is none.
    sound.find(None, found)
    rows = [
        (f"{'*' if device.default else ' '} {device.index}", device.name, device.api, str(device.channels),
         f"{device.sample_rate:g}")
        for device in found
    ]  # fmt: skip
    say(table(("number", "name", "system", "channels", "rate (Hz)"), rows, left=3))
