"""The recordings with which the shipped models are trained and measured; each has one purpose only.

Words: Speech Commands v0.02 with its own split, its official test archive, and wake words. Noise: that of Speech
Commands, ESC-10, with three of its five folds for training, one for validation and one for testing, and more. Unknown
speech: folders of recordings without any of the words, and running speech with a table of its words. Of everything
without a split of its own, 60 % are for training, 20 % for validation and 20 % for testing, by the hash of the speaker
where the file name has one and else of the file name.
"""

import argparse
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from sayso.config import COMMANDS, Settings
from sayso.corpus.corpus import Clip, Corpus, files_below, scan
from sayso.corpus.places import Places, places_in, read_places
from sayso.corpus.splits import Split, percentage
from sayso.model.model_file import Model
from sayso.training.preparation import Prepared, prepare

# Words that wake a listener; the shipped models learn them. Another one is kept aside to measure teaching.
WAKE_WORDS = ("computer", "jarvis")
_ESC = re.compile(r"\d+_\w+_(?P<fold>\d)_\d+_[A-Z]")
FOLDS: dict[str, Split] = {"1": "training", "2": "training", "3": "training", "4": "validation", "5": "testing"}


def split_of(name: str) -> Split:
    """Return what a speaker or a recording is used for."""
    place = percentage(name)
    return "training" if place < 60 else "validation" if place < 80 else "testing"


@dataclass(frozen=True)
class SpeechData:
    """Folders of recordings.

    Attributes
    ----------
    words : Path
        Speech Commands v0.02, or a part of it.
    noise, negatives, running, wake_words : Path or None
        Noise, unknown speech, running speech, and a folder for each wake word.
    """

    words: Path
    noise: Path | None
    negatives: Path | None
    running: Path | None = None
    wake_words: Path | None = None

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        """Add the options for the folders."""
        parser.add_argument("--data", type=Path, required=True, help="folder of Speech Commands v0.02, or a part of it")
        parser.add_argument("--noise", type=Path, help="folder of noise; the names of ESC-10 give its folds")
        parser.add_argument("--negatives", type=Path, help="folder of more unknown speech, of any length")
        parser.add_argument(
            "--running", type=Path, help="folder of running speech: <speaker>_<n> files, and words.tsv if there is one"
        )
        parser.add_argument("--wake-words", type=Path, help="folder with a folder for each wake word")

    @classmethod
    def from_arguments(cls, arguments: argparse.Namespace) -> Self:
        """Return the folders given as options."""
        return cls(arguments.data, arguments.noise, arguments.negatives, arguments.running, arguments.wake_words)

    def noises(self, split: Split) -> list[Path]:
        """Return the files of noise for one split."""

        def use(path: Path) -> Split:
            match = _ESC.fullmatch(path.stem)
            return FOLDS[match["fold"]] if match else split_of(path.stem)

        return [path for path in files_below(self.noise) if use(path) == split]

    def unknown(self, split: Split) -> list[Path]:
        """Return the files of unknown speech for one split, without running speech."""
        return [path for path in files_below(self.negatives) if split_of(path.stem) == split]

    def talk(self, split: Split) -> list[Path]:
        """Return the files of running speech for one split; no speaker is in two."""
        return [path for path in files_below(self.running) if split_of(speaker_of(path)) == split]

    def places(self, split: Split) -> Places:
        """Return where words are in the running speech of one split, by file."""
        return places_in(self.talk(split), read_places(self.running)) if self.running else {}

    def wake_clips(self, split: Split) -> list[Clip]:
        """Return the recordings of wake words for one split."""
        found = [(word, path) for word in WAKE_WORDS if self.wake_words for path in files_below(self.wake_words / word)]
        return [Clip(path, word, None, split) for word, path in found if split_of(path.stem) == split]

    def corpus(self) -> Corpus:
        """Return Speech Commands, with the recordings of wake words that are for training."""
        corpus = scan(self.words)
        return replace(corpus, clips=(*corpus.clips, *self.wake_clips("training")))

    def prepare(self, settings: Settings, checkpoint: Path | None = None, distill: Model | None = None) -> Prepared:
        """Set up a training of the ten commands, which may learn from a larger model as well."""
        return prepare(
            self.corpus(),
            settings,
            COMMANDS,
            self.noises("training"),
            [*self.unknown("training"), *self.talk("training")],
            checkpoint,
            places=self.places("training"),
            distill=distill,
        )


def speaker_of(path: Path) -> str:
    """Return the speaker of a recording of running speech."""
    return path.stem.split("_")[0]
