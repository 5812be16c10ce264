"""The list of the recordings that a shipped model was trained on and chosen by, beside the model.

It is a table in UTF-8, separated by tabs and compressed by gzip: `zcat models/commands.clips.tsv.gz`. The columns are
what a recording was used for (training or validation), where it is from (words, wake words, noise, unknown speech,
running speech), its path in the folder of that source, and the first ten hexadecimal digits of the SHA-256 of the file.
"""

import argparse
import csv
import gzip
import hashlib
import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from sayso.config import Settings, recipe
from sayso.corpus.splits import Split
from sayso.model.shipped import bundled
from sayso.system.atomic_files import write_atomically
from sayso.system.workers import cores, in_order
from sayso.training.preparation import Prepared
from speech_data import SpeechData

COLUMNS = ("use", "source", "path", "sha256")
DIGITS = 10
SUFFIX = ".clips.tsv.gz"
# Of everything that has splits, the testing split is used neither for training nor for choosing.
USES: tuple[Split, ...] = ("training", "validation")


class Used(NamedTuple):
    """A recording, and what it was used for."""

    use: str
    source: str
    path: Path
    root: Path


def used(data: SpeechData, prepared: Prepared) -> Iterator[Used]:
    """Yield the recordings of a training; those that could not be read are not among them."""
    corpus = data.corpus()
    unread = {skipped.path for skipped in prepared.skipped}
    for clip in prepared.clips.rows:
        words = data.wake_words is None or not clip.path.is_relative_to(data.wake_words)
        root = data.words if words or data.wake_words is None else data.wake_words
        yield Used(clip.split, "words" if words else "wake words", clip.path, root)
    for path in corpus.noises:
        if path not in unread:
            yield Used("training", "noise of the words", path, data.words)
    for use in USES:
        for source, folder, paths in (
            ("noise", data.noise, data.noises(use)),
            ("unknown speech", data.negatives, data.unknown(use)),
            ("running speech", data.running, data.talk(use)),
        ):
            for path in paths:
                if folder and path not in unread:
                    yield Used(use, source, path, folder)


def write(path: Path, recordings: Iterable[Used]) -> int:
    """Write the list, sorted, and return how many recordings it has; the same recordings give the same file."""
    wanted = list(recordings)
    rows = sorted(in_order(_row, wanted, cores()))
    text = io.StringIO()
    table = csv.writer(text, delimiter="\t", lineterminator="\n")
    table.writerow(COLUMNS)
    table.writerows(rows)
    write_atomically(path, gzip.compress(text.getvalue().encode(), mtime=0))
    return len(rows)


def _row(recording: Used) -> tuple[str, str, str, str]:
    digest = hashlib.sha256(recording.path.read_bytes()).hexdigest()[:DIGITS]
    return recording.use, recording.source, recording.path.relative_to(recording.root).as_posix(), digest


def main() -> None:
    """Write the list of a model that is trained already."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="name of the recipe and of the model")
    SpeechData.add_arguments(parser)
    parser.add_argument("--output", type=Path, default=bundled("models"), help="folder of the list (default: models/)")
    arguments = parser.parse_args()
    data = SpeechData.from_arguments(arguments)
    prepared = data.prepare(Settings.from_toml(recipe(arguments.name)))
    path = arguments.output / f"{arguments.name}{SUFFIX}"
    print(f"{path}: {write(path, used(data, prepared)):,} recordings, {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
