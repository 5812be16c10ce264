"""Measure how a shipped model adapts to voices: errors of each voice before and after, and the loss for everyone else.

Example: python scripts/shipped_models/adapting.py commands --voices voices --test speech_commands_test_set_v0.02

Each folder in `voices` has the recordings of one voice, in a folder for each word of the model. Some takes of each word
are drawn at random and taught; all others are measured, and so is the official test set.
"""

import argparse
import os
import sys
from pathlib import Path

import numpy as np

from sayso.corpus.clip_sets import whole_set
from sayso.corpus.clips import Clips, load_clips
from sayso.corpus.corpus import files_below, scan
from sayso.errors import SaysoError
from sayso.evaluation.measure import clips_to_measure, evaluate
from sayso.model import model_file, pack, shipped
from sayso.recognition.recognizer import Recognizer
from teaching import drawn, taught_from


def main() -> None:
    """Teach, measure, print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="name of a shipped model, or a model file")
    parser.add_argument("--voices", type=Path, required=True, help="folder with a folder for each voice")
    parser.add_argument("--test", type=Path, required=True, help="folder of the official test archive")
    parser.add_argument("--takes", type=int, default=5, help="takes of each word to teach (default: 5)")
    arguments = parser.parse_args()

    threads = os.cpu_count() or 1
    base = model_file.load(shipped.find(arguments.model))
    before, known = Recognizer(base), pack.matching(base)
    everyone = clips_to_measure(before, scan(arguments.test), "testing").clips
    accuracy = evaluate(before, everyone).accuracy
    noises = files_below(shipped.bundled("demo") / "_background_noise_")
    print(f"before: {accuracy:.1%} on the test set\n")
    print("| voice | errors before | after | lost on the test set |\n|---|---|---|---|")
    for folder in sorted(path for path in arguments.voices.iterdir() if path.is_dir()):
        clips = load_clips(scan(folder).clips, base.features, threads)
        learned = drawn(clips, arguments.takes, 0)
        after = Recognizer(taught_from(base, clips, learned, noises, 0, threads, known).model)
        rest = np.setdiff1d(np.arange(len(clips.rows)), learned)
        others = whole_set(Clips(clips.samples[rest], tuple(clips.rows[place] for place in rest), ()), base.labels)
        errors = [1 - evaluate(recognizer, others).accuracy for recognizer in (before, after)]
        lost = 100 * (accuracy - evaluate(after, everyone).accuracy)
        print(f"| {folder.name} | {errors[0]:.1%} of {len(rest)} | {errors[1]:.1%} | {lost:.1f} points |", flush=True)


if __name__ == "__main__":
    try:
        main()
    except SaysoError as error:
        sys.exit(f"error: {error}")
