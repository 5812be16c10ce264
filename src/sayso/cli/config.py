"""`sayso config`: print all settings, each explained."""

import click

from sayso.cli.console import say
from sayso.cli.options import RECIPE


@click.command()
@click.argument("recipe", type=RECIPE, metavar="RECIPE", default="commands")
def config(recipe: str) -> None:
    """Print all settings of RECIPE as a TOML file with a comment for each: a start for a recipe of your own.

    RECIPE is the name of a recipe that comes with sayso (commands, commands-tiny, dense, quickstart), by default
    commands, or a TOML file, whose missing settings are added with their defaults. Train with the result as in
    `sayso train recordings -o model.safetensors --config my.toml`.

    Example: sayso config commands > my.toml
    """
    from sayso.config import Settings
    from sayso.config import recipe as recipe_named
    from sayso.config.description import to_toml

    say(to_toml(Settings.from_toml(recipe_named(recipe))).rstrip())
