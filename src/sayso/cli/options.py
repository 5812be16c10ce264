"""Options that several commands share: each has one name, one type and one help text.

The model that a command uses is always `-m`, a folder of recordings always the argument DIRECTORY, an output always
`-o`, the format of a result always `--format`, a folder for plots always `--plots`.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable, Sequence
from glob import escape, glob
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from sayso.cli.console import detail, verbosity
from sayso.errors import SaysoError
from sayso.extras import require
from sayso.system.suggestions import did_you_mean

if TYPE_CHECKING:
    _Choice = click.Choice[str]
    _ParamType = click.ParamType[Any]
else:  # generic in recent versions of click only
    _Choice = click.Choice
    _ParamType = click.ParamType


class Named(_ParamType):
    """A path, or the name of something that sayso knows; names and files are completed by the shell.

    Parameters
    ----------
    name : str
        What it is.
    known : callable
        Returns the names.
    suffix : str
        Suffix of the files that are offered, or "/" for folders.
    path : type
        What a value is converted to: str or Path.
    """

    def __init__(
        self, name: str, known: Callable[[], Iterable[str]], suffix: str, path: Callable[[str], object] = str
    ) -> None:
        self.name, self._known, self._suffix, self._path = name, known, suffix, path

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path or name as it is; whether it exists is checked where it is opened."""
        return self._path(value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Return the names and the files that start like this, or else leave it to the shell."""
        found = [CompletionItem(name) for name in self._known() if name.startswith(incomplete)]
        # glob keeps the path as it is typed, which Path would change.
        files = sorted(glob(f"{escape(incomplete)}*{self._suffix}"))  # noqa: PTH207
        found += map(CompletionItem, files)
        return found or [CompletionItem(incomplete, type="dir" if self._suffix == "/" else "file")]


class Choice(_Choice):
    """One of several words; a misspelt one gets a suggestion."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the word, or raise BadParameter."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as error:
            self.fail(f"{error.message.rstrip('.')}{did_you_mean(str(value), self.choices)}", param, ctx)


def _models() -> Iterable[str]:
    from sayso.model import shipped

    return shipped.models()


def _recipes() -> Iterable[str]:
    from sayso.config import recipes

    return recipes()


def _data_sets() -> Iterable[str]:
    from sayso.download.catalogue import KNOWN

    return KNOWN


def finite(context: click.Context, parameter: click.Parameter, value: float) -> float:
    """Refuse NaN and infinity, which are in no range and beyond none."""
    if not math.isfinite(value):
        raise click.BadParameter(f"{value} is no number to work with; give one such as 10")
    return value


MODEL = Named("model", _models, ".safetensors")
RECIPE = Named("settings", _recipes, ".toml")
DATA_SET = Named("name", _data_sets, "/")
DIRECTORY = Named("directory", _data_sets, "/", Path)


def _tell_model(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    """With -v, tell which file is used."""
    if verbosity() > 0:
        from sayso.model import shipped

        # What is wrong with the model is reported where it is loaded.
        with contextlib.suppress(SaysoError):
            detail(f"model: {shipped.find(value or shipped.DEFAULT)}")
    return value


model_option = click.option(
    "-m", "--model", type=MODEL, callback=_tell_model,
    help="A model file, or the name of a shipped model. [default: commands]",
)  # fmt: skip

device_option = click.option(
    "--device", help="Number of the microphone, or part of its name, as the command devices lists them."
)

split_option = click.option(
    "--split", type=Choice(["training", "validation", "testing"]), default="testing", show_default=True,
    help="Split of the corpus; all of a test archive is used.",
)  # fmt: skip

words_option = click.option(
    "--words", help="Words to recognise, separated by commas; the others become unknown speech. [default: all]"
)


def _located(_: click.Context, __: click.Parameter, value: Path | None) -> Path | None:
    """Return the folder that the name of a data set stands for; other paths as they are."""
    from sayso.download.catalogue import find

    return value and find(value)


noise_option = click.option(
    "--noise", type=DIRECTORY, callback=_located, metavar="PATH",
    help="Background noise: a folder of recordings, or one file.",
)  # fmt: skip

negatives_option = click.option(
    "--negatives", type=DIRECTORY, callback=_located, metavar="PATH",
    help="Unknown speech, of any length, without any of the words: a folder of recordings, one file, or the name of a "
    "data set.",
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


_sensitivity_option = click.option(
    "--sensitivity", type=click.FloatRange(0, 1), metavar="0..1", default=0.5, show_default=True,
    help="Higher values detect more words in streams, and take more other sounds for words.",
)  # fmt: skip
_anywhere_option = click.option(
    "--anywhere", is_flag=True, help="Detect words within sentences, too, and not only where they are said alone."
)
_patient_option = click.option("--patient", is_flag=True, help="Detect a word only once a pause follows it.")


def alone_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say whether words must stand alone."""
    return _anywhere_option(_patient_option(command))


def decision_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options by which words are detected in streams: the keyword arguments of `recognizer.load`."""
    return _sensitivity_option(alone_options(command))


def _can_draw(_: click.Context, __: click.Parameter, value: Path | None) -> Path | None:
    """Refuse to measure first and draw later what cannot be drawn."""
    if value:
        require("drawing plots", "report")
    return value


plots_option = click.option(
    "--plots", type=click.Path(path_type=Path), metavar="DIR", callback=_can_draw,
    help="Also save the plots as PNG and SVG in DIR.",
)  # fmt: skip

seed_option = click.option(
    "--seed", type=int, default=0, show_default=True, help="The same seed gives the same model on the same machine."
)

scheduler_option = click.option(
    "--scheduler", metavar="ADDRESS", help="Let a Dask cluster do the work, as in tcp://host:8786."
)


def format_option(*styles: str, default: str | None = None) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return the option for the format of a result: the first style is for people, the others are for programs."""
    shown = default or f"{styles[0]}"
    return click.option(
        "--format", "style", type=Choice(styles), default=None if default else styles[0],
        help=f"{styles[0].capitalize()} is for people, {_either(styles[1:])} for programs. [default: {shown}]",
    )  # fmt: skip


def _either(words: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]])) + (" are" if len(words) > 1 else " is")
