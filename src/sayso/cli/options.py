"""Options that several commands share: each has one name, one type and one help text."""

from pathlib import Path

import click

model_option = click.option("-m", "--model", help="A model file, or the name of a shipped model.")

device_option = click.option("--device", help="Number of the microphone, or part of its name; see `sayso devices`.")

split_option = click.option(
    "--split", type=click.Choice(["training", "validation", "testing"]), default="testing", show_default=True,
    help="Split of the corpus; all of a test archive is used.",
)  # fmt: skip

words_option = click.option(
    "--words", help="Words to recognise, separated by commas; the others become unknown speech. [default: all]"
)

noise_option = click.option(
    "--noise", type=click.Path(path_type=Path), help="Background noise: a folder of recordings, or one file."
)

negatives_option = click.option(
    "--negatives", type=click.Path(path_type=Path),
    help="Unknown speech, of any length, without any of the words: a folder of recordings, or one file.",
)  # fmt: skip
