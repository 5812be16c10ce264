"""Measure live recognition with a shipped model: misses, false alarms per hour and delay on long streams.

Example: python scripts/shipped_models/streams.py commands --data speech_commands_v0.02 --noise esc10 \
    --negatives negatives --test speech_commands_test_set_v0.02

Half of the utterances in a stream are the ten commands, evenly distributed; the other half is unknown speech, of which
half are single words, evenly distributed, and half are sentences and excerpts of running speech. Between two utterances
there are 2 to 10 seconds. Each stream is measured with the thresholds of the model, and with thresholds chosen on a
longer stream of validation speakers and noise: those that miss the fewest words at one false alarm per hour or less.
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
from sayso.report.page import style
from sayso.report.plots import save, stream_trade_off
from sayso.sound.stream import Samples
from speech_data import SpeechData

SNR = 10.0
# How many times as long as the measured streams those are on which thresholds are chosen.
LONGER = 3


def main() -> None:
    """Choose the thresholds on validation, measure on test."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="name of a shipped model, or a model file")
    SpeechData.add_arguments(parser)
    parser.add_argument(
        "--test", type=Path, help="folder of the official test archive; without it, nothing is measured"
    )
    parser.add_argument("--hours", type=float, default=2.0, help="length of each stream (default: 2)")
    parser.add_argument(
        "--false-alarms-per-hour", type=float, default=1.0, help="limit for the thresholds (default: 1)"
    )
    parser.add_argument("--plots", type=Path, help="folder for the trade-off curves on validation")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the results to this file")
    arguments = parser.parse_args()

    data = SpeechData.from_arguments(arguments)
    path = shipped.find(arguments.model)
    model = model_file.load(path)
    results: dict[str, Any] = {}
    chosen = {}
    for name, posteriors in clean_and_noisy_of(model, data, "validation", data.words, LONGER * arguments.hours).items():
        curve = trade_off(posteriors, model.decision)
        thresholds = choose_thresholds(curve, arguments.false_alarms_per_hour)
        if thresholds is None:
            raise SaysoError(
                f"{name}: no thresholds give {arguments.false_alarms_per_hour:g} false alarms per hour or less"
            )
        chosen[name] = replace(model.decision, words=dict(thresholds))
        print(f"\n{name}: {json.dumps(thresholds)}")
        show(f"validation, {name}", posteriors, {"shipped": model.decision, "chosen": chosen[name]}, results)
        if arguments.plots:
            picture = arguments.plots / f"{path.stem}_stream_{len(chosen)}.png"
            with style():
                save(stream_trade_off(curve, score(posteriors, chosen[name])).figure, picture)
    if arguments.test:
        for name, posteriors in clean_and_noisy_of(model, data, "testing", arguments.test, arguments.hours).items():
            show(f"test, {name}", posteriors, {"shipped": model.decision, "chosen": chosen[name]}, results)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


def clean_and_noisy_of(
    model: model_file.Model, data: SpeechData, split: Split, words: Path, hours: float
) -> dict[str, list[StreamPosteriors]]:
    """Compute the posteriors on a clean and on a noisy stream of the speakers of one split."""
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
    """Compute the posteriors on a clean and on a noisy stream made of some recordings."""
    rate, threads = recognizer.model.features.sample_rate, os.cpu_count() or 1
    return {
        name: listen_to_parts(
            recognizer, StreamMaker(clips, speech, chosen, SNR, recognizer.labels, rate, seed), hours, threads
        )
        for name, chosen in (("clean", []), (f"noise at {SNR:g} dB", noises))
    }


def show(
    name: str,
    posteriors: Sequence[StreamPosteriors],
    decisions: Mapping[str, DecisionSettings],
    results: dict[str, Any],
) -> None:
    """Print the score of a stream with several decision settings, and add it to the results."""
    for kind, decision in decisions.items():
        outcome = score(posteriors, decision)
        print(f"\n{name}, thresholds {kind}\n{stream_table(outcome, decision)}", flush=True)
        results[f"{name}, thresholds {kind}"] = outcome.to_dict()


if __name__ == "__main__":
    try:
        main()
    except SaysoError as error:
        sys.exit(f"error: {error}")
