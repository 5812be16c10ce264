"""Make the pack of a model: what it makes of talk, look-alikes, single words and noise, for `sayso teach`.

Example: python scripts/shipped_models/packs.py commands --data speech_commands_v0.02 --noise noise \
    --negatives negatives --running running_speech --wake-words wake_words

Examples to learn from are those of training speakers, as recorded and augmented; streams on which thresholds are chosen
are those of validation speakers. The pack is written beside the model, and its checksum into the code.
"""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import hashes
from sayso.config import COMMANDS, SILENCE
from sayso.corpus.clips import load_clips, load_negatives, load_noises, read_sound
from sayso.corpus.corpus import Clip, scan
from sayso.corpus.places import cut_words
from sayso.corpus.splits import Split
from sayso.errors import SaysoError
from sayso.model import model_file, pack, shipped
from sayso.sound.noise import generated_noises
from sayso.training.body import Body
from sayso.training.teacher import AUGMENTATION
from speech_data import SpeechData

FloatArray = NDArray[np.float32]

KINDS = ("talk", "unknown", "wake", "words", "noise")
# Steps that are heard of each kind of sound: running speech, short and look-alike phrases and sentences, wake words,
# single words, noise.
HEARD = dict(zip(KINDS, (10_000, 4_000, 1_000, 2_200, 1_300), strict=True))
# Examples to learn from: windows of the same kinds as they were recorded, of which one in so many steps is used; and
# augmented windows of running speech and of single words. How recordings of one word differ is learned from so many
# examples of each word.
LEARNED, EVERY = dict(zip(KINDS, (1_800, 700, 200, 400, 200), strict=True)), 5
AUGMENTED, AUGMENTED_WORDS, EACH = 1_500, 1_200, 120
# Seconds of each recording, at most.
LONGEST = 20.0


def main() -> None:
    """Make the packs of some models."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", help="names of shipped models, or model files")
    SpeechData.add_arguments(parser)
    arguments = parser.parse_args()
    data = SpeechData.from_arguments(arguments)
    for path in map(shipped.find, arguments.models):
        made = make(model_file.load(path), data, os.cpu_count() or 1)
        target = path.with_suffix(shipped.PACK_SUFFIX)
        made.save(target)
        hours = len(made.heard) * 0.1 / 3600
        print(f"{target}: {hours:.2f} h, {len(made.learned)} examples, {target.stat().st_size:,} bytes")
    hashes.write()


def make(model: model_file.Model, data: SpeechData, threads: int) -> pack.Pack:
    """Run all layers of a model but the last over recordings, and pack the results."""
    body, last, rng = Body(model), model.network.head(), np.random.default_rng(0)
    texts: list[str] = []
    heard, heard_in, pauses = [], [], []
    for kind, recordings in kinds(data, "validation").items():
        for text, whole, newest in steps(body, recordings, HEARD[kind], rng):
            heard.append(whole)
            heard_in += [len(texts)] * len(whole)
            silence = last.probabilities(newest)[:, model.labels.index(SILENCE)]
            pauses.append(np.round(255 * silence).astype(np.uint8))
            texts.append(text)
    learned, learned_in = [], []
    for kind, recordings in kinds(data, "training").items():
        for text, whole, _ in steps(body, recordings, EVERY * LEARNED[kind], rng):
            some = whole[rng.integers(EVERY) :: EVERY]
            learned.append(some)
            learned_in += [len(texts)] * len(some)
            texts.append(text)

    corpus = data.corpus()
    noises, _ = load_noises([*corpus.noises, *data.noises("training")], model.features)
    noises += generated_noises(model.features.sample_rate)
    talk = load_negatives(pick(data.talk("training"), 300, rng), model.features, threads)
    talk = talk._replace(rows=tuple(replace(row, word="talk") for row in talk.rows))
    inputs, _ = body.augmented(talk, noises, AUGMENTATION, AUGMENTED, 0, threads)
    learned.append(inputs[:AUGMENTED])
    learned_in += [len(texts)] * len(learned[-1])
    texts.append("")
    words = load_clips(limited(corpus.by_split("training"), rng), model.features, threads)
    words = words.joined(cut_words(data.places("training"), model.features, (*COMMANDS, *corpus.words), threads))
    inputs, spoken = body.augmented(words, noises, AUGMENTATION, EACH, 0, threads)
    chosen = rng.permutation(len(inputs))[:AUGMENTED_WORDS]
    learned.append(inputs[chosen])
    learned_in += (len(texts) + spoken[chosen]).tolist()
    texts += sorted({row.word for row in words.rows})

    space = pack.Space.fitted(np.concatenate(learned), inputs, spoken)
    both = [space.coordinates(np.concatenate(parts)) for parts in (learned, heard)]
    scale, (learned_bytes, heard_bytes) = pack.in_bytes(both)
    return pack.Pack(
        pack.body_digest(model), model.labels, tuple(texts), space, scale, learned_bytes,
        np.array(learned_in, np.uint16), heard_bytes, np.array(heard_in, np.uint16), np.concatenate(pauses),
    )  # fmt: skip


def kinds(data: SpeechData, split: Split) -> dict[str, list[tuple[Path, str]]]:
    """Return the recordings of each kind, and what is said in each as far as it is known."""
    said = {path: " ".join(place.word.casefold() for place in places) for path, places in data.places(split).items()}
    return {
        "talk": [(path, said.get(path, "")) for path in data.talk(split)],
        "unknown": [(path, "") for path in data.unknown(split)],
        "wake": [(clip.path, clip.word) for clip in data.wake_clips(split)],
        "words": [(clip.path, clip.word) for clip in scan(data.words).by_split(split)],
        "noise": [(path, "") for path in data.noises(split)],
    }


def steps(
    body: Body, recordings: Sequence[tuple[Path, str]], most: int, rng: np.random.Generator
) -> Iterator[tuple[str, FloatArray, FloatArray]]:
    """Yield the inputs of the last layer at each step of randomly drawn recordings, and what is said in them."""
    for number in rng.permutation(len(recordings)).tolist():
        path, text = recordings[number]
        # A long recording must not take the place of many others.
        sound = read_sound(path, body.features)[: round(LONGEST * body.features.sample_rate)]
        whole, newest = body.steps(sound)
        yield text, whole[:most], newest[:most]
        most -= len(whole)
        if most <= 0:
            break


def pick(paths: Sequence[Path], count: int, rng: np.random.Generator) -> list[Path]:
    """Draw some of the paths."""
    return [paths[number] for number in rng.permutation(len(paths))[:count].tolist()]


def limited(rows: Sequence[Clip], rng: np.random.Generator) -> list[Clip]:
    """Draw at most `EACH` clips of each word."""
    words: dict[str, list[Clip]] = {}
    for number in rng.permutation(len(rows)).tolist():
        words.setdefault(rows[number].word, []).append(rows[number])
    return [row for _, found in sorted(words.items()) for row in found[:EACH]]


if __name__ == "__main__":
    try:
        main()
    except SaysoError as error:
        sys.exit(f"error: {error}")
