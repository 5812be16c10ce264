"""Fixed sets of clips with their labels, on which accuracy is measured."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sayso.config import SILENCE, UNKNOWN
from sayso.config.labels import label_of
from sayso.corpus.clips import Clips, FloatArray, Labels
from sayso.sound.noise import random_slice, snr_gain


def silence_level(rng: np.random.Generator) -> float:
    """Draw the level of the background noise in a clip without a word: from 0 to 1, and sometimes exactly 0."""
    return max(rng.uniform(-0.1, 1.0), 0.0)


def silence(noises: Sequence[FloatArray], length: int, rng: np.random.Generator) -> FloatArray:
    """Return a clip without a word: a slice of background noise at a random level."""
    return random_slice(noises, length, rng) * np.float32(silence_level(rng))


class ClipSet(NamedTuple):
    """A fixed set of windows with their labels, on which accuracy is measured.

    Attributes
    ----------
    windows : ndarray of float32, shape (clips, samples)
        One window per clip.
    labels : ndarray of int, shape (clips,)
        Index of the correct label.
    names : tuple of str
        Path of each clip; a generated one has a label and a number instead.
    """

    windows: FloatArray
    labels: Labels
    names: tuple[str, ...]

    def with_noise(self, noises: Sequence[FloatArray], snr: float, rng: np.random.Generator) -> "ClipSet":
        """Return the same clips with noise `snr` decibels below each.

        Clips of silence get the noise of the median clip: in proportion to their own level it would be too faint to be
        mistaken for a word.
        """
        windows = np.empty_like(self.windows)
        powers = np.einsum("cs,cs->c", self.windows, self.windows)
        typical = float(np.median(powers))
        silent = np.array([name.startswith(f"{SILENCE} ") or Path(name).parent.name == SILENCE for name in self.names])
        for window, clip, power in zip(windows, self.windows, np.where(silent, typical, powers), strict=True):
            noise = random_slice(noises, len(clip), rng)
            gain = snr_gain(float(power), float(np.dot(noise, noise)), snr)
            np.add(clip, np.float32(np.sqrt(gain)) * noise, out=window)
        return self._replace(windows=windows)


def whole_set(clips: Clips, labels: Sequence[str]) -> ClipSet:
    """Return a set of all the clips, each of which has one of the labels."""
    truth = np.array([labels.index(label_of(row.word, labels)) for row in clips.rows], np.int64)
    return ClipSet(clips.windows(np.arange(len(truth))), truth, tuple(str(row.path) for row in clips.rows))


def benchmark_set(clips: Clips, noises: Sequence[FloatArray], labels: Sequence[str], seed: int) -> ClipSet:
    """Return a set of clips in the proportions of the official benchmark.

    Unknown words and silence each get as many clips as a word has on average: a selection from the other words, as even
    as the numbers of their clips allow, and slices of background noise.

    Parameters
    ----------
    clips : Clips
        Clips of one split, each of which has one of the labels.
    noises : sequence of ndarray of float32
        Background noise.
    labels : sequence of str
        The labels of the model.
    seed : int
        Seed for the selection of unknown clips and slices of noise.
    """
    rng = np.random.default_rng(seed)
    every = whole_set(clips, labels)
    chosen = np.ones(len(every.labels), bool)
    words = [position for position, label in enumerate(labels) if label not in (SILENCE, UNKNOWN)]
    share = max(round(np.isin(every.labels, words).sum() / max(len(words), 1)), 1)
    if UNKNOWN in labels:
        unknown = rng.permutation(np.flatnonzero(every.labels == labels.index(UNKNOWN)))
        # First one clip of each word, then a second of each, and so on.
        seen: Counter[str] = Counter()
        turns = []
        for position in unknown:
            word = clips.rows[position].word
            seen[word] += 1
            turns.append(seen[word])
        chosen[unknown[np.argsort(turns, kind="stable")][share:]] = False
    windows, truth = every.windows[chosen], every.labels[chosen]
    names = [name for name, keep in zip(every.names, chosen, strict=True) if keep]
    if SILENCE in labels and noises:
        silences = np.stack([silence(noises, clips.samples.shape[1], rng) for _ in range(share)])
        windows = np.concatenate([windows, silences])
        truth = np.concatenate([truth, np.full(share, labels.index(SILENCE))])
        names += [f"{SILENCE} {number}" for number in range(share)]
    return ClipSet(windows, truth, tuple(names))
