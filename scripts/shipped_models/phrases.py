"""Measure phrases that were taught to a shipped model: misses, false alarms, and what resembles them.

Example: python scripts/shipped_models/phrases.py commands --data speech_commands_v0.02 --running running_speech

A phrase is a few words of Speech Commands in a row, said by one speaker: the recordings of single words are cut to the
speech and joined. Training speakers teach it, others measure it: in the same words, in their halves, and in other
orders. Nobody speaks so, with each word said for itself; but the voices, rooms and microphones are real.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

from sayso.corpus.corpus import Corpus, files_below, scan
from sayso.errors import SaysoError
from sayso.model import model_file, pack, shipped
from sayso.recognition.recognizer import TOGETHER, Recognizer
from sayso.sound import audio
from sayso.sound.speech import is_audible, speech_bounds
from sayso.sound.stream import Samples
from sayso.training.teaching import teach
from speech_data import SpeechData

RATE = 16_000
PHRASES = (("happy", "bed", "cat"), ("zero", "happy"), ("eight", "cat", "bed", "five"))
# Seconds: at most between two words, before and after a phrase, and the longest phrase; the level of the words.
GAP, AROUND, LONGEST, LEVEL = 0.05, 0.5, 1.9, 0.05
# Speakers whose halves and other orders are heard.
RESEMBLING = 40


def main() -> None:
    """Teach each phrase from 20 and from 5 recordings, measure, print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="name of a shipped model, or a model file")
    SpeechData.add_arguments(parser)
    parser.add_argument("--pack", type=Path, help="pack of the model, if it does not come with sayso")
    parser.add_argument("--split", choices=("validation", "testing"), default="validation", help="speakers to measure")
    parser.add_argument("--rate", type=float, default=0.5, help="false alarms per hour that are asked for")
    arguments = parser.parse_args()

    data = SpeechData.from_arguments(arguments)
    base, corpus = model_file.load(shipped.find(arguments.model)), scan(data.words)
    known = pack.load(arguments.pack) if arguments.pack else pack.matching(base)
    noises = files_below(shipped.bundled("demo") / "_background_noise_")
    talk = [audio.load(path, RATE) for path in data.talk(arguments.split)]
    hours = sum(map(len, talk)) / RATE / 3600
    print("| phrase | recordings | missed | in running speech | halves and other orders |\n|---|---|---|---|---|")
    for words in PHRASES:
        name = " ".join(words)
        test = said(corpus, words, arguments.split)
        others = [words[1:], words[:-1], words[::-1], words[1:] + words[:1]]
        alike = [sound for other in others for sound in said(corpus, other, arguments.split)[:RESEMBLING]]
        for count in (20, 5):
            with tempfile.TemporaryDirectory() as folder:
                (Path(folder) / name).mkdir()
                for number, sound in enumerate(said(corpus, words, "training")[:count]):
                    soundfile.write(Path(folder) / name / f"speaker{number}_nohash_0.wav", sound, RATE)
                threads = os.cpu_count() or 1
                taught = teach(
                    base, scan(Path(folder)), noises, threads=threads, pack=known, false_alarms_per_hour=arguments.rate
                )
            recognizer = Recognizer(taught.model)
            missed, alarms = len(test) - heard(recognizer, test, name), heard(recognizer, talk, name)
            taken = heard(recognizer, alike, name)
            print(
                f"| {name} | {count} | {missed} of {len(test)} | {alarms} in {hours:.2f} h | {taken} of {len(alike)} |",
                flush=True,
            )


def said(corpus: Corpus, words: Sequence[str], split: str) -> list[Samples]:
    """Return words in a row, once by each speaker of a split who says all of them, in a random order."""
    rng = np.random.default_rng(0)
    own: dict[str, dict[str, Path]] = {word: {} for word in words}
    for clip in corpus.clips:
        if clip.split == split and clip.word in own and clip.speaker:
            own[clip.word].setdefault(clip.speaker, clip.path)
    speakers = sorted(set.intersection(*(set(found) for found in own.values())))
    phrases = []
    for number in rng.permutation(len(speakers)).tolist():
        parts = []
        for word in words:
            samples = audio.load(own[word][speakers[number]], RATE)
            start, end = speech_bounds(samples, RATE)
            speech = samples[start:end]
            parts += [speech * (LEVEL / np.sqrt(np.mean(np.square(speech)))) if is_audible(speech) else speech[:0]]
            parts += [np.zeros(int(rng.uniform(0, GAP) * RATE), np.float32)]
        phrase = np.concatenate(parts[:-1])
        if all(map(len, parts[::2])) and len(phrase) <= LONGEST * RATE:
            around = np.pad(phrase, round(AROUND * RATE))
            phrases.append((around + 0.0005 * rng.standard_normal(len(around))).astype(np.float32))
    return phrases


def heard(recognizer: Recognizer, recordings: Sequence[Samples], name: str) -> int:
    """Count the recordings in which a phrase is detected."""
    return sum(any(found.label == name for found in recognizer.detect([one], TOGETHER)) for one in recordings)


if __name__ == "__main__":
    try:
        main()
    except SaysoError as error:
        sys.exit(f"error: {error}")
