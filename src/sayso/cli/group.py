"""What all commands have in common: -q, -v and --debug, help in the form that the user called, suggestions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

from sayso.cli.console import set_verbosity
from sayso.system.invocation import called_as, in_form_of_call
from sayso.system.suggestions import did_you_mean

EXAMPLE = "Example: sayso "
# Most characters of what a command is for in the list of commands: a sentence.
LONGEST_SUMMARY = 150


class Formatter(click.HelpFormatter):
    """Writes help; each example stands on a line of its own, to be copied as it is."""

    def write_text(self, text: str) -> None:
        """Write paragraphs, those with an example without wrapping."""
        paragraphs = in_form_of_call(text).split("\n\n")
        for place, paragraph in enumerate(paragraphs):
            if place:
                self.write_paragraph()
            if paragraph.startswith(EXAMPLE):
                example = " ".join(paragraph.removeprefix(EXAMPLE).split())
                self.write(f"{'':>{self.current_indent}}Example: {called_as()} {example}\n")
            else:
                super().write_text(paragraph)

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        """Write names and what they stand for."""
        super().write_dl([(name, in_form_of_call(text)) for name, text in rows], col_max, col_spacing)


class Context(click.Context):
    """A context whose help is written by `Formatter`."""

    formatter_class = Formatter


def _set_level(context: click.Context, option: click.Parameter, given: bool) -> None:
    if given:
        set_verbosity(context, -1 if option.name == "quiet" else 1)


def common_options() -> list[click.Parameter]:
    """Return the options that stand behind `sayso` as well as behind each command."""
    return [
        click.Option(
            ["-q", "--quiet"], is_flag=True, is_eager=True, expose_value=False, callback=_set_level,
            help="No notes and no progress; results, warnings and errors only.",
        ),
        click.Option(
            ["-v", "--verbose"], is_flag=True, is_eager=True, expose_value=False, callback=_set_level,
            help="Details, too: the files in use, all that were skipped, time and memory.",
        ),
        click.Option(["--debug"], is_flag=True, expose_value=False, help="Show the traceback of an error."),
    ]  # fmt: skip


def hint_of(error: click.ClickException) -> str:
    """Return what to do about an error in the usage of a command, beyond what click says; often nothing."""
    context = getattr(error, "ctx", None)
    extra = "unexpected extra argument" in error.format_message()
    if extra and context and any(option.name == "model" for option in context.command.params):
        return "The model is given with -m MODEL."
    return ""


class Group(click.Group):
    """A group of commands.

    Parameters
    ----------
    *arguments, **settings
        As for `click.Group`.
    sections : mapping of str to sequence of str
        Names of commands under the headings of the help; by default they have one heading.
    """

    context_class = Context

    def __init__(self, *arguments: Any, sections: Mapping[str, Sequence[str]] | None = None, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._sections = sections or {}

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        """Add a command, and to it the options that all commands have."""
        if not isinstance(cmd, click.Group):
            cmd.params += common_options()
        cmd.context_class = Context
        super().add_command(cmd, name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command; suggest one for a name that is misspelt."""
        name = args[0]
        if not name.startswith("-") and self.get_command(ctx, name) is None and not ctx.resilient_parsing:
            hint = did_you_mean(name, self.commands) or f"; see {ctx.command_path} --help"
            raise click.UsageError(f"there is no command {name}{hint}", ctx)
        return super().resolve_command(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands in the order of the help."""
        return [name for names in self._sections.values() for name in names] or super().list_commands(ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands under their headings, in columns of one width."""
        names = self.list_commands(ctx)
        width = max(map(len, names))
        for heading, section in (self._sections or {"Commands": names}).items():
            with formatter.section(heading):
                texts = [self.commands[name].get_short_help_str(LONGEST_SUMMARY) for name in section]
                formatter.write_dl([(f"{name:<{width}}", text) for name, text in zip(section, texts, strict=True)])
