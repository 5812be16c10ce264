"""Measure a word that was taught to a shipped model on hours of other sounds: misses and false alarms per hour.

Example: python scripts/shipped_models/taught_streams.py commands --word wake_words/alexa \
    --data speech_commands_v0.02 --noise noise --negatives negatives --running running_speech --wake-words wake_words \
    --test speech_commands_test_set_v0.02

From a folder of recordings of one word, a few are drawn at random and taught; this is repeated several times. All
others, each from another speaker, are streams in which the word is to be detected. The false alarms are those in
running speech, phrases, other wake words, single words and noise that neither the model nor the thresholds have seen:
of the speakers and recordings for testing. The first columns tell what `sayso teach` expects and what its threshold
gives; the last ones, how many recordings are missed with so many false alarms per hour on these very sounds.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from packs import kinds
from sayso.config import SILENCE, UNKNOWN
from sayso.config.odds import log_odds
from sayso.corpus.clips import load_clips, read_sound
from sayso.corpus.corpus import Clip, files_below, scan
from sayso.errors import SaysoError
from sayso.evaluation.false_alarms import Listened, highest_threshold, tail_of
from sayso.evaluation.intervals import poisson_interval
from sayso.model import model_file, pack, shipped
from sayso.recognition.scoring import LEAST_WORDS
from sayso.training.body import Body
from sayso.training.teacher import probabilities_of_steps
from speech_data import SpeechData
from teaching import drawn, taught_from

# False alarms per hour at which misses are told.
RATES = (0.5, 1.0, 2.0)
# Clips of single words among the negatives.
WORDS = 1_600


class Steps(NamedTuple):
    """The inputs of the last layer at each step of a recording.

    Attributes
    ----------
    whole, newest : ndarray of float16, shape (steps, width)
        For the whole window and for the newest part of it.
    """

    whole: np.typing.NDArray[np.float16]
    newest: np.typing.NDArray[np.float16]


def main() -> None:
    """Teach, measure, print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="name of a shipped model, or a model file")
    parser.add_argument("--word", type=Path, required=True, help="folder of recordings of the new word")
    SpeechData.add_arguments(parser)
    parser.add_argument("--test", type=Path, help="folder of the official test archive; without it, validation is used")
    parser.add_argument("--pack", type=Path, help="pack of the model, if it does not come with sayso")
    parser.add_argument("--counts", default="20,5", help="numbers of recordings to teach (default: 20,5)")
    parser.add_argument("--draws", type=int, default=5, help="number of draws (default: 5)")
    parser.add_argument(
        "--rate", type=float, default=0.5, help="false alarms per hour that are asked for (default: 0.5)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the results to this file")
    arguments = parser.parse_args()

    data, threads = SpeechData.from_arguments(arguments), os.cpu_count() or 1
    base = model_file.load(shipped.find(arguments.model))
    known = pack.load(arguments.pack) if arguments.pack else pack.matching(base)
    body, rng = Body(base), np.random.default_rng(0)
    word = arguments.word.name
    clips = load_clips(
        [Clip(path, word, None, "testing") for path in files_below(arguments.word)], base.features, threads
    )
    noises = files_below(shipped.bundled("demo") / "_background_noise_")
    others = kinds(data, "testing" if arguments.test else "validation")
    if arguments.test:
        others["words"] = [(clip.path, clip.word) for clip in scan(arguments.test).clips]
    others["words"] = [others["words"][place] for place in rng.permutation(len(others["words"]))[:WORDS]]
    negatives = {kind: [steps_of(body, path) for path, _ in found] for kind, found in others.items()}
    positives = [steps_of(body, row.path) for row in clips.rows]
    hours = {
        kind: sum(len(part.whole) for part in found) * base.decision.step / 3600 for kind, found in negatives.items()
    }
    print(", ".join(f"{kind} {length:.2f} h" for kind, length in hours.items()))
    print(
        "\n| recordings | draw | expected: misses, alarms/h | misses | alarms/h | "
        + " | ".join(f"missed at {rate:g}/h" for rate in RATES)
        + " |\n|---|---|---|---|---|"
        + "---|" * len(RATES)
    )
    results: list[dict[str, Any]] = []
    for count in map(int, arguments.counts.split(",")):
        for draw in range(arguments.draws):
            learned = drawn(clips, count, draw)
            taught = taught_from(base, clips, learned, noises, draw, threads, known, arguments.rate)
            model, expected = taught.model, taught.expected[word]
            flat = [part for found in negatives.values() for part in found]
            tail = tail_of([heard(model, part) for part in flat], word, model.labels, model.decision, model.features)
            rest = np.setdiff1d(np.arange(len(clips.rows)), learned)
            scores = np.array(
                [
                    highest_threshold(
                        heard(model, positives[place]), word, model.labels, model.decision, model.features
                    )
                    for place in rest.tolist()
                ]
            )
            (chosen,) = log_odds(np.array([expected.threshold]))
            alarms = sum(score >= chosen for score in tail.scores)
            result = {
                "recordings": count, "draw": draw, "threshold": expected.threshold,
                "expected_missed": expected.takes - expected.heard, "expected_of": expected.takes,
                "expected_alarms_per_hour": expected.false_alarms_per_hour,
                "misses": int((scores < chosen).sum()), "of": len(scores), "alarms": int(alarms), "hours": tail.hours,
                "missed_at": {rate: float((scores < limit(tail.scores, rate * tail.hours)).mean()) for rate in RATES},
            }  # fmt: skip
            results.append(result)
            print(row(result), flush=True)
        print(summary([result for result in results if result["recordings"] == count]), flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


def steps_of(body: Body, path: Path) -> Steps:
    """Run all layers but the last over a recording."""
    whole, newest = body.steps(read_sound(path, body.features))
    return Steps(whole.astype(np.float16), newest.astype(np.float16))


def heard(model: model_file.Model, steps: Steps) -> Listened:
    """Return the probabilities at each step of a recording, as the recogniser computes them."""
    recording = np.zeros(len(steps.whole), int)
    whole = probabilities_of_steps(model, steps.whole.astype(np.float32), recording)
    words = [place for place, label in enumerate(model.labels) if label not in (SILENCE, UNKNOWN)]
    scored = whole[:, words].sum(axis=1, keepdims=True) >= LEAST_WORDS
    newest = model.network.head().probabilities(steps.newest.astype(np.float32))
    return Listened(whole, np.where(scored, newest, whole))


def limit(scores: Sequence[float], alarms: float) -> float:
    """Return a threshold that fewer than `alarms` + 1 of the scores reach."""
    return scores[int(alarms)] + 1e-6 if int(alarms) < len(scores) else -np.inf


def row(result: dict[str, Any]) -> str:
    """Format the result of one draw."""
    expected = result["expected_alarms_per_hour"]
    cells = [
        f"{result['recordings']}",
        f"{result['draw']}",
        f"{result['expected_missed']} of {result['expected_of']}, {'–' if expected is None else f'{expected:.1f}'}",
        f"{result['misses'] / result['of']:.1%} of {result['of']}",
        f"{result['alarms'] / result['hours']:.1f}",
        *(f"{share:.1%}" for share in result["missed_at"].values()),
    ]
    return f"| {' | '.join(cells)} |"


def summary(results: Sequence[dict[str, Any]]) -> str:
    """Format the mean of all draws: misses with their range, alarms with their interval."""
    alarms, hours = sum(result["alarms"] for result in results), sum(result["hours"] for result in results)
    low, high = (bound / hours for bound in poisson_interval(alarms))
    misses = np.array([result["misses"] / result["of"] for result in results])
    cells = [
        f"{results[0]['recordings']}", "mean", "",
        f"{misses.mean():.1%} ({misses.min():.1%} to {misses.max():.1%})",
        f"{alarms / hours:.2f} ({low:.2f} to {high:.2f})",
        *(f"{np.mean([result['missed_at'][rate] for result in results]):.1%}" for rate in RATES),
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    try:
        main()
    except SaysoError as error:
        sys.exit(f"error: {error}")
