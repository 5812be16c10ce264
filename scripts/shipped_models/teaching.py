"""Measure the accuracy of words taught to a shipped model from few recordings, and the loss for the known words.

Example: python scripts/shipped_models/teaching.py commands --words wake_words --test speech_commands_test_set_v0.02

From a folder of words, a few clips of each are drawn at random and taught to the model, which is then measured on all
other clips of these words and on the official test set; this is repeated several times. Each file of these words is
from another speaker.
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
from sayso.model import model_file, pack, shipped
from sayso.recognition.recognizer import Recognizer
from sayso.training.teaching import Taught, teach

COUNTS = (5, 10, 20)


def main() -> None:
    """Teach, measure, print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="name of a shipped model, or a model file")
    parser.add_argument("--words", type=Path, required=True, help="folder of the new words")
    parser.add_argument("--test", type=Path, required=True, help="folder of the official test archive")
    parser.add_argument("--draws", type=int, default=5, help="number of draws (default: 5)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the results to this file")
    arguments = parser.parse_args()

    threads = os.cpu_count() or 1
    base = model_file.load(shipped.find(arguments.model))
    clips = load_clips(scan(arguments.words).clips, base.features, threads)
    noises = files_below(shipped.bundled("demo") / "_background_noise_")
    before = Recognizer(base)
    known = clips_to_measure(before, scan(arguments.test), "testing").clips
    accuracy = evaluate(before, known).accuracy
    print(f"before: {accuracy:.1%} on the test set\n")
    print("| clips per word | accuracy of new words, mean of the draws (range) | loss on the test set | seconds |")
    print("|---|---|---|---|")
    results: dict[str, Any] = {"before": accuracy}
    for count in COUNTS:
        rows = [teach_once(base, clips, noises, count, draw, known, threads) for draw in range(arguments.draws)]
        new, old, seconds = (np.array(column) for column in zip(*rows, strict=True))
        losses = 100 * (accuracy - old)
        print(
            f"| {count} | {new.mean():.1%} ({new.min():.1%} to {new.max():.1%}) | {losses.mean():.1f} points "
            f"({losses.min():.1f} to {losses.max():.1f}) | {seconds.mean():.0f} |",
            flush=True,
        )
        results[str(count)] = {"new": new.tolist(), "test set": old.tolist(), "seconds": seconds.tolist()}
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


def teach_once(
    base: model_file.Model, clips: Clips, noises: list[Path], count: int, draw: int, known: Any, threads: int
) -> tuple[float, float, float]:
    """Teach one draw; return the accuracy on the other clips and on the test set, and the seconds of teaching."""
    learned = drawn(clips, count, draw)
    started = time.monotonic()
    taught = Recognizer(taught_from(base, clips, learned, noises, draw, threads, pack.matching(base)).model)
    seconds = time.monotonic() - started
    rest = np.setdiff1d(np.arange(len(clips.rows)), learned)
    others = Clips(clips.samples[rest], tuple(clips.rows[place] for place in rest), ())
    new = evaluate(taught, whole_set(others, taught.labels)).accuracy
    # The indices of the labels have changed, as new words come before unknown and silence.
    moved = np.array([taught.labels.index(label) for label in base.labels])[known.labels]
    return new, evaluate(taught, known._replace(labels=moved)).accuracy, seconds


def drawn(clips: Clips, count: int, draw: int) -> Labels:
    """Draw `count` clips of each word; return their positions."""
    rng = np.random.default_rng(draw)
    words = np.array([row.word for row in clips.rows])
    return np.concatenate([rng.permutation(np.flatnonzero(words == word))[:count] for word in np.unique(words)])


def taught_from(
    base: model_file.Model, clips: Clips, learned: Labels, noises: list[Path], seed: int, threads: int,
    known: pack.Pack | None = None, rate: float = 0.5,
) -> Taught:  # fmt: skip
    """Teach a model from some of the clips."""
    with tempfile.TemporaryDirectory() as folder:
        for place in learned:
            row = clips.rows[place]
            (Path(folder) / row.word).mkdir(exist_ok=True)
            (Path(folder) / row.word / row.path.name).symlink_to(row.path.resolve())
        return teach(
            base, scan(Path(folder)), noises, threads=threads, seed=seed, pack=known, false_alarms_per_hour=rate
        )


if __name__ == "__main__":
    try:
        main()
    except SaysoError as error:
        sys.exit(f"error: {error}")
