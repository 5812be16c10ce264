"""Long streams of sound of which it is known what was said when: built from recordings, or recorded and labelled.

A stream is built in parts of some minutes, each from random numbers of its own; so memory does not grow with its
length, and parts can be made and heard side by side.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sayso.config import SILENCE, UNKNOWN
from sayso.config.labels import label_of
from sayso.corpus.corpus import Clip
from sayso.errors import AudioError, CorpusError
from sayso.sound import audio
from sayso.sound.speech import FAINTEST, is_audible, speech_bounds
from sayso.sound.stream import Samples

# Speech is brought to this active level, in decibels below full scale, as is usual in telephony (ITU-T P.56).
SPEECH_LEVEL = -26.0
# From the end of one recording to the start of the next, drawn evenly, in seconds.
GAPS = (2.0, 10.0)
PART = 600.0
# Each recording and each noise fades in and out, so that a cut is not heard as a click.
FADE = 0.02


Pool = list[tuple[str, Path]]
"""Recordings to draw from, each with its label."""


@dataclass(frozen=True)
class Spoken:
    """Something said in a stream.

    Attributes
    ----------
    label : str
        A word of the model, or unknown speech.
    start, end : float
        When, in seconds from the beginning.
    source : Path or None
        The recording of it, if the stream was built of recordings.
    """

    label: str
    start: float
    end: float
    source: Path | None = None


@dataclass(frozen=True)
class Stream:
    """A part of a stream and what is said in it.

    Attributes
    ----------
    samples : ndarray of float32, shape (samples,)
        The sound.
    truth : tuple of Spoken
        What is said, in order.
    seconds : float
        How long it is.
    faint : tuple of Path
        Recordings that were drawn for it, but left out as no speech can be heard in them.
    broken : tuple of (Path, str)
        Recordings that were drawn for it, but cannot be read, and why.
    """

    samples: Samples
    truth: tuple[Spoken, ...]
    seconds: float
    faint: tuple[Path, ...] = ()
    broken: tuple[tuple[Path, str], ...] = ()


@dataclass(frozen=True)
class StreamMaker:
    """Builds streams: recordings of words and of unknown speech by turns of a coin, at random times, over noise.

    Attributes
    ----------
    words : sequence of Clip
        Recordings of words; each label of the model is said equally often. Other words are unknown speech, each said
        equally often, too.
    speech : sequence of Path
        More unknown speech, of any length; it takes turns with the other words.
    noises : sequence of ndarray of float32
        Background noise; without any, the background is silent.
    snr : float
        How many decibels the noise lies below the speech.
    labels : sequence of str
        The labels of the model.
    sample_rate : int
        Samples a second.
    seed : int
        The same seed gives the same streams.
    """

    words: Sequence[Clip]
    speech: Sequence[Path]
    noises: Sequence[Samples]
    snr: float
    labels: Sequence[str]
    sample_rate: int
    seed: int = 0

    def __post_init__(self) -> None:
        if not self._pools()[0]:
            raise CorpusError(f"no recording of a word of the model ({', '.join(self.labels)}) to build a stream from")

    def part(self, number: int, seconds: float = PART) -> Stream:
        """Build one part of the stream.

        Raises
        ------
        CorpusError
            If no recording of a word can be read and heard.
        """
        rng = np.random.default_rng([self.seed, number])
        rate = self.sample_rate
        samples = self._background(round(seconds * rate), rng)
        words, others = self._pools()
        truth: list[Spoken] = []
        faint: list[Path] = []
        broken: list[tuple[Path, str]] = []
        at = rng.uniform(*GAPS)
        while words:
            pools = words if not others or rng.random() < 0.5 else others[rng.integers(len(others))]
            pool = pools[rng.integers(len(pools))]
            label, path = drawn = pool[rng.integers(len(pool))]
            try:
                spoken = self._spoken(path)
                if spoken is None:
                    faint.append(path)
            except AudioError as error:
                spoken = None
                broken.append((path, str(error)))
            if spoken is None:
                pool.remove(drawn)
                # Nothing is drawn from what is empty.
                words, *others = ([left for left in kind if left] for kind in (words, *others))
                others = [kind for kind in others if kind]
                continue
            clip, start, end = spoken
            first = round(at * rate)
            # The last second stays free, in which a word may still be detected.
            if first + len(clip) + rate > len(samples):
                return Stream(samples, tuple(truth), seconds, tuple(faint), tuple(broken))
            samples[first : first + len(clip)] += clip
            truth.append(Spoken(label, (first + start) / rate, (first + end) / rate, path))
            at += len(clip) / rate + rng.uniform(*GAPS)
        if broken:
            raise CorpusError(
                f"no recording of a word of the model can be used, such as {broken[-1][0]}: {broken[-1][1]}"
            )
        raise CorpusError(
            f"no speech can be heard in any recording of a word of the model, such as {faint[-1]}: they are fainter "
            f"than {FAINTEST:g} dB; give recordings of those words"
        )

    def _pools(self) -> tuple[list[Pool], list[list[Pool]]]:
        """Return the recordings of each word of the model; and of unknown speech those of each word, and the rest."""
        pools: defaultdict[str, Pool] = defaultdict(list)
        for clip in self.words:
            if (label := label_of(clip.word, self.labels)) != SILENCE:
                pools[clip.word].append((label, clip.path))
        words = [pools.pop(label) for label in self.labels if label != UNKNOWN and label in pools]
        others = [[pools[word] for word in sorted(pools)], [[(UNKNOWN, path) for path in self.speech]]]
        return words, [kind for kind in others if any(kind)]

    def _spoken(self, path: Path) -> tuple[Samples, int, int] | None:
        """Read a recording at the level of speech, and where in it the speech starts and ends, in samples.

        None if it holds no speech.
        """
        clip = audio.load(path, self.sample_rate, only_files=True)
        start, end = speech_bounds(clip, self.sample_rate)
        # Raised to the level of speech, the noise of an empty recording would be a roaring word.
        if not is_audible(clip[start:end]):
            return None
        level = float(np.sqrt(np.mean(np.square(clip[start:end]))))
        clip = faded(clip, round(FADE * self.sample_rate))
        clip *= np.float32(10 ** (SPEECH_LEVEL / 20) / level)
        clip /= max(float(np.abs(clip).max()), 1.0)
        return clip, start, end

    def _background(self, length: int, rng: np.random.Generator) -> Samples:
        """Make background noise: recordings in random order, each at the same mean level."""
        samples = np.zeros(length, np.float32)
        fade, at = round(FADE * self.sample_rate), 0
        while self.noises and at < length:
            noise = self.noises[int(rng.integers(len(self.noises)))]
            level = float(np.sqrt(np.mean(np.square(noise))))
            noise = faded(noise, fade)[: length - at]
            if level:
                samples[at : at + len(noise)] += noise * np.float32(10 ** ((SPEECH_LEVEL - self.snr) / 20) / level)
            at += max(len(noise) - fade, 1)
        return samples


def faded(samples: Samples, length: int) -> Samples:
    """Return a copy that rises from silence and falls back to it within `length` samples."""
    result = samples.copy()
    length = min(length, len(samples) // 2)
    ramp = np.linspace(0, 1, length, endpoint=False, dtype=np.float32)
    result[:length] *= ramp
    result[len(result) - length :] *= ramp[::-1]
    return result


def read_labels(path: Path, labels: Sequence[str]) -> tuple[Spoken, ...]:
    """Read what is said in a recording from a label file, as Audacity exports it: start, end, label, by tabs.

    Words that are no label of the model are unknown speech.

    Raises
    ------
    CorpusError
        If the file cannot be read or a line has another form.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise CorpusError(f"cannot read the labels {path}: {reason}; expected lines of start, end, label") from error
    truth = []
    for number, line in enumerate(lines, 1):
        # Audacity adds a line with the frequencies after a label that has some.
        if not line.strip() or line.startswith("\\"):
            continue
        try:
            start, end, word = line.split("\t")
            spoken = Spoken(label_of(word.strip(), labels), float(start), float(end))
        except ValueError:
            spoken = None
        if spoken is None or not 0 <= spoken.start <= spoken.end < float("inf"):
            raise CorpusError(
                f"{path}, line {number}, is {line!r}; expected start, end (in seconds) and label with tabs between, "
                "as Audacity exports them"
            )
        if spoken.label != SILENCE:
            truth.append(spoken)
    return tuple(sorted(truth, key=lambda spoken: spoken.start))


def recording(path: Path, labels_path: Path, labels: Sequence[str], sample_rate: int) -> Stream:
    """Read a recording and its label file.

    Raises
    ------
    AudioError, CorpusError
        If one of them cannot be read, or a label lies beyond the recording's end.
    """
    truth, samples = read_labels(labels_path, labels), audio.load(path, sample_rate)
    seconds = len(samples) / sample_rate
    if truth and truth[-1].start > seconds:
        raise CorpusError(
            f"{labels_path} has a label at {truth[-1].start:g} s, but {path} ends at {seconds:.1f} s; "
            "give the labels of this recording"
        )
    return Stream(samples, truth, seconds)
