"""Measure how well words are added to a shipped model from few recordings, and what the words that it knew lose.

Example: python scripts/shipped_models/teaching.py commands --words wake_words --test speech_commands_test_set_v0.02

From a folder of words, a few clips of each are drawn, several times over; the model is taught them, and measured on all
other clips of these words and on the official test set. Each file of these words is another speaker's.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from sayso.corpus.clip_sets import whole_set
from sayso.corpus.clips import Clips, Labels, load_clips
from sayso.corpus.corpus import files_below, scan
from sayso.errors import SaysoError
from sayso.evaluation.measure import clips_to_measure, evaluate
from sayso.model import model_file, shipped
from sayso.recognition.recognizer import Recognizer
from sayso.training.teaching import Taught, teach

COUNTS = (5, 10, 20)


def main() -> None:
    """Teach, measure, print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="name of a shipped model, or a model file")
    parser.add_argument("--words", type=Path, required=True, help="folder of the new words")
    parser.add_argument("--test", type=Path, required=True, help="folder of the official test archive")
    parser.add_argument("--draws", type=int, default=5, help="how often clips are drawn (default: 5)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to this file, too")
    arguments = parser.parse_args()

    threads = os.cpu_count() or 1
    base = model_file.load(shipped.find(arguments.model))
    store = load_clips(scan(arguments.words).clips, base.features, threads)
    noises = files_below(shipped.bundled("demo") / "_background_noise_")
    before = Recognizer(base)
    known, _ = clips_to_measure(before, scan(arguments.test), "testing")
    accuracy = evaluate(before, known).accuracy
    print(f"before: {accuracy:.1%} on the test set\n")
    print("| clips a word | new words, mean of the draws (least to most) | the test set loses | seconds |")
    print("|---|---|---|---|")
    figures: dict[str, Any] = {"before": accuracy}
    for count in COUNTS:
        rows = [one(base, store, noises, count, draw, known, threads) for draw in range(arguments.draws)]
        new, old, seconds = (np.array(column) for column in zip(*rows, strict=True))
        losses = 100 * (accuracy - old)
        print(
            f"| {count} | {new.mean():.1%} ({new.min():.1%} to {new.max():.1%}) | {losses.mean():.1f} points "
            f"({losses.min():.1f} to {losses.max():.1f}) | {seconds.mean():.0f} |",
            flush=True,
        )
        figures[str(count)] = {"new": new.tolist(), "test set": old.tolist(), "seconds": seconds.tolist()}
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def one(
    base: model_file.Model, store: Clips, noises: list[Path], count: int, draw: int, known: Any, threads: int
) -> tuple[float, float, float]:
    """Teach from one draw; return the accuracy on the other clips and on the test set, and how long teaching took."""
    learned = drawn(store, count, draw)
    started = time.monotonic()
    taught = Recognizer(taught_from(base, store, learned, noises, draw, threads).model)
    seconds = time.monotonic() - started
    rest = np.setdiff1d(np.arange(len(store.rows)), learned)
    others = Clips(store.samples[rest], tuple(store.rows[place] for place in rest), ())
    new = evaluate(taught, whole_set(others, taught.labels)).accuracy
    # The labels of the test set have moved: new words stand between.
    moved = np.array([taught.labels.index(label) for label in base.labels])[known.labels]
    return new, evaluate(taught, known._replace(labels=moved)).accuracy, seconds


def drawn(store: Clips, count: int, draw: int) -> Labels:
    """Draw so many clips of each word; return their positions."""
    rng = np.random.default_rng(draw)
    words = np.array([row.word for row in store.rows])
    return np.concatenate([rng.permutation(np.flatnonzero(words == word))[:count] for word in np.unique(words)])


def taught_from(
    base: model_file.Model, store: Clips, learned: Labels, noises: list[Path], seed: int, threads: int
) -> Taught:
    """Teach a model from some of the clips."""
    with tempfile.TemporaryDirectory() as folder:
        for place in learned:
            row = store.rows[place]
            (Path(folder) / row.word).mkdir(exist_ok=True)
            (Path(folder) / row.word / row.path.name).symlink_to(row.path.resolve())
        return teach(base, scan(Path(folder)), noises, threads=threads, seed=seed)


if __name__ == "__main__":
    try:
        main()
    except SaysoError as error:
        sys.exit(f"error: {error}")
