"""`sayso doctor`: check everything that live recognition needs."""

from __future__ import annotations

import click

from sayso.cli.console import note, say
from sayso.cli.options import device_option, model_option


@click.command()
@model_option
@device_option
@click.pass_context
def doctor(context: click.Context, model: str | None, device: str | None) -> None:
    """Check everything that live recognition needs, and advise on what to do about problems.

    The check records for three seconds: say something. The exit status is 1 if live recognition cannot work.

    Example: sayso doctor
    """
    from sayso.live.diagnosis import Host, diagnose
    from sayso.model.shipped import DEFAULT
    from sayso.recognition.recognizer import load

    note("recording for three seconds; say something")
    failed = False
    for finding in diagnose(load(model or DEFAULT), device, Host.current()):
        failed |= finding.verdict == "problem"
        colour = {"ok": "green", "note": "yellow", "problem": "red"}[finding.verdict]
        click.secho(f"{finding.verdict:<8} ", fg=colour, nl=False)
        say(finding.message)
        if finding.remedy:
            say(f"{'':<8} → {finding.remedy}")
    if failed:
        context.exit(1)
