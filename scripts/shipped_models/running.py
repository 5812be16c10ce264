"""Measure a model in a room: the words it hears, and how often it answers people who give no command.

Example: python scripts/shipped_models/running.py commands --split validation --data speech_commands_v0.02 \
    --noise noise --running running_speech --phrases phrases

Words are heard on two streams, in each of which every word of the model is said equally often: without noise, each
recording at its own level; and over noise at 10 dB. False alarms are counted on running speech, where a word that
stands in the sentence (words.tsv) is none; on phrases that resemble the words, with a second of pause after each; and
on noise and music, each recording by itself. All figures but those of the trade-off hold with the settings in the model
file; those take one threshold for all words, the lowest that gives at most so many false alarms an hour on this running
speech.

Intervals (95 %) are found by resampling speakers of words and of running speech, and recordings of the rest.

Choose everything with `--split validation`. With `--split testing`, DATA is the official test archive.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sayso.cli.tables import table
from sayso.config import SILENCE, UNKNOWN, DecisionSettings
from sayso.config.odds import shifted
from sayso.corpus.clips import load_noises
from sayso.corpus.corpus import files_below, scan
from sayso.corpus.places import Places
from sayso.corpus.splits import Split
from sayso.errors import CorpusError, SaysoError
from sayso.evaluation.alarms import (
    RecordingPosteriors,
    alarm_curve,
    alarms_on,
    listen_to_recordings,
    lowest_threshold,
)
from sayso.evaluation.intervals import resampled_interval, share_interval
from sayso.evaluation.stream_scores import StreamPosteriors, StreamScore, listen_to_parts, score
from sayso.evaluation.streams import SPEECH_LEVEL, StreamMaker
from sayso.evaluation.thresholds import with_threshold
from sayso.recognition.recognizer import Recognizer, load
from sayso.system.workers import cores
from speech_data import SpeechData, speaker_of, split_of

SNR = 10.0
# False alarms per hour of running speech for which the words heard are told.
RATES = (5.0, 1.0)
# Thresholds that are tried for these: closer in log-odds than those of `sayso evaluate`.
FINE = tuple(shifted(0.5, nats) for nats in np.arange(-2, 8, 0.1).tolist())
# Seconds from one phrase to the next: they are recordings of a second, and what is said in an hour depends on it.
PAUSE = 1.0


class Figure(NamedTuple):
    """One row of the table.

    Attributes
    ----------
    what : str
        What was measured.
    value, low, high : float
        The figure and its 95 % interval, in `unit`.
    unit : str
        "%", "per hour" or "ms".
    detail : str
        What it was measured on.
    """

    what: str
    value: float
    low: float
    high: float
    unit: str
    detail: str

    @property
    def cells(self) -> tuple[str, str, str, str]:
        """The row as text."""
        digits = 0 if self.unit == "ms" else 1
        return (
            self.what,
            f"{self.value:.{digits}f} {self.unit}",
            f"{self.low:.{digits}f} to {self.high:.{digits}f}",
            self.detail,
        )


def main() -> None:
    """Measure all rows and print them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="name of a shipped model, or a model file")
    SpeechData.add_arguments(parser)
    parser.add_argument("--phrases", type=Path, help="folder of phrases that resemble the words")
    parser.add_argument("--split", choices=["validation", "testing"], default="validation", help="default: validation")
    parser.add_argument("--hours", type=float, default=4.0, help="length of each stream of words (default: 4)")
    parser.add_argument("--sensitivity", type=float, default=0.5, help="as of sayso listen (default: 0.5)")
    parser.add_argument("--anywhere", action="store_true", help="words count within sentences, too")
    parser.add_argument("--patient", action="store_true", help="words wait for the pause after them")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the results to this file")
    arguments = parser.parse_args()

    data, split = SpeechData.from_arguments(arguments), arguments.split
    recognizer = load(
        arguments.model,
        sensitivity=arguments.sensitivity,
        anywhere=arguments.anywhere,
        patient=arguments.patient,
    )
    figures: list[Figure] = []
    streams = streams_of_words(recognizer, data, split, arguments.hours)
    decision = recognizer.model.decision
    in_use = {name: score(parts, decision) for name, parts in streams.items()}
    figures += [heard(f"words heard, {name}", result) for name, result in in_use.items()]
    figures += [
        delay(f"delay, {name}", in_use["quiet"], quantile) for name, quantile in (("median", 0.5), ("95 %", 0.95))
    ]
    if arguments.running:
        talk = listened(recognizer, data.talk(split), data.places(split))
        figures.append(alarms("running speech", talk, decision, speaker_of))
        figures += trade_off(talk, streams, decision)
    if arguments.phrases:
        phrases = [path for path in files_below(arguments.phrases) if split_of(path.stem) == split]
        figures.append(alarms("phrases", listened(recognizer, phrases, {}), decision, pause=PAUSE))
    if arguments.noise:
        figures.append(alarms("noise and music", listened(recognizer, data.noises(split), {}), decision))
    print(
        f"{arguments.model}, {split}\n\n{table(('', 'measured', '95 % interval', 'on'), [f.cells for f in figures], 4)}"
    )
    if arguments.json:
        results = {"model": arguments.model, "split": split, "figures": [figure._asdict() for figure in figures]}
        arguments.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


