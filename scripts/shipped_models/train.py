"""Train a model that ships with sayso, and measure it once on the official test set of Speech Commands.

Example: python scripts/shipped_models/train.py commands --data speech_commands_v0.02 --noise noise \
    --negatives negatives --running running_speech --wake-words wake_words --test speech_commands_test_set_v0.02

The model is named after its recipe, and its words are the ten commands. The same data, seed and machine give the same
file. The threshold of each word is chosen on words of validation speakers, in quiet and in noise, and on all other
sounds of validation: running speech, other speech without the words, noise and music. All choices are made on
validation; the test set and noise that is not in training are used only for the final figures. A list of all recordings
is written beside the model.
"""

import argparse
import json
import os
import resource
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import clip_list
import hashes
from running import listened, streams_of_words
from sayso.cli.console import report_skipped, warn
from sayso.cli.tables import accuracy_line, noise_table, percent, word_table
from sayso.cli.training_progress import watch
from sayso.config import COMMANDS, Settings, recipe
from sayso.corpus.clips import load_noises
from sayso.corpus.corpus import scan
from sayso.errors import SaysoError
from sayso.evaluation.accuracy import Evaluation
from sayso.evaluation.alarms import alarm_curve, alarms_by_sensitivity, with_alarms
from sayso.evaluation.measure import clips_to_measure, evaluate, evaluate_in_noise
from sayso.evaluation.thresholds import choose_thresholds, trade_off
from sayso.model.history import history_of
from sayso.model.model_file import Model, load
from sayso.model.shipped import SUFFIX, bundled
from sayso.recognition.recognizer import Recognizer
from sayso.report.plots import save_confusion
from sayso.report.training_plots import save_learning_curve
from speech_data import SpeechData

RATIOS = (20.0, 10.0, 5.0, 0.0)
# False alarms per hour of running and other speech, noise and music for which thresholds are chosen, and the length of
# each of the two streams on which words are to be heard.
FALSE_ALARMS_PER_HOUR, HOURS = 4.0, 2.0


def main() -> None:
    """Train, measure, save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="name of the recipe and of the model")
    SpeechData.add_arguments(parser)
    parser.add_argument(
        "--test", type=Path, help="folder of the official test archive; without it, nothing is measured"
    )
    parser.add_argument(
        "--output", type=Path, default=bundled("models"), help="folder of the result (default: models/)"
    )
    parser.add_argument("--seed", type=int, help="another seed than the recipe's")
    parser.add_argument("--pictures", type=Path, help="folder for the learning curve and the confusion matrix")
    parser.add_argument("--distill", type=Path, help="a larger model to learn from as well")
    parser.add_argument("--resume", action="store_true", help="continue from the checkpoint of an interrupted run")
    arguments = parser.parse_args()

    started = time.monotonic()
    data = SpeechData.from_arguments(arguments)
    settings = Settings.from_toml(recipe(arguments.name))
    if arguments.seed is not None:
        settings = replace(settings, training=replace(settings.training, seed=arguments.seed))
    path = arguments.output / f"{arguments.name}{SUFFIX}"
    checkpoint = path.with_name(f"{path.name}.checkpoint")
    prepared = data.prepare(settings, checkpoint, load(arguments.distill) if arguments.distill else None)
    if arguments.resume:
        prepared.training.resume(checkpoint)
    if not watch(prepared):
        sys.exit("stopped; --resume continues")
    model = with_thresholds(prepared.training.model(), data)
    minutes = (time.monotonic() - started) / 60
    model.save(path)
    checkpoint.unlink(missing_ok=True)
    clip_list.write(path.with_name(f"{path.stem}{clip_list.SUFFIX}"), clip_list.used(data, prepared))
    print(
        f"{path}: {model.network.parameter_count:,} parameters, {model.network.multiply_adds:,} multiply-adds, "
        f"validation {percent(model.training['validation_accuracy'])}, "
        f"{minutes:.0f} minutes on {os.cpu_count()} cores, {_peak_memory() / 1e9:.1f} GB at the peak"
    )
    if arguments.test:
        measure(model, arguments.test, data, path, arguments.pictures)
    if arguments.output == bundled("models"):
        hashes.write()


def with_thresholds(model: Model, data: SpeechData) -> Model:
    """Set the threshold of each word such that the fewest are missed at a rate of false alarms."""
    recognizer, decision = Recognizer(model), replace(model.decision, words={})
    streams = streams_of_words(recognizer, data, "validation", HOURS)
    others = [*data.talk("validation"), *data.noises("validation"), *data.unknown("validation")]
    recordings = listened(recognizer, others, data.places("validation"))
    alarms = alarm_curve(recordings, decision)
    heard = [trade_off(parts, decision) for parts in streams.values()]
    chosen = choose_thresholds(with_alarms(heard, alarms), FALSE_ALARMS_PER_HOUR)
    if chosen is None:
        warn(f"no thresholds give {FALSE_ALARMS_PER_HOUR:g} false alarms per hour or less; all words keep the same one")
        return model
    decision = replace(model.decision, words=dict(chosen))
    return replace(model, decision=decision, alarms=alarms_by_sensitivity(recordings, decision))


def measure(model: Model, folder: Path, data: SpeechData, path: Path, pictures: Path | None) -> None:
    """Measure a model on the test archive, clean and in noise, and save it with its scores."""
    test = scan(folder)
    if not test.is_test_archive:
        warn(f"{folder} does not have the layout of the official test archive")
    recognizer = Recognizer(model)
    clips, skipped, _, _ = clips_to_measure(recognizer, test, "testing")
    evaluation = evaluate(recognizer, clips)
    noises, unread = load_noises(data.noises("testing"), model.features)
    report_skipped(skipped + unread)
    in_noise = evaluate_in_noise(recognizer, clips, noises, RATIOS) if noises else {}
    scores = {folder.name: _score(evaluation)} | {
        f"{folder.name}, noise at {ratio:g} dB": _score(noisy) for ratio, noisy in in_noise.items()
    }
    replace(model, scores=scores).save(path)
    if pictures:
        save_confusion(evaluation, pictures / f"{path.stem}_confusion.png")
        history, best = history_of(model.training), model.training["best_epoch"]
        save_learning_curve(history, best, pictures / f"{path.stem}_learning_curve.png")
    print(f"{folder.name}: {accuracy_line(evaluation)}")
    print(f"accuracy on the ten words only: {percent(scores[folder.name]['words'])}")
    print(word_table(evaluation))
    print(noise_table(in_noise))
    print(json.dumps(scores))


def _score(evaluation: Evaluation) -> dict[str, Any]:
    """Return the scores for the model file; "words" is the accuracy on clips of the ten words only."""
    words = [position for position, label in enumerate(evaluation.labels) if label in COMMANDS]
    correct = int(np.diag(evaluation.confusion)[words].sum())
    figures = evaluation.to_dict()
    kept = {key: figures[key] for key in ("accuracy", "interval", "clips")}
    return kept | {"words": correct / int(evaluation.confusion[words].sum())}


def _peak_memory() -> float:
    """Return the peak memory of this process in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)


if __name__ == "__main__":
    try:
        main()
    except SaysoError as error:
        sys.exit(f"error: {error}")
