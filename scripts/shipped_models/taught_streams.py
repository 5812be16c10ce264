"""Measure words that were taught to a shipped model on long streams: how many are missed, and false alarms an hour.

Example: python scripts/shipped_models/taught_streams.py commands --words wake_words --data speech_commands_v0.02 \
    --negatives negatives --test speech_commands_test_set_v0.02

From a folder of words, a few recordings of each are drawn and taught, several times over. Half of the other recordings
are said in a stream on which each new word's threshold is chosen, the other half in a shorter one that is measured;
each is another speaker's. Beside them come the ten commands, unknown words, and running speech, of validation speakers
in the one stream and of test speakers in the other. What counts is the new words alone: all else is other speech to
them.
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
    parser.add_argument("--draws", type=int, default=5, help="how often recordings are drawn (default: 5)")
    parser.add_argument("--hours", type=float, default=2.0, help="length of each stream that is measured (default: 2)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to this file, too")
    arguments = parser.parse_args()

    data, threads = SpeechData.from_arguments(arguments), os.cpu_count() or 1
    base = model_file.load(shipped.find(arguments.model))
    store = load_clips(scan(arguments.words).clips, base.features, threads)
    noises = files_below(shipped.bundled("demo") / "_background_noise_")
    others: dict[Split, Sequence[Clip]] = {
        "validation": scan(data.words).by_split("validation"), "testing": scan(arguments.test).clips,
    }  # fmt: skip
    print("| draw | words missed | false alarms an hour | thresholds |\n|---|---|---|---|")
    total, figures = StreamScore(), []
    for draw in range(arguments.draws):
        learned = drawn(store, arguments.count, draw)
        recognizer = Recognizer(taught_from(base, store, learned, noises, draw, threads).model)
        rest = np.random.default_rng(draw).permutation(np.setdiff1d(np.arange(len(store.rows)), learned))
        heard: dict[Split, list[StreamPosteriors]] = {}
        for split, half in zip(others, np.array_split(rest, 2), strict=True):
            spoken = [*(store.rows[place] for place in half), *others[split]]
            maker = StreamMaker(
                spoken, data.unknown(split), [], 0.0, recognizer.labels, base.features.sample_rate, seed=draw
            )
            hours = arguments.hours * (LONGER if split == "validation" else 1)
            parts = listen_to_parts(recognizer, maker, hours, threads)
            heard[split] = [alone(part, words_of(store)) for part in parts]
        decision = recognizer.model.decision
        chosen = choose_thresholds(trade_off(heard["validation"], decision, THRESHOLDS), 1.0)
        if chosen is None:
            # Even the highest gives more on this stream.
            chosen = dict.fromkeys(words_of(store), THRESHOLDS[-1])
        result = score(heard["testing"], replace(decision, words=dict(chosen)))
        total += result
        figures.append({"thresholds": dict(chosen), **result.to_dict()})
        print(f"| {draw} | {row(result)} | {', '.join(f'{word} {at:g}' for word, at in chosen.items())} |", flush=True)
    print(f"| all | {row(total)} | |")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def words_of(store: Clips) -> list[str]:
    """Return the words that a store holds."""
    return sorted({row.word for row in store.rows})


def alone(heard: StreamPosteriors, words: Sequence[str]) -> StreamPosteriors:
    """Return what was heard as if some words were all that the model knows: everything else is unknown speech."""
    places = [heard.labels.index(word) for word in words]
    known = heard.probabilities[:, places]
    truth = tuple(spoken if spoken.label in words else replace(spoken, label=UNKNOWN) for spoken in heard.stream.truth)
    return replace(
        heard,
        stream=replace(heard.stream, truth=truth),
        labels=(*words, UNKNOWN),
        probabilities=np.concatenate([known, 1 - known.sum(axis=1, keepdims=True)], axis=1),
    )


def row(result: StreamScore) -> str:
    """Write misses and false alarms with their intervals."""
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
