"""Write what is made from the code and the models: `python3 scripts/reference_pages.py`.

These are docs/settings.md, docs/cli.md, and the figures of the shipped models in docs/comparison.md. A test checks that
they are what this script writes.
"""

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import environment

if TYPE_CHECKING:
    from sayso.config import Settings
    from sayso.config.description import Setting

ROOT = environment.ROOT
SETTINGS, COMMANDS, COMPARISON = (ROOT / "docs" / name for name in ("settings.md", "cli.md", "comparison.md"))
# The part of the last that is made, and the score that it shows.
OURS = re.compile("(<!-- Made .*: ours -->\n).*?(<!-- end -->\n)", re.DOTALL)
TEST_SET = "speech_commands_test_set_v0.02"
MADE = "<!-- Made by scripts/reference_pages.py; change the code instead. -->"

INTRODUCTION = """\
A recipe is a TOML file with the settings of a training. `sayso config commands > my.toml` prints one with all settings,
each explained, as a start for your own; train with it with `sayso train DIRECTORY -o MODEL --config my.toml`. A file
need only have the settings that differ from the defaults. On a command line, as in `sayso sweep --set`, and in Python,
a setting is called by its table and its name: `training.learning_rate`. `sayso info -m MODEL --format json` shows the
settings that a model was trained with.

These recipes come with sayso: {recipes}. Where a recipe has another value than the default, the table says so. How the
recipe of the model `commands` came about: [recipe.md](recipe.md)."""


def made() -> dict[Path, str]:
    """Return the pages by their files."""
    return {SETTINGS: settings_page(), COMMANDS: commands_page(), COMPARISON: comparison_page()}


def settings_page() -> str:
    """Return the page about settings, made from the dataclasses."""
    from sayso.config import Settings, recipes
    from sayso.config.description import described
    from sayso.nn.architectures import ARCHITECTURES

    known = {name: Settings.from_toml(path) for name, path in recipes().items()}
    lines = [
        "# Settings",
        MADE,
        "",
        INTRODUCTION.format(recipes=", ".join(f"`{name}`" for name in known)),
    ]
    dense, tdnn = (list(described(architecture())) for architecture in ARCHITECTURES.values())
    for (table, about, settings), (_, other_about, others) in zip(dense, tdnn, strict=True):
        if table == "network":
            lines += _table('[network] with name = "dense"', about, settings, known, "dense")
            lines += _table('[network] with name = "tdnn"', other_about, others, known, "tdnn")
        else:
            lines += _table(f"[{table}]", about, settings, known)
    return "\n".join(lines) + "\n"


def _table(
    heading: str, about: str, settings: Sequence["Setting"], known: Mapping[str, "Settings"], network: str = ""
) -> list[str]:
    """Return a table of settings, with the values of the recipes that differ from the default."""
    lines = [
        "",
        f"## `{heading}`",
        "",
        about,
        "",
        "| setting | default | possible | what it does |",
        "|---|---|---|---|",
    ]
    for setting in settings:
        values = {
            recipe: getattr(getattr(content, setting.table), setting.name)
            for recipe, content in known.items()
            if network in ("", content.network.name)
        }
        lines.append(_row(setting, {name: value for name, value in values.items() if value != setting.default}))
    return lines


def _row(setting: "Setting", others: Mapping[str, object]) -> str:
    from sayso.config.description import toml_value

    recipes = ", ".join(f"`{toml_value(value)}` in {recipe}" for recipe, value in others.items())
    cells = (
        f"`{setting.name}`",
        f"`{toml_value(setting.default)}` {setting.unit}".rstrip(),
        f"{setting.kind}{'; ' if setting.expected else ''}{setting.expected}",
        f"{setting.meaning} {f'Recipes: {recipes}.' if recipes else ''}".rstrip(),
    )
    return f"| {' | '.join(cells)} |"


def commands_page() -> str:
    """Return the page about the command line, made from the commands."""
    import click

    from sayso.cli.group import Context
    from sayso.cli.main import SECTIONS, cli

    context = Context(cli, info_name="sayso", max_content_width=100, terminal_width=100)
    lines = ["# Commands", MADE, "", "What `sayso COMMAND --help` prints. All commands have these options:", ""]
    common = {option.name for option in cli.params}
    lines += _options(option for option in cli.params if option.name != "version")
    for heading, commands in SECTIONS.items():
        lines += ["", f"## {heading}"]
        for command in commands:
            inner = command.commands.values() if isinstance(command, click.Group) else [command]
            for one in inner:
                name = str(one.name) if one is command else f"{command.name} {one.name}"
                lines += ["", f"### sayso {name}", ""]
                with Context(one, info_name=name, parent=context) as inside:
                    usage = " ".join(one.collect_usage_pieces(inside))
                    lines += ["```text", f"sayso {name} {usage}", "```", "", *_help(one.help or "")]
                    lines += _options(option for option in one.get_params(inside) if option.name not in common)
    return "\n".join(lines) + "\n"


def _help(text: str) -> Iterator[str]:
    """Yield the help of a command as Markdown, its examples as code."""
    from sayso.cli.group import EXAMPLE

    for paragraph in text.replace("\b\n", "").split("\n\n"):
        joined = " ".join(paragraph.split())
        if joined.startswith(EXAMPLE):
            yield from ("```console", f"$ sayso {joined.removeprefix(EXAMPLE)}", "```", "")
        else:
            yield from (_escaped(joined), "")


def _options(options: Iterator[object]) -> list[str]:
    """Return a table of options with their help, and with it the default."""
    import click

    rows = [option for option in options if isinstance(option, click.Option) and "--help" not in option.opts]
    if not rows:
        return []
    lines = ["| option | what it does |", "|---|---|"]
    with click.Context(click.Command("sayso")) as context:
        for option in rows:
            record = option.get_help_record(context)
            assert record, option.name
            names, text = record
            bar = names.replace("|", "\\|")
            lines.append(f"| `{bar}` | {_escaped(' '.join(text.split()))} |")
    return lines


def _escaped(text: str) -> str:
    """Keep what Markdown would take for its own, outside of code."""
    parts = text.split("`")
    for place in range(0, len(parts), 2):
        parts[place] = re.sub(r"[\\*_|\[\]]|<(?=[a-z/])", r"\\\g<0>", parts[place])
    return "`".join(parts)


def comparison_page() -> str:
    """Return the page that compares, with the figures of the shipped models as their files have them."""
    from sayso.model import model_file, shipped

    lines = ["| model | accuracy | 95 % interval | ten words only | parameters |", "|---|---|---|---|---|"]
    for name, path in shipped.models().items():
        model = model_file.load(path)
        score = model.scores[TEST_SET]
        low, high = (100 * bound for bound in score["interval"])
        lines.append(
            f"| [`{name}`](../models/{name}.md) | {100 * score['accuracy']:.1f} % | {low:.1f} to {high:.1f} % | "
            f"{100 * score['words']:.1f} % | {model.network.parameter_count:,} |"
        )
    return OURS.sub("\\g<1>" + "\n".join(lines) + "\n\\g<2>", COMPARISON.read_text(encoding="utf-8"))


def main() -> None:
    """Write the pages."""
    for path, text in made().items():
        path.write_text(text, encoding="utf-8")
        print(f"wrote {path.relative_to(ROOT)}")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / "src"))
    main()
