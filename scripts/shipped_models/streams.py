"""Measure live recognition with a shipped model: misses, false alarms an hour and delay on long streams.

Example: python scripts/shipped_models/streams.py commands --data speech_commands_v0.02 --noise esc10 \
    --negatives negatives --test speech_commands_test_set_v0.02

Half of what is said in a stream are the ten commands, evenly; the other half is unknown speech, half of that single
words, evenly, and half sentences and snippets of running speech. From the end of one to the start of the next there are
2 to 10 seconds. Each stream is measured with the thresholds of the model, and with those of each word that on a longer
stream of validation speakers and validation noise give at most one false alarm an hour and miss the fewest words.
"""

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sayso.cli.tables import stream_table
from sayso.config import DecisionSettings
from sayso.corpus.clips import load_noises
from sayso.corpus.corpus import Clip, scan
from sayso.corpus.splits import Split
from sayso.errors import SaysoError
from sayso.evaluation.stream_scores import StreamPosteriors, listen_to_parts, score
from sayso.evaluation.streams import StreamMaker
from sayso.evaluation.thresholds import choose_thresholds, trade_off
from sayso.model import model_file, shipped
from sayso.recognition.recognizer import Recognizer
from sayso.report.plots import save_trade_off
from sayso.sound.stream import Samples
from speech_data import SpeechData

SNR = 10.0
# Streams by which thresholds are chosen are so many times as long as those that are measured.
LONGER = 3


def main() -> None:
    """Choose the threshold on validation, measure on test."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="name of a shipped model, or a model file")
    SpeechData.add_arguments(parser)
    parser.add_argument(
        "--test", type=Path, help="folder of the official test archive; without it, nothing is measured"
    )
    parser.add_argument("--hours", type=float, default=2.0, help="length of each stream (default: 2)")
    parser.add_argument(
        "--false-alarms-per-hour", type=float, default=1.0, help="what the thresholds keep to (default: 1)"
    )
    parser.add_argument("--plots", type=Path, help="folder for the trade-off curves on validation")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to this file, too")
    arguments = parser.parse_args()

    data = SpeechData.from_arguments(arguments)
    path = shipped.find(arguments.model)
    model = model_file.load(path)
    figures: dict[str, Any] = {}
    chosen = {}
    for name, heard in hear_both(model, data, "validation", data.words, LONGER * arguments.hours).items():
        curve = trade_off(heard, model.decision)
        thresholds = choose_thresholds(curve, arguments.false_alarms_per_hour)
        if thresholds is None:
            raise SaysoError(f"{name}: no thresholds keep to {arguments.false_alarms_per_hour:g} false alarms an hour")
        chosen[name] = replace(model.decision, words=dict(thresholds))
        print(f"\n{name}: {json.dumps(thresholds)}")
        show(f"validation, {name}", heard, {"shipped": model.decision, "chosen": chosen[name]}, figures)
        if arguments.plots:
            picture = arguments.plots / f"{path.stem}_stream_{len(chosen)}.png"
            save_trade_off(curve, score(heard, chosen[name]), picture)
    if arguments.test:
        for name, heard in hear_both(model, data, "testing", arguments.test, arguments.hours).items():
            show(f"test, {name}", heard, {"shipped": model.decision, "chosen": chosen[name]}, figures)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def hear_both(
    model: model_file.Model, data: SpeechData, split: Split, words: Path, hours: float
) -> dict[str, list[StreamPosteriors]]:
    """Listen to a clean and to a noisy stream of the speakers of one split."""
    noises, _ = load_noises(data.noises(split), model.features)
    clips = scan(words).by_split(split)
    return clean_and_noisy(Recognizer(model), clips, data.unknown(split), noises, hours)


def clean_and_noisy(
    recognizer: Recognizer,
    clips: Sequence[Clip],
    speech: Sequence[Path],
    noises: Sequence[Samples],
    hours: float,
    seed: int = 0,
) -> dict[str, list[StreamPosteriors]]:
    """Listen to a clean and to a noisy stream of some recordings."""
    rate, threads = recognizer.model.features.sample_rate, os.cpu_count() or 1
    return {
        name: listen_to_parts(
            recognizer, StreamMaker(clips, speech, chosen, SNR, recognizer.labels, rate, seed), hours, threads
        )
        for name, chosen in (("clean", []), (f"noise at {SNR:g} dB", noises))
    }


def show(
    name: str,
    heard: Sequence[StreamPosteriors],
    decisions: Mapping[str, DecisionSettings],
    figures: dict[str, Any],
) -> None:
    """Print the score of a stream by several decisions, and note it."""
    for kind, decision in decisions.items():
        result = score(heard, decision)
        print(f"\n{name}, thresholds {kind}\n{stream_table(result, decision)}", flush=True)
        figures[f"{name}, thresholds {kind}"] = result.to_dict()


if __name__ == "__main__":
    try:
        main()
    except SaysoError as error:
        sys.exit(f"error: {error}")
