"""Measure whether thresholds chosen on streams of some speakers also work on streams of others.

Example: python scripts/shipped_models/transfer.py commands --data speech_commands_v0.02 --noise esc10 \
    --negatives negatives

They are chosen on one half of the validation speakers and tested on the other half, and vice versa. The halves have
different speakers, running speech and noise. As for the shipped models, the thresholds are chosen on clean and noisy
streams together. The test set is not used.
"""

import argparse
import sys
import zlib
from dataclasses import replace

from sayso.corpus.clips import load_noises
from sayso.corpus.corpus import scan
from sayso.errors import SaysoError
from sayso.evaluation.stream_scores import StreamPosteriors, StreamScore, score
from sayso.evaluation.thresholds import choose_thresholds, trade_off
from sayso.model import model_file, shipped
from sayso.recognition.recognizer import Recognizer
from speech_data import SpeechData
from streams import clean_and_noisy

RATES = (1.0, 2.0, 4.0, 5.0)


def main() -> None:
    """Choose thresholds on each half, test them on the other, print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="name of a shipped model, or a model file")
    SpeechData.add_arguments(parser)
    parser.add_argument("--hours", type=float, default=6.0, help="length of each of the streams (default: 6)")
    arguments = parser.parse_args()

    recognizer = Recognizer(model_file.load(shipped.find(arguments.model)))
    halves = [
        posteriors_of_half(recognizer, SpeechData.from_arguments(arguments), half, arguments.hours) for half in (0, 1)
    ]
    decision = recognizer.model.decision
    curves = [trade_off([part for parts in half.values() for part in parts], decision) for half in halves]
    print("| limit per hour | stream | words missed | false alarms per hour, both ways | median delay |")
    print("|---|---|---|---|---|")
    for rate in RATES:
        chosen = [choose_thresholds(curve, rate) for curve in curves]
        for name in halves[0]:
            scores = [
                score(other[name], replace(decision, words=dict(words)))
                for words, other in zip(chosen, halves[::-1], strict=True)
                if words is not None
            ]
            total = sum(scores, StreamScore())
            alarms = ", ".join(f"{result.false_alarm_rate:.1f}" for result in scores)
            delay = total.to_dict()["delay_median"] or 0.0
            print(f"| {rate:g} | {name} | {total.miss_rate:.1%} | {alarms} | {1000 * delay:.0f} ms |", flush=True)


def posteriors_of_half(
    recognizer: Recognizer, data: SpeechData, half: int, hours: float
) -> dict[str, list[StreamPosteriors]]:
    """Compute the posteriors on a clean and on a noisy stream of one half of the speakers."""
    noises, _ = load_noises(data.noises("validation")[half::2], recognizer.model.features)
    # In Speech Commands the first eight characters of a file name identify the speaker.
    clips = [clip for clip in scan(data.words).by_split("validation") if which_half(clip.path.name[:8]) == half]
    speech = [path for path in data.unknown("validation") if which_half(path.stem) == half]
    return clean_and_noisy(recognizer, clips, speech, noises, hours, seed=half)


def which_half(name: str) -> int:
    """Assign a name to one of two halves, by its checksum."""
    return zlib.crc32(name.encode()) % 2


if __name__ == "__main__":
    try:
        main()
    except SaysoError as error:
        sys.exit(f"error: {error}")
