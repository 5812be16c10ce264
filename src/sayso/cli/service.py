"""`sayso service`: a command of sayso that runs always, as a unit of systemd."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from sayso.cli.console import say, warn
from sayso.cli.listen import listen
from sayso.cli.live_recognizer import check_wake
from sayso.cli.serve import mqtt, web, wyoming
from sayso.errors import StorageError

# What can run always.
COMMANDS: dict[tuple[str, ...], click.Command] = {
    ("listen",): listen,
    ("serve", "mqtt"): mqtt,
    ("serve", "wyoming"): wyoming,
    ("serve", "web"): web,
}


@click.command(context_settings={"allow_interspersed_args": False})
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED, metavar="COMMAND...")
@click.option("--name", help="Name of the service. [default: sayso- and the last word of the command]")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="FILE|-",
    help="Write the unit there, or print it. [default: where systemd finds it]",
)  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Replace a unit of this name.")
@click.pass_context
def service(
    context: click.Context, command: tuple[str, ...], name: str | None, output: Path | None, overwrite: bool
) -> None:
    """Let a command run always: write a unit of systemd for it, and say how to start it.

    The command stands behind the options of this one, as it would be typed. The unit belongs to the user, needs no
    rights of the administrator, and explains itself.

    Example: sayso service listen --device 'USB Audio' --exec 'lights=/home/anna/lights.sh'
    """
    from sayso.serve.systemd import check_name, unit, units_folder
    from sayso.system.atomic_files import write_atomically

    kind, options = _checked(context, command)
    name = name or f"sayso-{kind}"
    check_name(name)
    if kind == "mqtt" and not options["password_file"] and "@" in options["address"]:
        warn("the service does not see SAYSO_MQTT_PASSWORD of this shell; give --password-file FILE to log in by one")
    text = unit(name, command, Path.cwd(), not options.get("actions"))
    if output is not None and str(output) == "-":
        click.echo(text, nl=False)
        return
    if output is None and not sys.platform.startswith("linux"):
        raise click.UsageError("systemd runs on Linux only; give -o FILE, or -o - to read what the unit does")
    path = output or units_folder() / f"{name}.service"
    if path.exists() and not overwrite and path.read_text(encoding="utf-8", errors="replace") != text:
        raise StorageError(f"{path} exists; give --overwrite to replace it, or another --name")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, text.encode())
    say(f"wrote {path}")
    if output is None:
        for aim, line in (
            (
                "start it, now and at each login",
                f"systemctl --user daemon-reload && systemctl --user enable --now {name}",
            ),
            ("let it run without a login, too", "loginctl enable-linger"),
            ("read what it prints", f"journalctl --user -u {name} -f"),
            ("end it for good", f"systemctl --user disable --now {name}"),
        ):
            say(f"{aim + ':':<34}{line}")


def _checked(context: click.Context, words: Sequence[str]) -> tuple[str, dict[str, Any]]:
    """Return the name of the command that shall run, and its options; refuse one that could not run."""
    names = next((names for names in COMMANDS if tuple(words[: len(names)]) == names), None)
    if names is None:
        known = " and ".join(f"`sayso {' '.join(names)}`" for names in COMMANDS)
        raise click.UsageError(f"what can run always is {known}, each with its options, not {' '.join(words)}")
    options = list(words[len(names) :])
    parameters = COMMANDS[names].make_context(" ".join(names), options, parent=context.parent).params
    if parameters.get("source") == "-":
        raise click.UsageError("a service has no standard input; give --input FILE, or a --device")
    if "seconds" in parameters:
        check_wake(parameters["wake"], parameters["seconds"])
    return names[-1], parameters
