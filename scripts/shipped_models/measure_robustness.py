"""Measure what the accuracy of a model loses by poor microphones, codecs, rooms, levels, speed and noise.

Example: python scripts/shipped_models/measure_robustness.py commands speech_commands_v0.02 --split validation

The words of the model are classified as single clips, as they were recorded and after each degradation
(degradations.py). The change is in points of accuracy; its interval (95 %) is that of a paired bootstrap over speakers.

Choose everything with `--split validation`. For the final figure, WORDS is the official test archive.
"""

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from degradations import DEGRADATIONS, Degradation, can_encode, measured_rooms
from sayso.cli.tables import percent, table
from sayso.config import SILENCE, UNKNOWN
from sayso.config.labels import label_of
from sayso.corpus.corpus import Clip, files_below, scan
from sayso.errors import SaysoError
from sayso.evaluation.intervals import ratio_interval
from sayso.recognition.recognizer import Recognizer, load
from sayso.sound import audio
from sayso.sound.stream import Samples

# Clips that are in memory at a time, and go through a codec together.
GROUP = 512
# Seconds of the longest recording of a word.
LONGEST = 60.0


def main() -> None:
    """Measure all degradations and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="name of a shipped model, or a model file")
    parser.add_argument("words", type=Path, help="folder of words, or the official test archive")
    parser.add_argument("--split", choices=["validation", "testing"], default="validation", help="default: validation")
    parser.add_argument("--rooms", type=Path, help="folder of measured impulse responses, as one more degradation")
    parser.add_argument("--only", metavar="TEXT", default="", help="only degradations whose name contains this")
    parser.add_argument("--limit", type=int, help="number of clips, evenly spaced (default: all)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the results to this file")
    arguments = parser.parse_args()

    recognizer = load(arguments.model)
    rate = recognizer.model.features.sample_rate
    known = dict(DEGRADATIONS)
    if arguments.rooms:
        responses = [audio.load(path, rate) for path in files_below(arguments.rooms)]
        known[f"one of {len(responses)} measured rooms"] = (measured_rooms(responses), None)
    wanted = {name: entry for name, entry in known.items() if arguments.only in name}
    missing = {name: encoder for name, (_, encoder) in wanted.items() if encoder and not can_encode(encoder)}
    degradations = {name: degrade for name, (degrade, _) in wanted.items() if name not in missing}
    rows = words_of(recognizer, arguments.words, arguments.split, arguments.limit)
    correct = measured(recognizer, rows, degradations)
    clean = correct.pop("")
    lines, results = [], {}
    for name, right in correct.items():
        change, (low, high) = change_by_speaker(rows, clean, right)
        lines.append((name, percent(right.mean()), f"{100 * change:+.1f}", f"{100 * low:+.1f} to {100 * high:+.1f}"))
        results[name] = {"accuracy": float(right.mean()), "change": change, "change_interval": [low, high]}
    speakers = len({row.speaker for row in rows})
    print(f"{arguments.model}: {percent(clean.mean())} of {len(rows)} clips by {speakers} speakers as recorded\n")
    print(table(("", "accuracy", "points", "95 % interval"), lines))
    if missing:
        print(f"not measured, as this ffmpeg has no encoder for it: {', '.join(missing)}", file=sys.stderr)
    if arguments.json:
        facts = {"model": arguments.model, "clips": len(rows), "speakers": speakers, "accuracy": float(clean.mean())}
        text = json.dumps({**facts, "degradations": results, "not_measured": [*missing]}, indent=2)
        arguments.json.write_text(text + "\n", encoding="utf-8")


def words_of(recognizer: Recognizer, folder: Path, split: str, limit: int | None) -> list[Clip]:
    """Return the clips of the words of a model."""
    corpus, words = scan(folder), set(recognizer.labels) - {UNKNOWN, SILENCE}
    rows = [clip for clip in corpus.clips if clip.split == split and label_of(clip.word, recognizer.labels) in words]
    if not rows:
        raise SaysoError(f"{folder} has no {split} clip of a word of the model ({', '.join(sorted(words))})")
    if limit and limit < len(rows):
        rows = [rows[position] for position in np.linspace(0, len(rows) - 1, limit).round().astype(int)]
    return rows


def measured(
    recognizer: Recognizer, rows: Sequence[Clip], degradations: Mapping[str, Degradation]
) -> dict[str, NDArray[np.bool_]]:
    """Return which clips are recognised after each degradation, and under the name "" as they were recorded."""
    rate = recognizer.model.features.sample_rate
    truth = [label_of(row.word, recognizer.labels) for row in rows]
    right: defaultdict[str, list[bool]] = defaultdict(list)
    for first in range(0, len(rows), GROUP):
        group = slice(first, first + GROUP)
        clips = [audio.load(row.path, rate, LONGEST, only_files=True) for row in rows[group]]
        for number, (name, degrade) in enumerate([("", as_recorded), *degradations.items()]):
            found = recognizer.classify_clips(degrade(clips, rate, np.random.default_rng([number, first])))
            right[name] += [entry.label == label for entry, label in zip(found, truth[group], strict=True)]
    return {name: np.array(outcome) for name, outcome in right.items()}


def as_recorded(clips: Sequence[Samples], rate: int, rng: np.random.Generator) -> list[Samples]:
    """Return clips as they are."""
    return list(clips)


def change_by_speaker(
    rows: Sequence[Clip], clean: NDArray[np.bool_], degraded: NDArray[np.bool_]
) -> tuple[float, tuple[float, float]]:
    """Return the change of the accuracy, and its interval by resampling speakers, each with both of its results."""
    changes: defaultdict[str, list[int]] = defaultdict(list)
    for row, before, after in zip(rows, clean.tolist(), degraded.tolist(), strict=True):
        changes[row.speaker or str(row.path)].append(after - before)
    interval = ratio_interval([sum(own) for own in changes.values()], [len(own) for own in changes.values()])
    return float(degraded.mean() - clean.mean()), interval


if __name__ == "__main__":
    try:
        main()
    except SaysoError as error:
        sys.exit(f"error: {error}")
