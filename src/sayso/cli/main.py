"""`sayso`: the group of all commands, and the handling of their errors."""

import io
import os
import sys

import click

from sayso.cli.classify import classify
from sayso.cli.console import note
from sayso.cli.data import data
from sayso.cli.devices import devices
from sayso.cli.doctor import doctor
from sayso.cli.evaluate import evaluate
from sayso.cli.explain import explain
from sayso.cli.info import info
from sayso.cli.listen import listen
from sayso.cli.models import models
from sayso.cli.quickstart import quickstart
from sayso.cli.record import record
from sayso.cli.report import report
from sayso.cli.sweep import sweep
from sayso.cli.teach import teach
from sayso.cli.train import train
from sayso.errors import SaysoError
from sayso.system.standard_streams import ensure_standard_streams
from sayso.system.text import printable
from sayso.version import __version__


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="sayso")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.pass_context
def cli(context: click.Context, debug: bool) -> None:
    """Recognise spoken commands offline: train, measure and use a small recogniser of single words.

    Example: sayso quickstart
    """
    context.obj = debug


for command in (
    quickstart,
    listen,
    classify,
    record,
    teach,
    train,
    sweep,
    evaluate,
    report,
    explain,
    models,
    info,
    data,
    devices,
    doctor,
):
    cli.add_command(command)


def main() -> None:
    """Run sayso; an error that the user can fix is one line on stderr and exit status 1."""
    ensure_standard_streams()
    # A file name may be any bytes: those that cannot be encoded are written as escapes, which JSON reads back.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        status = cli(standalone_mode=False)
    except click.ClickException as error:
        message = io.StringIO()
        error.show(message)
        note(message.getvalue().rstrip("\n"))
        sys.exit(error.exit_code)
    except click.Abort:
        note("aborted")
        sys.exit(1)
    except BrokenPipeError:
        # The reader has closed the pipe. Python would report that again when it flushes stdout at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except (SaysoError, OSError) as error:
        if "--debug" in sys.argv:
            raise
        # What was skipped before is often the cause.
        for added in getattr(error, "__notes__", ()):
            note(added)
        note(f"error: {printable(str(error))}")
        sys.exit(1)
    if isinstance(status, int):
        # The exit status that a command gave to `click.Context.exit`.
        sys.exit(status)
