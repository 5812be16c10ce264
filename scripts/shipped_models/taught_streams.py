"""Measure words that were taught to a shipped model on long streams: misses and false alarms per hour.

Example: python scripts/shipped_models/taught_streams.py commands --words wake_words --data speech_commands_v0.02 \
    --negatives negatives --test speech_commands_test_set_v0.02

From a folder of words, a few recordings of each are drawn at random and taught; this is repeated several times. Half of
the other recordings are in a stream on which the threshold of each new word is chosen, the other half in a shorter
stream that is measured; each is from another speaker. Both streams also have the ten commands, unknown words and
running speech, from validation speakers in the first and from test speakers in the second. Only the new words are
scored; everything else counts as other speech.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from sayso.config import UNKNOWN
from sayso.corpus.clips import Clips, load_clips
from sayso.corpus.corpus import Clip, files_below, scan
from sayso.corpus.splits import Split
from sayso.errors import SaysoError
from sayso.evaluation.stream_scores import StreamPosteriors, StreamScore, listen_to_parts, score
from sayso.evaluation.streams import StreamMaker
from sayso.evaluation.thresholds import choose_thresholds, trade_off
from sayso.model import model_file, shipped
from sayso.recognition.recognizer import Recognizer
from speech_data import SpeechData
from streams import LONGER
from teaching import drawn, taught_from

THRESHOLDS = tuple(round(0.3 + 0.025 * step, 3) for step in range(27))


def main() -> None:
    """Teach, choose, measure, print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="name of a shipped model, or a model file")
    parser.add_argument("--words", type=Path, required=True, help="folder of the new words")
    SpeechData.add_arguments(parser)
    parser.add_argument("--test", type=Path, required=True, help="folder of the official test archive")
    parser.add_argument("--count", type=int, default=20, help="recordings of each word (default: 20)")
    parser.add_argument("--draws", type=int, default=5, help="number of draws (default: 5)")
    parser.add_argument("--hours", type=float, default=2.0, help="length of each measured stream (default: 2)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the results to this file")
    arguments = parser.parse_args()

    data, threads = SpeechData.from_arguments(arguments), os.cpu_count() or 1
    base = model_file.load(shipped.find(arguments.model))
    clips = load_clips(scan(arguments.words).clips, base.features, threads)
    noises = files_below(shipped.bundled("demo") / "_background_noise_")
    others: dict[Split, Sequence[Clip]] = {
        "validation": scan(data.words).by_split("validation"), "testing": scan(arguments.test).clips,
    }  # fmt: skip
    print("| draw | words missed | false alarms per hour | thresholds |\n|---|---|---|---|")
    total, results = StreamScore(), []
    for draw in range(arguments.draws):
        learned = drawn(clips, arguments.count, draw)
        recognizer = Recognizer(taught_from(base, clips, learned, noises, draw, threads).model)
        rest = np.random.default_rng(draw).permutation(np.setdiff1d(np.arange(len(clips.rows)), learned))
        posteriors: dict[Split, list[StreamPosteriors]] = {}
        for split, half in zip(others, np.array_split(rest, 2), strict=True):
            spoken = [*(clips.rows[place] for place in half), *others[split]]
            maker = StreamMaker(
                spoken, data.unknown(split), [], 0.0, recognizer.labels, base.features.sample_rate, seed=draw
            )
            hours = arguments.hours * (LONGER if split == "validation" else 1)
            parts = listen_to_parts(recognizer, maker, hours, threads)
            posteriors[split] = [only(words_of(clips), part) for part in parts]
        decision = recognizer.model.decision
        chosen = choose_thresholds(trade_off(posteriors["validation"], decision, THRESHOLDS), 1.0)
        if chosen is None:
            # Even the highest thresholds give more false alarms on this stream.
            chosen = dict.fromkeys(words_of(clips), THRESHOLDS[-1])
        result = score(posteriors["testing"], replace(decision, words=dict(chosen)))
        total += result
        results.append({"thresholds": dict(chosen), **result.to_dict()})
        print(f"| {draw} | {row(result)} | {', '.join(f'{word} {at:g}' for word, at in chosen.items())} |", flush=True)
    print(f"| all | {row(total)} | |")
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


def words_of(clips: Clips) -> list[str]:
    """Return the words of some clips."""
    return sorted({row.word for row in clips.rows})


def only(words: Sequence[str], part: StreamPosteriors) -> StreamPosteriors:
    """Return posteriors as if the model had only some of its words: everything else becomes unknown speech."""
    places = [part.labels.index(word) for word in words]
    known = part.probabilities[:, places]
    truth = tuple(spoken if spoken.label in words else replace(spoken, label=UNKNOWN) for spoken in part.stream.truth)
    return replace(
        part,
        stream=replace(part.stream, truth=truth),
        labels=(*words, UNKNOWN),
        probabilities=np.concatenate([known, 1 - known.sum(axis=1, keepdims=True)], axis=1),
    )


def row(result: StreamScore) -> str:
    """Format misses and false alarms with their intervals."""
    facts = result.to_dict()
    low, high = facts["miss_interval"]
    least, most = facts["false_alarms_interval"]
    return (
        f"{result.miss_rate:.1%} ({low:.1%} to {high:.1%}, of {result.words}) | "
        f"{result.false_alarm_rate:.1f} ({least:.1f} to {most:.1f}, {result.hours:g} h)"
    )


if __name__ == "__main__":
    try:
        main()
    except SaysoError as error:
        sys.exit(f"error: {error}")
