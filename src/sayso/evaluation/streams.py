"""Long streams of sound with known words at known times: built from recordings, or recorded and labelled.

A stream is built in parts of ten minutes, each with its own random numbers, so that memory does not grow with its
length, and parts can be built and scored in parallel.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sayso.config import SILENCE, UNKNOWN
from sayso.config.labels import label_of, nfc, strangers
from sayso.corpus.corpus import Clip
from sayso.errors import AudioError, CorpusError
from sayso.sound import audio
from sayso.sound.speech import FAINTEST, is_audible, speech_bounds
from sayso.sound.stream import Samples
from sayso.system.text import decoded

# Speech is scaled to this active level in decibels relative to full scale, as is usual in telephony (ITU-T P.56).
SPEECH_LEVEL = -26.0
# From the end of one recording to the start of the next, drawn uniformly, in seconds.
GAPS = (2.0, 10.0)
# Length of one part, in seconds.
PART = 600.0
# Each recording and each noise fades in and out within this many seconds, so that its ends do not click.
FADE = 0.02


Pool = list[tuple[str, Path]]
"""Labels and paths of the recordings to draw from."""


@dataclass(frozen=True)
class Spoken:
    """A word or other speech at a known time in a stream.

    Attributes
    ----------
    label : str
        A word of the model, or unknown speech.
    start, end : float
        Seconds from the beginning of the stream.
    source : Path or None
        Its recording, if the stream was built from recordings.
    said : str
        The word as a label file writes it; empty for a stream that was built.
    """

    label: str
    start: float
    end: float
    source: Path | None = None
    said: str = field(default="", compare=False)


@dataclass(frozen=True)
class Stream:
    """A part of a stream with the speech that it contains.

    Attributes
    ----------
    samples : ndarray of float32, shape (samples,)
        The sound.
    truth : tuple of Spoken
        The speech, in order of time.
    seconds : float
        Length of the part.
    faint : tuple of Path
        Recordings that were drawn but left out, as they are too faint to contain speech.
    notes : tuple of str
        Which words of a label file are not labels of the model, and what they count as.
    broken : tuple of (Path, str)
        Recordings that were drawn but cannot be read, and why.
    """

    samples: Samples
    truth: tuple[Spoken, ...]
    seconds: float
    faint: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()
    broken: tuple[tuple[Path, str], ...] = ()


@dataclass(frozen=True)
class StreamMaker:
    """Builds streams: words of the model and unknown speech with equal probability, at random times, over noise.

    Attributes
    ----------
    words : sequence of Clip
        Recordings of words. Each label of the model is drawn equally often. Other words are unknown speech; each of
        them is drawn equally often, too.
    speech : sequence of Path
        More unknown speech, of any length, drawn as often as the other words.
    noises : sequence of ndarray of float32
        Background noise; without any, the background is silent.
    snr : float
        Signal-to-noise ratio in decibels.
    labels : sequence of str
        The labels of the model.
    sample_rate : int
        Samples per second.
    seed : int
        The same seed gives the same streams.
    level : float or None
        Active level of the speech in decibels relative to full scale; None leaves each recording at its own level, and
        noise lies below the usual one.
    """

    words: Sequence[Clip]
    speech: Sequence[Path]
    noises: Sequence[Samples]
    snr: float
    labels: Sequence[str]
    sample_rate: int
    seed: int = 0
    level: float | None = SPEECH_LEVEL

    def __post_init__(self) -> None:
        if not self._pools()[0]:
            raise CorpusError(f"no recording of a word of the model ({', '.join(self.labels)}) to build a stream from")

    def part(self, number: int, seconds: float = PART) -> Stream:
        """Build one part of the stream.

        Raises
        ------
        CorpusError
            If no recording of a word can be read, or all of them are too faint.
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
                # Pools that are now empty must not be drawn from.
                words, *others = ([left for left in kind if left] for kind in (words, *others))
                others = [kind for kind in others if kind]
                continue
            clip, start, end = spoken
            first = round(at * rate)
            # The last second stays free, as the last word may be detected that late.
            if first + len(clip) + rate > len(samples):
                return Stream(samples, tuple(truth), seconds, tuple(faint), broken=tuple(broken))
            samples[first : first + len(clip)] += clip
            truth.append(Spoken(label, (first + start) / rate, (first + end) / rate, path))
            at += len(clip) / rate + rng.uniform(*GAPS)
        if broken:
            raise CorpusError(
                f"no recording of a word of the model can be used, such as {broken[-1][0]}: {broken[-1][1]}"
            )
        raise CorpusError(
            f"every recording of a word of the model, such as {faint[-1]}, is fainter than {FAINTEST:g} dB and so "
            "contains no speech; give other recordings of these words"
        )

    def _pools(self) -> tuple[list[Pool], list[list[Pool]]]:
        """Return the pools of the words of the model, and two kinds of unknown speech: other words, and `speech`."""
        pools: defaultdict[str, Pool] = defaultdict(list)
        for clip in self.words:
            if (label := label_of(clip.word, self.labels)) != SILENCE:
                pools[clip.word if label == UNKNOWN else label].append((label, clip.path))
        words = [pools.pop(label) for label in self.labels if label != UNKNOWN and label in pools]
        others = [[pools[word] for word in sorted(pools)], [[(UNKNOWN, path) for path in self.speech]]]
        return words, [kind for kind in others if any(kind)]

    def _spoken(self, path: Path) -> tuple[Samples, int, int] | None:
        """Read a recording, bring it to the level of the stream, and find the start and end of the speech in samples.

        None if it contains no speech.
        """
        clip = audio.load(path, self.sample_rate, only_files=True)
        start, end = speech_bounds(clip, self.sample_rate)
        # At the level of speech, the noise of an empty recording would be loud.
        if not is_audible(clip[start:end]):
            return None
        own = float(np.sqrt(np.mean(np.square(clip[start:end]))))
        clip = faded(clip, round(FADE * self.sample_rate))
        if self.level is not None:
            clip *= np.float32(10 ** (self.level / 20) / own)
        clip /= max(float(np.abs(clip).max()), 1.0)
        return clip, start, end

    def _background(self, length: int, rng: np.random.Generator) -> Samples:
        """Join noise recordings in random order, each at the same mean level."""
        samples = np.zeros(length, np.float32)
        fade, at = round(FADE * self.sample_rate), 0
        speech = SPEECH_LEVEL if self.level is None else self.level
        while self.noises and at < length:
            noise = self.noises[int(rng.integers(len(self.noises)))]
            level = float(np.sqrt(np.mean(np.square(noise))))
            noise = faded(noise, fade)[: length - at]
            if level:
                samples[at : at + len(noise)] += noise * np.float32(10 ** ((speech - self.snr) / 20) / level)
            at += max(len(noise) - fade, 1)
        return samples


