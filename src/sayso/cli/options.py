"""Options that several commands share: each has one name, one type and one help text."""

from collections.abc import Callable
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

_speaker_option = click.option(
    "--speaker", metavar="REGEX",
    help="Where a path in the folder names the speaker, as in '([^/_]+)_[0-9]+'. [default: the usual forms]",
)  # fmt: skip
_layout_option = click.option(
    "--layout", type=click.Choice(["word/speaker", "speaker/word"]),
    help="The meaning of folders in folders. [default: recognised if it is unambiguous]",
)  # fmt: skip


def corpus_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options by which the recordings of a corpus are understood."""
    return _speaker_option(_layout_option(command))