def streams_of_words(
    recognizer: Recognizer, data: SpeechData, split: Split, hours: float
) -> dict[str, list[StreamPosteriors]]:
    """Let the model hear the words of one split in a quiet stream, and over noise if there is any."""
    labels, rate = recognizer.labels, recognizer.model.features.sample_rate
    words = [clip for clip in scan(data.words).by_split(split) if clip.word in set(labels) - {UNKNOWN, SILENCE}]
    noises, _ = load_noises(data.noises(split), recognizer.model.features)
    makers = {"quiet": StreamMaker(words, [], [], SNR, labels, rate, level=None)}
    if noises:
        makers[f"noise at {SNR:g} dB"] = StreamMaker(words, [], noises, SNR, labels, rate, level=SPEECH_LEVEL)
    streams = {name: listen_to_parts(recognizer, maker, hours, cores()) for name, maker in makers.items()}
    for part in (part for parts in streams.values() for part in parts):
        for path in (*part.stream.faint, *(path for path, _ in part.stream.broken)):
            print(f"left out, as it is broken or holds no speech: {path}", file=sys.stderr)
    return streams


def listened(recognizer: Recognizer, paths: Sequence[Path], places: Places) -> list[RecordingPosteriors]:
    """Let the model hear recordings; none may be missing."""
    found, skipped = listen_to_recordings(recognizer, paths, places, cores())
    if skipped or not found:
        raise CorpusError(skipped[0].reason if skipped else "one of the folders has no recording of this split")
    return found


def heard(what: str, result: StreamScore, setting: str = "") -> Figure:
    """Return the share of the words that were detected, with its interval by speakers."""
    speakers = result.by_unit(speaker_of)
    hits = [sum(outcome.delay is not None for outcome in outcomes) for outcomes in speakers]
    low, high = share_interval(hits, [len(outcomes) for outcomes in speakers])
    detail = f"{result.words} words by {len(speakers)} speakers, {result.wrong} heard as others{setting}"
    return Figure(what, 100 * (1 - result.miss_rate), 100 * low, 100 * high, "%", detail)


def delay(what: str, result: StreamScore, quantile: float) -> Figure:
    """Return a quantile of the delay from the end of a word to its detection, with its interval by speakers."""
    delays = [
        found
        for outcomes in result.by_unit(speaker_of)
        if (found := [outcome.delay for outcome in outcomes if outcome.delay is not None])
    ]

    def value(drawn: NDArray[np.intp]) -> float:
        return 1e3 * float(np.quantile(np.concatenate([delays[number] for number in drawn]), quantile))

    low, high = resampled_interval(value, len(delays))
    return Figure(what, value(np.arange(len(delays))), low, high, "ms", f"{len(result.delays)} words heard, quiet")


def alarms(
    what: str,
    found: Sequence[RecordingPosteriors],
    decision: DecisionSettings,
    unit: Callable[[Path], str] = str,
    pause: float = 0.0,
) -> Figure:
    """Return the false alarms per hour on recordings, with their interval by what `unit` makes of their paths.

    The hours are those of the recordings and of a pause in seconds after each.
    """
    result = alarms_on(found, decision)
    result = replace(result, seconds={path: seconds + pause for path, seconds in result.seconds.items()})
    words = ", ".join(f"{word} {count}" for word, count in result.by_word.items())
    stand = f", {len(result.standing)} words that stand" if result.standing else ""
    detail = (
        f"{len(result.alarms)} in {result.hours:.2f} h, {len(found)} recordings{stand}{f': {words}' if words else ''}"
    )
    return Figure(f"false alarms, {what}", result.rate, *result.interval(unit), "per hour", detail)


def trade_off(
    talk: Sequence[RecordingPosteriors], streams: dict[str, list[StreamPosteriors]], decision: DecisionSettings
) -> list[Figure]:
    """Return the words heard where running speech gives at most each of `RATES`."""
    curve = alarm_curve(talk, decision, FINE)
    points = [(rate, point) for rate in RATES if (point := lowest_threshold(curve, rate))]
    return [
        heard(
            f"words heard, {name}, at most {rate:g} per hour",
            score(parts, with_threshold(decision, threshold)),
            f"; threshold {threshold:.4g} gives {result.rate:.1f}",
        )
        for name, parts in streams.items()
        for rate, (threshold, result) in points
    ]


if __name__ == "__main__":
    try:
        main()
    except SaysoError as error:
        sys.exit(f"error: {error}")
