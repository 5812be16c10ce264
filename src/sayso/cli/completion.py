"""`sayso completion`: let the shell complete commands, options, models, recipes and data sets."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from sayso.cli.options import Choice

SHELLS = ("bash", "zsh", "fish")
# The variable through which the shell asks for completions.
VARIABLE = "_SAYSO_COMPLETE"


@click.command()
@click.argument("shell", type=Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print a script for SHELL (bash, zsh or fish) that completes what is typed after sayso.

    It completes commands, options, models, recipes and data sets. Load it at the start of the shell, as in ~/.bashrc:
    eval "$(sayso completion bash)"

    Example: sayso completion bash
    """
    found = get_completion_class(shell)
    assert found, "click knows these shells"
    click.echo(found(context.find_root().command, {}, "sayso", VARIABLE).source())
