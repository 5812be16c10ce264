"""Measure live recognition with a shipped model: misses, false alarms an hour and delay on long streams.

Example: python scripts/measure_streams.py commands --data speech_commands_v0.02 --noise esc10 --negatives negatives \
    --test speech_commands_test_set_v0.02

Half of what is said in a stream are the ten commands, evenly; the other half is unknown speech, half of that single
words and half whole sentences and snippets of running speech. From the end of one to the start of the next it is 1 to 4
seconds. The threshold is chosen on a stream of validation speakers and validation noise, for at most one false alarm an
hour over the clean and the noisy stream together; then the test speakers with test noise are measured, once.
"""

import argparse
import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from heed import model_file
from heed.cli.evaluate_stream import stream_table
from heed.clip_store import load_noises
from heed.config import DecisionSettings
from heed.corpus import Split, scan
from heed.errors import HeedError
from heed.recognizer import Recognizer
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
    parser.add_argument("--write", action="store_true", help="write the threshold into the model file")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to this file, too")
    arguments = parser.parse_args()

    data = SpeechData.from_arguments(arguments)
    path = model_file.find(arguments.model)
    model = model_file.load(path)
    tuned = hear_both(model, data, "validation", data.words, arguments.hours)
    together = [part for parts in tuned.values() for part in parts]
    threshold = choose_threshold(trade_off(together, model.decision), arguments.false_alarms_per_hour)
    if threshold is None:
        threshold = THRESHOLDS[-1]
    decision = with_threshold(model.decision, threshold)
    figures: dict[str, Any] = {"threshold": threshold}
    show("validation", tuned, decision, figures)
    if arguments.write:
        replace(model, decision=decision).save(path)
        print(f"wrote the threshold {threshold:g} into {path}")
    if arguments.test:
        show("test", hear_both(model, data, "testing", arguments.test, arguments.hours), decision, figures)
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


def show(split: str, heard: dict[str, list[Heard]], decision: DecisionSettings, figures: dict[str, Any]) -> None:
    """Print the score of each stream, and note it."""
    for name, parts in heard.items():
        result = score(parts, decision)
        print(f"\n{split}, {name}\n{stream_table(result, decision.threshold)}", flush=True)
        figures[f"{split}, {name}"] = result.to_dict()


if __name__ == "__main__":
    try:
        main()
    except HeedError as error:
        sys.exit(f"error: {error}")
