"""The recordings with which the shipped models are trained and measured; each has one purpose only.

Words: Speech Commands v0.02 with its own split, and its official test archive. Noise: that of Speech Commands, and
ESC-10, with three of its five folds for training, one for validation and one for testing; no source of sound is in two
folds. Unknown speech: folders of recordings without any of the words, four fifths of them for training and the rest for
measuring streams.
"""

import argparse
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from sayso.config import COMMANDS, Settings
from sayso.corpus.corpus import files_below, scan
from sayso.corpus.splits import Split, official_split
from sayso.training.preparation import Prepared, prepare

_ESC = re.compile(r"\d+_\w+_(?P<fold>\d)_\d+_[A-Z]")
FOLDS: dict[Split, str] = {"training": "123", "validation": "4", "testing": "5"}


@dataclass(frozen=True)
class SpeechData:
    """Folders of recordings.

    Attributes
    ----------
    words : Path
        Speech Commands v0.02, or a part of it.
    noise, negatives : Path or None
        ESC-10, and unknown speech.
    """

    words: Path
    noise: Path | None
    negatives: Path | None

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        """Add the options for the folders."""
        parser.add_argument("--data", type=Path, required=True, help="folder of Speech Commands v0.02, or a part of it")
        parser.add_argument(
            "--noise", type=Path, help="folder of ESC-10 (noise; folds 1-3 for training, 4 validation, 5 testing)"
        )
        parser.add_argument("--negatives", type=Path, help="folder of more unknown speech, of any length")

    @classmethod
    def from_arguments(cls, arguments: argparse.Namespace) -> Self:
        """Return the folders given as options."""
        return cls(arguments.data, arguments.noise, arguments.negatives)

    def noises(self, split: Split) -> list[Path]:
        """Return the files of ESC-10 for one split."""

        def fold(path: Path) -> str:
            match = _ESC.fullmatch(path.stem)
            return match["fold"] if match else ""

        return _chosen(files_below(self.noise), lambda path: fold(path) in FOLDS[split])

    def unknown(self, split: Split) -> list[Path]:
        """Return the files of unknown speech for one split, by the rule of Speech Commands."""
        return _chosen(files_below(self.negatives), lambda path: official_split(path.stem) == split)

    def prepare(self, settings: Settings, checkpoint: Path | None = None) -> Prepared:
        """Set up a training of the ten commands."""
        noises, negatives = self.noises("training"), self.unknown("training")
        return prepare(scan(self.words), settings, COMMANDS, noises, negatives, checkpoint)


def _chosen(paths: Sequence[Path], wanted: Callable[[Path], bool]) -> list[Path]:
    return [path for path in paths if wanted(path)]
