"""Ablation study: train a recipe as a whole and without each of its parts, and measure on validation.

Example: python scripts/shipped_models/ablation.py commands --data speech_commands_v0.02 --noise esc10 \
    --negatives negatives

All trainings have the same seed and number of epochs. Each is a separate process; `--jobs` of them run in parallel. The
official test set is not used.
"""

import argparse
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sayso.config import UNKNOWN, Settings, recipe
from sayso.corpus.clips import load_noises
from sayso.evaluation.measure import evaluate, evaluate_in_noise
from sayso.recognition.recognizer import Recognizer
from speech_data import SpeechData

SNR = 5.0

Changes = dict[str, dict[str, Any]]
"""Settings that differ from the recipe, by table and name."""

PARTS: dict[str, Changes] = {
    "the whole recipe": {},
    "without layers over frequency": {
        "network": {"spectral_channels": [], "spectral_kernels": [], "spectral_strides": [], "stem_kernel": 5}
    },
    "without shifts": {"augmentation": {"shift": 0.0}},
    "without changes of speed": {"augmentation": {"speed": 0.0}},
    "without changes of level": {"augmentation": {"gain": 0.0}},
    "without noise": {"augmentation": {"noise_probability": 0.0}},
    "without reverberation": {"augmentation": {"reverberation_probability": 0.0}},
    "without masks": {"augmentation": {"time_masks": 0, "frequency_masks": 0}},
    "without more unknown speech": {"data": {"negatives": None}},
    "unknown speech drawn like one word": {"training": {"unknown_draws": 1.0}},
    "unknown speech as one class": {"training": {"unknown_by_word": False}},
    "without label smoothing": {"training": {"label_smoothing": 0.0}},
    "without dropout": {"network": {"dropout": 0.0}},
    "without averaged weights": {"training": {"average_decay": 0.0}},
    "without weight decay": {"training": {"weight_decay": 0.0}},
    "at a constant learning rate": {"training": {"schedule": "constant", "learning_rate": 0.001}},
}


def main() -> None:
    """Run the trainings in separate processes and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="name of the recipe")
    SpeechData.add_arguments(parser)
    parser.add_argument("--epochs", type=int, default=20, help="length of each training (default: %(default)s)")
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count(), help="trainings in parallel (default: number of cores)"
    )
    parser.add_argument("--parts", nargs="+", choices=PARTS, help="only these parts (default: all)", metavar="PART")
    parser.add_argument("--one", choices=PARTS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(train_and_measure(arguments, PARTS[arguments.one])))
        return

    def run(part: str) -> dict[str, float]:
        command = [sys.executable, *sys.argv, "--one", part]
        output = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
        row: dict[str, float] = json.loads(output)
        print(f"{part}: {row}", file=sys.stderr, flush=True)
        return row

    parts = arguments.parts or parts_of(Settings.from_toml(recipe(arguments.name)))
    with ThreadPoolExecutor(arguments.jobs) as pool:
        rows = dict(zip(parts, pool.map(run, parts), strict=True))
    print(f"| {arguments.epochs} epochs | validation | unknown | in noise, {SNR:g} dB |\n|---|---|---|---|")
    for part, row in rows.items():
        print(f"| {part} | {row['accuracy']:.1%} | {row['unknown']:.1%} | {row['noisy']:.1%} |")


def parts_of(settings: Settings) -> list[str]:
    """List the parts that a recipe has; one without layers over frequency cannot be trained without them."""
    network = settings.to_dict()["network"]
    return [part for part, changes in PARTS.items() if all(network.get(name) for name in changes.get("network", {}))]


def train_and_measure(arguments: argparse.Namespace, changes: Changes) -> dict[str, float]:
    """Train with some settings changed; measure on the validation clips, clean and in noise that is not in training."""
    data = SpeechData.from_arguments(arguments)
    if "data" in changes:
        data = SpeechData(data.words, data.noise, None)
    tables = Settings.from_toml(recipe(arguments.name)).to_dict()
    training = tables["training"]
    # In a shorter training the weights are averaged over proportionally fewer epochs.
    shortened = (1 - training["average_decay"]) * training["epochs"] / arguments.epochs
    training |= {"epochs": arguments.epochs, "average_decay": max(1 - shortened, 0.0)}
    for table, values in changes.items():
        tables.setdefault(table, {}).update(values)
    tables.pop("data", None)
    run = data.prepare(Settings.from_dict(tables)).training
    for row in run.epochs():
        print(f"{arguments.one}: {row}", file=sys.stderr, flush=True)
    recognizer = Recognizer(run.model())
    noises, _ = load_noises(data.noises("validation"), run.settings.features)
    clean = evaluate(recognizer, run.validation)
    noisy = evaluate_in_noise(recognizer, run.validation, noises, [SNR])[SNR]
    return {
        "accuracy": clean.balanced_accuracy,
        "unknown": clean.words[UNKNOWN].recall,
        "noisy": noisy.balanced_accuracy,
    }


if __name__ == "__main__":
    main()
