"""Measure commands after a wake word: false alarms on running speech, and what the wake word loses.

Example: python scripts/shipped_models/wake.py commands --data speech_commands_v0.02 --running running_speech \
    --wake-words wake_words

Running speech is heard as one long stream, in which a command counts only within some seconds after the wake word. A
word that stands in the sentence (words.tsv) is no false alarm. Then recordings of the wake word and of commands are cut
to their speech, and pairs of them said in silence, each at its own level, with a pause of 0.3 to 1.5 s between the two.
A pair is lost if its command is heard when it is said alone, and does not count after the wake word.

The wake word is a label of the model or a word within its unknown speech. Its recordings are those of the wake words,
or else those in DATA. Intervals (95 %) are found by resampling speakers of running speech, and recordings of the wake
word.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sayso.cli.tables import percent, table
from sayso.config import SILENCE, UNKNOWN, DecisionSettings
from sayso.corpus.corpus import scan
from sayso.corpus.splits import Split
from sayso.errors import CorpusError, SaysoError
from sayso.evaluation.alarms import Alarm, AlarmScore, RecordingPosteriors, alarms_on, listen_to_recordings, stands
from sayso.evaluation.intervals import share_interval
from sayso.evaluation.stream_scores import LATEST
from sayso.evaluation.streams import FADE, faded
from sayso.recognition.decision import Detection
from sayso.recognition.recognizer import TOGETHER, Recognizer, load
from sayso.recognition.wake import SECONDS, WakeGate, waiting_for
from sayso.sound import audio
from sayso.sound.speech import is_audible, speech_bounds
from sayso.sound.stream import Samples
from sayso.system.workers import cores
from speech_data import SpeechData, speaker_of

# Shortest and longest pause between the wake word and the command, and the silence before and after both, in seconds.
PAUSES, BEFORE, AFTER = (0.3, 1.5), 1.0, 2.0


class Pair(NamedTuple):
    """A wake word and a command, and what was heard of them.

    Attributes
    ----------
    recording : Path
        The recording of the wake word.
    alone, woken, followed : bool
        Whether the command is heard without the wake word; whether the wake word is heard; whether the command counts
        after it.
    """

    recording: Path
    alone: bool
    woken: bool
    followed: bool

    @property
    def lost(self) -> bool:
        """Whether the command is missed because of the wake word."""
        return self.alone and not self.followed


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="name of a shipped model, or a model file")
    SpeechData.add_arguments(parser)
    parser.add_argument("--wake", default="computer", help="the wake word (default: computer)")
    parser.add_argument("--for", dest="seconds", type=float, default=SECONDS, help="default: %(default)g")
    parser.add_argument("--split", choices=["validation", "testing"], default="validation", help="default: validation")
    parser.add_argument("--count", type=int, default=500, help="number of pairs (default: 500)")
    arguments = parser.parse_args()

    data, split = SpeechData.from_arguments(arguments), arguments.split
    recognizer, gate = waiting_for(arguments.wake, load(arguments.model), arguments.seconds)
    rows: list[tuple[str, str, str, str]] = []
    if arguments.running:
        talk, skipped = listen_to_recordings(recognizer, data.talk(split), data.places(split), cores())
        if skipped or not talk:
            raise CorpusError(skipped[0].reason if skipped else f"{arguments.running} has no recording of this split")
        everywhere = alarms_on(talk, recognizer.model.decision)
        everywhere = of_words(everywhere, lambda word: word != gate.word)
        words, commands = alarms_after(gate, talk, recognizer.model.decision)
        rows += [
            alarm_row("commands without a wake word", everywhere),
            alarm_row(f"the wake word {gate.word}", words),
            alarm_row(f"commands within {gate.seconds:g} s after it", commands),
            (
                "the same, if both come independently",
                f"{words.rate * everywhere.rate * gate.seconds / 3600:.4f} per hour",
                "",
                "the product of the two rates above",
            ),
        ]
    pairs = pairs_of(recognizer, gate, data, split, arguments.count)
    rows += [
        share_row("commands heard alone", pairs, [pair.alone for pair in pairs]),
        share_row(f"{gate.word} heard", pairs, [pair.woken for pair in pairs]),
        share_row("commands that count after it", pairs, [pair.followed for pair in pairs]),
        share_row("pairs lost beyond the command's own misses", pairs, [pair.lost for pair in pairs]),
    ]
    print(f"{arguments.model}, {split}\n\n{table(('', 'measured', '95 % interval', 'on'), rows, 4)}")


def alarms_after(
    gate: WakeGate, talk: Sequence[RecordingPosteriors], decision: DecisionSettings
) -> tuple[AlarmScore, AlarmScore]:
    """Return the false alarms of the wake word, and those of commands that count after it.

    The recordings follow each other without a pause: a wake word at the end of one is open to the next.
    """
    found: list[Alarm] = []
    start = 0.0
    for recording in talk:
        found += [
            recording.alarm(detection)
            for detection in recording.detections(decision)
            if gate.update(replace(detection, end=start + detection.end))
        ]
        start += recording.seconds
    score = AlarmScore(
        tuple(alarm for alarm in found if not stands(alarm)),
        tuple(alarm for alarm in found if stands(alarm)),
        {recording.path: recording.seconds for recording in talk},
    )
    return of_words(score, lambda word: word == gate.word), of_words(score, lambda word: word != gate.word)


def of_words(score: AlarmScore, chosen: Callable[[str], bool]) -> AlarmScore:
    """Return the part of a score that is about some words."""
    alarms, standing = (
        tuple(alarm for alarm in found if chosen(alarm.word)) for found in (score.alarms, score.standing)
    )
    return AlarmScore(alarms, standing, score.seconds)


def pairs_of(recognizer: Recognizer, gate: WakeGate, data: SpeechData, split: Split, count: int) -> list[Pair]:
    """Say pairs of random recordings of the wake word and of a command, every command equally often."""
    clips = scan(data.words).by_split(split)
    wakes = [clip.path for clip in (*data.wake_clips(split), *clips) if clip.word == gate.word]
    commands = [label for label in recognizer.labels if label not in (SILENCE, UNKNOWN, gate.word)]
    recordings = {word: [clip.path for clip in clips if clip.word == word] for word in commands}
    if missing := [word for word, paths in {gate.word: wakes, **recordings}.items() if not paths]:
        raise CorpusError(f"no recording of {missing[0]} is for {split}; give its folder with --data or --wake-words")
    rng = np.random.default_rng(0)
    rate = recognizer.model.features.sample_rate

    def drawn(paths: Sequence[Path]) -> tuple[Path, Samples]:
        while True:
            path = paths[int(rng.integers(len(paths)))]
            samples = audio.load(path, rate)
            start, end = speech_bounds(samples, rate)
            if is_audible(samples[start:end]):
                return path, faded(samples[start:end], round(FADE * rate))

    pairs = []
    for number in range(count):
        word = commands[number % len(commands)]
        (path, wake), (_, command) = drawn(wakes), drawn(recordings[word])
        pause = silence(rng.uniform(*PAUSES), rate)
        alone, after = command_at(recognizer, [], command), command_at(recognizer, [wake, pause], command)
        heard = list(filter(None, map(WakeGate(gate.word, gate.seconds).update, after.detections)))
        pairs.append(
            Pair(
                path,
                alone=any(map(alone.is_command(word), alone.detections)),
                woken=any(detection.label == gate.word for detection in heard),
                followed=any(map(after.is_command(word), heard)),
            )
        )
    return pairs


class Said(NamedTuple):
    """What is detected where something and then a command is said in silence.

    Attributes
    ----------
    detections : list of Detection
        The detections.
    start, end : float
        Where the command is said, in seconds.
    """

    detections: list[Detection]
    start: float
    end: float

    def is_command(self, word: str) -> Callable[[Detection], bool]:
        """Return a function that tells whether a detection is that of the command."""
        return lambda found: found.label == word and self.start < found.end <= self.end + LATEST


def command_at(recognizer: Recognizer, before: Sequence[Samples], command: Samples) -> Said:
    """Say a command in silence, after some other sound."""
    rate = recognizer.model.features.sample_rate
    lead = np.concatenate([silence(BEFORE, rate), *before])
    sound = np.concatenate([lead, command, silence(AFTER, rate)])
    return Said(list(recognizer.detect([sound], TOGETHER)), len(lead) / rate, (len(lead) + len(command)) / rate)


def silence(seconds: float, rate: int) -> Samples:
    """Return so many seconds of zeros."""
    return np.zeros(round(seconds * rate), np.float32)


def alarm_row(what: str, score: AlarmScore) -> tuple[str, str, str, str]:
    """Return a row about false alarms."""
    low, high = score.interval(speaker_of)
    words = ", ".join(f"{word} {count}" for word, count in score.by_word.items())
    detail = f"{len(score.alarms)} in {score.hours:.2f} h, {len(score.standing)} that stand{words and f': {words}'}"
    return f"false alarms: {what}", f"{score.rate:.2f} per hour", f"{low:.2f} to {high:.2f}", detail


def share_row(what: str, pairs: Sequence[Pair], found: Sequence[bool]) -> tuple[str, str, str, str]:
    """Return a row about a share of the pairs."""
    hits: Counter[Path] = Counter()
    totals = Counter(pair.recording for pair in pairs)
    for pair, hit in zip(pairs, found, strict=True):
        hits[pair.recording] += hit
    low, high = share_interval([hits[path] for path in totals], list(totals.values()))
    detail = f"{sum(found)} of {len(pairs)} pairs, {len(totals)} recordings of the wake word"
    return what, percent(sum(found) / len(pairs)), f"{percent(low)} to {percent(high)}", detail


if __name__ == "__main__":
    try:
        main()
    except SaysoError as error:
        sys.exit(f"error: {error}")
