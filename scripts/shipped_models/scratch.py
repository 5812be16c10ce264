"""Measure how well a network learns words from scratch, by the number of recordings.

Example: python scripts/shipped_models/scratch.py --words wake_words --noise esc10

A random fifth of the recordings of each word is for testing, a tenth of the others for validation, and the rest for
training; this is repeated with several draws. Each file of these words is from another speaker, so no speaker is in two
splits. Noise and silence are in training, but only the words are measured.
"""

import argparse
import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from sayso.config import Settings, recipe
from sayso.corpus.clip_sets import whole_set
from sayso.corpus.clips import load_clips
from sayso.corpus.corpus import Clip, Corpus, files_below, scan
from sayso.errors import SaysoError
from sayso.evaluation.measure import evaluate
from sayso.recognition.recognizer import Recognizer
from sayso.training.preparation import prepare


def main() -> None:
    """Train, measure, print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--words", type=Path, required=True, help="folder of the words")
    parser.add_argument("--noise", type=Path, help="folder of background noise")
    parser.add_argument("--config", default="commands", help="a recipe: its name or file (default: %(default)s)")
    parser.add_argument(
        "--counts", default="20,50,100,0", help="recordings per word for training; 0: all (default: %(default)s)"
    )
    parser.add_argument("--draws", type=int, default=5, help="number of draws (default: 5)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the results to this file")
    arguments = parser.parse_args()

    corpus, noises = scan(arguments.words), files_below(arguments.noise)
    settings = Settings.from_toml(recipe(arguments.config))
    print("| recordings per word | accuracy on other speakers, mean of the draws (range) | clips per draw |")
    print("|---|---|---|")
    results: dict[str, list[float]] = {}
    for count in map(int, arguments.counts.split(",")):
        rows = [train_once(drawn(corpus, count, draw), noises, settings, draw) for draw in range(arguments.draws)]
        accuracies = np.array([accuracy for accuracy, _ in rows])
        print(
            f"| {count or 'all'} | {accuracies.mean():.1%} ({accuracies.min():.1%} to {accuracies.max():.1%}) "
            f"| {rows[0][1]} |",
            flush=True,
        )
        results[str(count or "all")] = accuracies.tolist()
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


def drawn(corpus: Corpus, count: int, draw: int) -> Corpus:
    """Return the corpus with a random split, and `count` recordings of a word for training and validation; 0: all."""
    rng = np.random.default_rng(draw)
    clips: list[Clip] = []
    for word in corpus.words:
        of_word = [clip for clip in corpus.clips if clip.word == word]
        shuffled = [of_word[place] for place in rng.permutation(len(of_word))]
        testing = round(0.2 * len(shuffled))
        others = shuffled[testing:][: count or None]
        validation = max(round(0.1 * len(others)), 1)
        clips += [replace(clip, split="testing") for clip in shuffled[:testing]]
        clips += [replace(clip, split="validation") for clip in others[:validation]]
        clips += [replace(clip, split="training") for clip in others[validation:]]
    return replace(corpus, clips=tuple(clips))


def train_once(corpus: Corpus, noises: list[Path], settings: Settings, seed: int) -> tuple[float, int]:
    """Train on one split; return the accuracy on its test clips, and their number."""
    settings = replace(settings, training=replace(settings.training, seed=seed))
    training = prepare(corpus, settings, noises=noises).training
    for _ in training.epochs():
        pass
    recognizer = Recognizer(training.model())
    clips = load_clips(corpus.by_split("testing"), settings.features, os.cpu_count() or 1)
    return evaluate(recognizer, whole_set(clips, recognizer.labels)).accuracy, len(clips.rows)


if __name__ == "__main__":
    try:
        main()
    except SaysoError as error:
        sys.exit(f"error: {error}")