def faded(samples: Samples, length: int) -> Samples:
    """Return a copy that fades in over its first `length` samples and fades out over its last."""
    result = samples.copy()
    length = min(length, len(samples) // 2)
    ramp = np.linspace(0, 1, length, endpoint=False, dtype=np.float32)
    result[:length] *= ramp
    result[len(result) - length :] *= ramp[::-1]
    return result


def read_labels(path: Path, labels: Sequence[str]) -> tuple[Spoken, ...]:
    """Read the words of a recording from a label file as Audacity exports it: start, end and label, separated by tabs.

    Words that are not labels of the model are unknown speech.

    Raises
    ------
    CorpusError
        If the file cannot be read or a line has another form.
    """
    try:
        lines = decoded(path.read_bytes()).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise CorpusError(f"cannot read the labels {path}: {reason}; expected lines of start, end, label") from error
    truth = []
    for number, line in enumerate(lines, 1):
        # After a label with frequencies, Audacity adds a line with them.
        if not line.strip() or line.startswith("\\"):
            continue
        try:
            start, end, word = line.split("\t")
            spoken = Spoken(label_of(word.strip(), labels), float(start), float(end), said=nfc(word.strip()))
        except ValueError:
            spoken = None
        if spoken is None or not 0 <= spoken.start <= spoken.end < float("inf"):
            raise CorpusError(
                f"{path}, line {number}, is {line!r}; expected start, end (in seconds) and label, separated by tabs, "
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
    return Stream(samples, truth, seconds, notes=tuple(strangers((spoken.said for spoken in truth), labels, "labels")))
