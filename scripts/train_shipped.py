"""Train a model that ships with heed, and measure it once on the official test set of Speech Commands.

Example: python scripts/train_shipped.py dense --data speech_commands_v0.02 --test speech_commands_test_set_v0.02

The recipe of that name says how, the words are the ten commands, and the same data, seed and machine give the same
file. Everything was chosen on validation; the test set gives the final figure and nothing else.
"""

import argparse
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

from heed.cli.console import accuracy_line, tell_skipped, warn
from heed.cli.evaluate import word_table
from heed.cli.learn import watch
from heed.config import COMMANDS, Settings, recipe
from heed.corpus import scan
from heed.errors import HeedError
from heed.evaluation import evaluate_corpus
from heed.model_file import SUFFIX, bundled
from heed.preparation import prepare
from heed.recognizer import Recognizer
from heed.report.plots import save_confusion, save_learning_curve


def main() -> None:
    """Train, measure, save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="name of the recipe and of the model")
    parser.add_argument("--data", type=Path, required=True, help="folder of Speech Commands v0.02, or a part of it")
    parser.add_argument("--test", type=Path, required=True, help="folder of the official test archive")
    parser.add_argument(
        "--output", type=Path, default=bundled("models"), help="folder of the result (default: models/)"
    )
    parser.add_argument("--seed", type=int, help="another seed than the recipe's")
    parser.add_argument("--pictures", type=Path, help="folder for the learning curve and the confusion matrix")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint of an interrupted run")
    arguments = parser.parse_args()

    started = time.monotonic()
    settings = Settings.from_toml(recipe(arguments.name))
    if arguments.seed is not None:
        settings = replace(settings, training=replace(settings.training, seed=arguments.seed))
    path = arguments.output / f"{arguments.name}{SUFFIX}"
    checkpoint = path.with_name(f"{path.name}.checkpoint")
    prepared = prepare(scan(arguments.data), settings, COMMANDS, checkpoint=checkpoint)
    if arguments.resume:
        prepared.training.resume(checkpoint)
    if not watch(prepared):
        sys.exit("stopped; --resume goes on")
    model = prepared.training.model()
    minutes = (time.monotonic() - started) / 60

    test = scan(arguments.test)
    if not test.is_test_archive:
        warn(f"{arguments.test} is not laid out like the official test archive")
    evaluation, skipped = evaluate_corpus(Recognizer(model), test, "testing")
    tell_skipped(skipped)
    figures = evaluation.to_dict()
    model = replace(
        model, scores={arguments.test.name: {key: figures[key] for key in ("accuracy", "interval", "clips")}}
    )
    model.save(path)
    checkpoint.unlink(missing_ok=True)
    if arguments.pictures:
        save_confusion(evaluation, arguments.pictures / f"{arguments.name}_confusion.png")
        history, best = model.training["history"], model.training["best_epoch"]
        save_learning_curve(history, best, arguments.pictures / f"{arguments.name}_learning_curve.png")
    print(f"{path}: {model.network.parameter_count:,} parameters, {minutes:.0f} minutes on {os.cpu_count()} cores")
    print(f"{arguments.test.name}: {accuracy_line(evaluation)}")
    print(word_table(evaluation))


if __name__ == "__main__":
    try:
        main()
    except HeedError as error:
        sys.exit(f"error: {error}")
