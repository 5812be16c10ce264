"""Measure live recognition with a shipped model: misses, false alarms an hour and delay on long streams.

Example: python scripts/measure_streams.py commands --data speech_commands_v0.02 --noise esc10 --negatives negatives \
    --test speech_commands_test_set_v0.02

Half of what is said in a stream are the ten commands, evenly; the other half is unknown speech, half of that single
words and half sentences and snippets of running speech. From the end of one to the start of the next it is 2 to 10
seconds. Each stream is measured with the threshold of the model, and with that which on a stream of validation speakers
and validation noise gives at most one false alarm an hour.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from heed import model_file
from heed.cli.evaluate_stream import stream_table
from heed.clip_store import load_noises
from heed.config import DecisionSettings
from heed.corpus import Split, scan
from heed.errors import HeedError
from heed.recognizer import Recognizer
from heed.report.plots import save_trade_off
from heed.stream_scores import THRESHOLDS, Heard, choose_threshold, hear_all, score, trade_off, with_threshold
from heed.streams import StreamMaker
from speech_data import SpeechData

SNR = 10.0


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
        "--false-alarms-per-hour", type=float, default=1.0, help="what the threshold keeps to (default: 1)"
    )
    parser.add_argument("--plots", type=Path, help="folder for the trade-off curves on validation")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to this file, too")
    arguments = parser.parse_args()

    data = SpeechData.from_arguments(arguments)
    path = model_file.find(arguments.model)
    model = model_file.load(path)
    figures: dict[str, Any] = {}
    chosen = {}
    for name, heard in hear_both(model, data, "validation", data.words, arguments.hours).items():
        curve = trade_off(heard, model.decision)
        threshold = choose_threshold(curve, arguments.false_alarms_per_hour)
        chosen[name] = with_threshold(model.decision, THRESHOLDS[-1] if threshold is None else threshold)
        show(f"validation, {name}", heard, (model.decision, chosen[name]), figures)
        if arguments.plots:
            save_trade_off(curve, model.decision.threshold, arguments.plots / f"{path.stem}_stream_{len(chosen)}.png")
    if arguments.test:
        for name, heard in hear_both(model, data, "testing", arguments.test, arguments.hours).items():
            show(f"test, {name}", heard, (model.decision, chosen[name]), figures)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def hear_both(
    model: model_file.Model, data: SpeechData, split: Split, words: Path, hours: float
) -> dict[str, list[Heard]]:
    """Listen to a clean and to a noisy stream of the speakers of one split."""
    recognizer = Recognizer(model)
    noises, _ = load_noises(data.noises(split), model.features)
    clips = scan(words).by_split(split)
    return {
        name: hear_all(
            recognizer,
            StreamMaker(clips, data.unknown(split), chosen, SNR, model.labels, model.features.sample_rate),
            hours,
            os.cpu_count() or 1,
        )
        for name, chosen in (("clean", []), (f"noise at {SNR:g} dB", noises))
    }


def show(name: str, heard: Sequence[Heard], decisions: Sequence[DecisionSettings], figures: dict[str, Any]) -> None:
    """Print the score of a stream by several decisions, and note it."""
    for decision in decisions:
        result = score(heard, decision)
        print(f"\n{name}\n{stream_table(result, decision.threshold)}", flush=True)
        figures[f"{name}, threshold {decision.threshold:g}"] = result.to_dict()


if __name__ == "__main__":
    try:
        main()
    except HeedError as error:
        sys.exit(f"error: {error}")
