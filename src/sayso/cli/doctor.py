"""`sayso doctor`: find out why live recognition does not work here."""

from __future__ import annotations

import click

from sayso.cli.console import note, say
from sayso.cli.options import device_option, model_option


@click.command()
@model_option
@device_option
@click.pass_context
def doctor(context: click.Context, model: str | None, device: str | None) -> None:
    """Look into all that live recognition needs, and say what to do where something is wrong.

    It listens for three seconds: say something. The exit status is 1 if listening cannot work.

    Example: sayso doctor
    """
    from sayso.live.diagnosis import Surroundings, diagnose
    from sayso.model.shipped import DEFAULT
    from sayso.recognition.recognizer import load

    note("listening for a moment; say something")
    broken = False
    for finding in diagnose(load(model or DEFAULT), device, Surroundings.here()):
        broken |= finding.verdict == "problem"
        colour = {"ok": "green", "note": "yellow", "problem": "red"}[finding.verdict]
        click.secho(f"{finding.verdict:<8} ", fg=colour, nl=False)
        say(finding.what)
        if finding.remedy:
            say(f"{'':<8} → {finding.remedy}")
    if broken:
        context.exit(1)
