"""`sayso`: the group of all commands, and the handling of their errors."""

import io
import os
import sys
import time

import click

from sayso.cli import completion as completing
from sayso.cli.classify import classify
from sayso.cli.completion import completion
from sayso.cli.config import config
from sayso.cli.console import detail, say
from sayso.cli.data import data
from sayso.cli.devices import devices
from sayso.cli.doctor import doctor
from sayso.cli.evaluate import evaluate
from sayso.cli.explain import explain
from sayso.cli.export import export
from sayso.cli.group import Group, common_options, hint_of
from sayso.cli.info import info
from sayso.cli.listen import listen
from sayso.cli.models import models
from sayso.cli.quickstart import quickstart
from sayso.cli.record import record
from sayso.cli.report import report
from sayso.cli.serve import serve
from sayso.cli.service import service
from sayso.cli.sweep import sweep
from sayso.cli.teach import teach
from sayso.cli.train import train
from sayso.errors import SaysoError
from sayso.system.invocation import called_as
from sayso.system.standard_streams import ensure_standard_streams
from sayso.system.text import printable
from sayso.version import __version__

SECTIONS = {
    "Use": (quickstart, listen, classify, serve, export, devices, doctor),
    "Teach": (record, data, teach, train, sweep, config),
    "Measure": (evaluate, report),
    "Understand": (explain, info, models),
    "Set up": (service, completion),
}


@click.group(
    cls=Group,
    sections={heading: [str(command.name) for command in commands] for heading, commands in SECTIONS.items()},
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="sayso")
@click.pass_context
def cli(context: click.Context) -> None:
    """Recognise spoken commands offline: train, measure and use a small recogniser of single words.

    Example: sayso quickstart
    """
    started = time.perf_counter()
    context.call_on_close(lambda: detail(f"sayso {__version__}: {_cost(time.perf_counter() - started)}"))


cli.params += common_options()
for commands in SECTIONS.values():
    for command in commands:
        cli.add_command(command)


def _cost(seconds: float) -> str:
    """Describe the time and the memory that a command took."""
    try:
        import resource
    except ImportError:  # on Windows
        return f"{seconds:.1f} s"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return f"{seconds:.1f} s, at most {peak * (1 if sys.platform == 'darwin' else 1024) / 1e6:.0f} MB of memory"


def main() -> None:
    """Run sayso; an error that the user can fix is one line on stderr and exit status 1."""
    ensure_standard_streams()
    # A file name may be any bytes: those that cannot be encoded are written as escapes, which JSON reads back.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        status = cli(standalone_mode=False, prog_name=called_as(), complete_var=completing.VARIABLE)
    except click.ClickException as error:
        message = io.StringIO()
        error.show(message)
        say(f"{message.getvalue().rstrip()} {hint_of(error)}".rstrip(), err=True)
        sys.exit(error.exit_code)
    except click.Abort:
        say("aborted", err=True)
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
            say(added, err=True)
        say(f"error: {printable(str(error))}", err=True)
        sys.exit(1)
    if isinstance(status, int):
        # The exit status that a command gave to `click.Context.exit`.
        sys.exit(status)
