"""Measure words that are said in one breath: one word three times, and two different words, with short pauses.

Example: python scripts/shipped_models/repeats.py commands --data speech_commands_v0.02

Recordings of validation speakers are cut to their speech and brought to the same level. Only those are used that the
model detects when they are said alone, so that what is missed is missed because of the other words. A last stream
holds each word once, but stretched to twice its length: it must not be detected twice.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from sayso.config import SILENCE, UNKNOWN
from sayso.corpus.corpus import Clip, scan
from sayso.errors import SaysoError
from sayso.evaluation.streams import FADE, SPEECH_LEVEL, Spoken, faded
from sayso.model import shipped
from sayso.recognition.decision import Detection
from sayso.recognition.recognizer import TOGETHER, Recognizer, load
from sayso.sound import audio
from sayso.sound.speech import is_audible, speech_bounds
from sayso.sound.stream import Samples

# A detection belongs to a word from its start until so many seconds after its end.
LATEST = 0.75
STRETCH = 2.0


def main() -> None:
    """Measure and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="name of a shipped model, or a model file")
    parser.add_argument("--data", type=Path, required=True, help="folder of Speech Commands v0.02, or a part of it")
    parser.add_argument("--count", type=int, default=200, help="how often each is said (default: 200)")
    parser.add_argument("--repeat-pause", type=float, default=0.3, help="seconds between repeats (default: 0.3)")
    parser.add_argument("--pair-pause", type=float, default=0.1, help="seconds between different words (default: 0.1)")
    arguments = parser.parse_args()

    recognizer = load(shipped.find(arguments.model).as_posix())
    source = Source(recognizer, scan(arguments.data).by_split("validation"))
    repeats, pairs, held = Counter[str](), Counter[str](), Counter[str]()
    for _ in range(arguments.count):
        repeats += said(recognizer, [source.draw()] * 3, arguments.repeat_pause)
        first = source.draw()
        pairs += said(recognizer, [first, source.draw(other=first[0])], arguments.pair_pause)
        held += said(recognizer, [stretched(first)], 0.0)
    print("| said | words | detected | of those after the first | too many |")
    print("|---|---|---|---|---|")
    for name, count in (
        (f"a word three times, {arguments.repeat_pause:g} s apart", repeats),
        (f"two words, {arguments.pair_pause:g} s apart", pairs),
        (f"a word stretched {STRETCH:g} times", held),
    ):
        later = f"{count['later hit'] / count['later']:.1%}" if count["later"] else "-"
        print(f"| {name} | {count['words']} | {count['hit'] / count['words']:.1%} | {later} | {count['extra']} |")


class Source:
    """Draws recordings of the model's words that are detected when they are said alone.

    Parameters
    ----------
    recognizer : Recognizer
        What must detect them.
    clips : sequence of Clip
        The recordings.
    """

    def __init__(self, recognizer: Recognizer, clips: Sequence[Clip]) -> None:
        words = set(recognizer.labels) - {SILENCE, UNKNOWN}
        self._recognizer = recognizer
        self._clips = [clip for clip in clips if clip.word in words]
        if len({clip.word for clip in self._clips}) < 2:
            raise SaysoError("fewer than two words of the model are recorded there; give another folder")
        self._rng = np.random.default_rng(0)

    def draw(self, other: str = "") -> tuple[str, Samples]:
        """Return a word, but not `other`, and its samples, cut to the speech."""
        rate = self._recognizer.model.features.sample_rate
        while True:
            clip = self._clips[self._rng.integers(len(self._clips))]
            samples = audio.load(clip.path, rate)
            start, end = speech_bounds(samples, rate)
            speech = samples[start:end]
            if clip.word == other or not is_audible(speech):
                continue
            level = float(np.sqrt(np.mean(np.square(speech))))
            speech = faded(speech, round(FADE * rate)) * np.float32(10 ** (SPEECH_LEVEL / 20) / level)
            drawn = clip.word, speech / np.float32(max(float(np.abs(speech).max()), 1.0))
            if said(self._recognizer, [drawn], 0.0)["hit"]:
                return drawn


def stretched(spoken: tuple[str, Samples]) -> tuple[str, Samples]:
    """Return a word said so much slower, at its pitch."""
    import librosa

    return spoken[0], librosa.effects.time_stretch(spoken[1], rate=1 / STRETCH, n_fft=512)


def said(recognizer: Recognizer, spoken: Sequence[tuple[str, Samples]], pause: float) -> Counter[str]:
    """Say words with a pause between them, and count what is detected."""
    rate = recognizer.model.features.sample_rate
    parts, truth = [np.zeros(rate, np.float32)], []
    for word, samples in spoken:
        start = sum(map(len, parts)) / rate
        truth.append(Spoken(word, start, start + len(samples) / rate))
        parts += [samples, np.zeros(round(pause * rate), np.float32)]
    parts.append(np.zeros(2 * rate, np.float32))
    hit, extra = matched(truth, recognizer.detect([np.concatenate(parts)], TOGETHER))
    return Counter(
        {"words": len(truth), "hit": len(hit), "later": len(truth) - 1, "later hit": len(hit - {0}), "extra": extra}
    )


def matched(truth: Sequence[Spoken], detections: Iterable[Detection]) -> tuple[set[int], int]:
    """Give each detection to the first word that it can belong to; return the words hit, and how many are left over."""
    hit: set[int] = set()
    extra = 0
    for detection in detections:
        mine = (
            number
            for number, entry in enumerate(truth)
            if number not in hit
            and entry.label == detection.label
            and entry.start < detection.end <= entry.end + LATEST
        )
        number = next(mine, None)
        if number is None:
            extra += 1
        else:
            hit.add(number)
    return hit, extra


if __name__ == "__main__":
    try:
        main()
    except SaysoError as error:
        sys.exit(f"error: {error}")
