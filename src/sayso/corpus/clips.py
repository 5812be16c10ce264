"""Clips in memory, each fitted to the window that the network sees, and fixed sets of them for measuring."""

import contextlib
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sayso.config import SILENCE, UNKNOWN, FeatureSettings
from sayso.corpus.corpus import Clip, Skipped
from sayso.errors import AudioError
from sayso.sound import audio
from sayso.system.workers import in_processes
from sayso.training import augmentation

FloatArray = NDArray[np.float32]
Labels = NDArray[np.int64]

FULL_SCALE = 32_767
# Seconds of the longest file that is a clip of a word: a few bytes of FLAC can hold hours, which would fill the memory.
LONGEST = 60.0

# Clips that a worker process reads at a time. Starting the processes takes as long as reading a few such groups.
GROUP, FEW_GROUPS = 256, 4


class ClipStore(NamedTuple):
    """Clips in memory.

    Attributes
    ----------
    samples : ndarray of int16, shape (clips, samples)
        Each clip fitted to the window that the network sees.
    rows : tuple of Clip
        Where each comes from.
    skipped : tuple of Skipped
        Files that could not be used, and why.
    """

    samples: NDArray[np.int16]
    rows: tuple[Clip, ...]
    skipped: tuple[Skipped, ...]

    def windows(self, positions: Labels) -> FloatArray:
        """Return some of the clips as numbers between -1 and 1, shape (len(positions), samples)."""
        windows = self.samples[positions].astype(np.float32)
        windows /= FULL_SCALE
        return windows

    def between(self, start: int, stop: int) -> "ClipStore":
        """Return a store of neighbouring clips; they are not copied."""
        return ClipStore(self.samples[start:stop], self.rows[start:stop], ())

    def joined(self, other: "ClipStore") -> "ClipStore":
        """Return a store of this one's clips and then the other's."""
        samples = np.concatenate([self.samples, other.samples])
        return ClipStore(samples, self.rows + other.rows, self.skipped + other.skipped)


def load_clips(rows: Sequence[Clip], features: FeatureSettings, workers: int) -> ClipStore:
    """Read clips, fit each to one window, and tell which could not be used.

    Parameters
    ----------
    rows : sequence of Clip
        What to read.
    features : FeatureSettings
        Sample rate and length of the window.
    workers : int
        How many processes share the work; the result does not depend on it.
    """
    samples = np.empty((len(rows), features.clip_samples), np.int16)
    reasons: list[str | None] = []
    paths = [row.path for row in rows]
    groups = [paths[start : start + GROUP] for start in range(0, len(paths), GROUP)]
    with contextlib.ExitStack() as stack:
        parts: Iterator[tuple[NDArray[np.int16], list[str | None]]] = map(partial(_read, features), groups)
        if workers > 1 and len(groups) > FEW_GROUPS:
            parts = stack.enter_context(in_processes(_read, features, workers))(groups)
        for part, why in parts:
            samples[len(reasons) : len(reasons) + len(part)] = part
            reasons += why
    good = [position for position, reason in enumerate(reasons) if reason is None]
    skipped = tuple(Skipped(row.path, reason) for row, reason in zip(rows, reasons, strict=True) if reason is not None)
    if skipped:
        samples = samples[good]
    return ClipStore(samples, tuple(rows[position] for position in good), skipped)


def _read(features: FeatureSettings, paths: Sequence[Path]) -> tuple[NDArray[np.int16], list[str | None]]:
    """Read some clips; return each fitted to one window, and why it could not be used, if so."""
    samples = np.zeros((len(paths), features.clip_samples), np.int16)
    reasons: list[str | None] = []
    for window, path in zip(samples, paths, strict=True):
        try:
            clip, _ = audio.fit(audio.load(path, features.sample_rate, LONGEST), features.clip_samples)
        except AudioError as error:
            reasons.append(str(error))
            continue
        window[:] = _to_int16(clip)
        reasons.append(None)
    return samples, reasons


def load_negatives(paths: Sequence[Path], features: FeatureSettings, threads: int) -> ClipStore:
    """Read speech without any of the words and cut it into windows; each is a clip of an unknown word.

    Windows 20 dB below the loud ones of their file (its ninth decile) are pauses, and left out, as is a rest that
    fills less than half a window (unless it is all there is).
    """
    length = features.clip_samples

    def read(path: Path) -> NDArray[np.int16] | Skipped:
        try:
            speech = audio.load(path, features.sample_rate)
        except AudioError as error:
            return Skipped(path, str(error))
        count = max((len(speech) + length // 2) // length, 1)
        padded = np.zeros(count * length, np.float32)
        padded[: len(speech)] = speech[: len(padded)]
        windows = padded.reshape(count, length)
        powers = np.square(windows).mean(axis=1)
        if not powers.any():
            return Skipped(path, "holds nothing but silence")
        return _to_int16(windows[powers > 0.01 * np.percentile(powers, 90)])

    with ThreadPoolExecutor(threads) as pool:
        results = list(pool.map(read, paths))
    pairs = [(path, cut) for path, cut in zip(paths, results, strict=True) if not isinstance(cut, Skipped)]
    rows = tuple(Clip(path, UNKNOWN, None, "training") for path, cut in pairs for _ in cut)
    samples = np.concatenate([np.empty((0, length), np.int16), *(cut for _, cut in pairs)])
    return ClipStore(samples, rows, tuple(cut for cut in results if isinstance(cut, Skipped)))


def _to_int16(samples: FloatArray) -> NDArray[np.int16]:
    return np.clip(samples * FULL_SCALE, -FULL_SCALE, FULL_SCALE).round().astype(np.int16)


def load_noises(paths: Sequence[Path], features: FeatureSettings) -> tuple[list[FloatArray], list[Skipped]]:
    """Read recordings of background noise; those shorter than a window are repeated until they fill it."""
    noises, skipped = [], []
    for path in paths:
        try:
            noise = audio.load(path, features.sample_rate)
        except AudioError as error:
            skipped.append(Skipped(path, str(error)))
            continue
        noises.append(noise if len(noise) >= features.clip_samples else np.resize(noise, features.clip_samples))
    return noises, skipped


def label_of(word: str, labels: Sequence[str]) -> str:
    """Return the label that a word stands for: itself, or unknown."""
    return word if word in labels or word == SILENCE else UNKNOWN


def labelled(rows: Sequence[Clip], labels: Sequence[str]) -> list[Clip]:
    """Return the clips that some label stands for."""
    return [row for row in rows if label_of(row.word, labels) in labels]


def silence_level(rng: np.random.Generator) -> float:
    """Draw how loud the background noise is in a clip without a word: from 0 to 1, sometimes there is none at all."""
    return max(rng.uniform(-0.1, 1.0), 0.0)


def silence(noises: Sequence[FloatArray], length: int, rng: np.random.Generator) -> FloatArray:
    """Make a clip without a word: a slice of background noise at a random level."""
    return augmentation.random_slice(noises, length, rng) * np.float32(silence_level(rng))


class ClipSet(NamedTuple):
    """A fixed set of windows with their labels, for measuring.

    Attributes
    ----------
    windows : ndarray of float32, shape (clips, samples)
        One window each.
    labels : ndarray of int, shape (clips,)
        Index of the right label.
    names : tuple of str
        Path of each clip, or what a made-up one is.
    """

    windows: FloatArray
    labels: Labels
    names: tuple[str, ...]

    def with_noise(self, noises: Sequence[FloatArray], snr: float, rng: np.random.Generator) -> "ClipSet":
        """Return the same clips with noise `snr` decibels below each.

        Silent clips get noise as loud as it is in the median clip, so that they can be mistaken for words.
        """
        windows = np.empty_like(self.windows)
        powers = np.einsum("cs,cs->c", self.windows, self.windows)
        typical = float(np.median(powers))
        silent = np.array([name.startswith(f"{SILENCE} ") or Path(name).parent.name == SILENCE for name in self.names])
        for window, clip, power in zip(windows, self.windows, np.where(silent, typical, powers), strict=True):
            noise = augmentation.random_slice(noises, len(clip), rng)
            gain = augmentation.snr_gain(float(power), float(np.dot(noise, noise)), snr)
            np.add(clip, np.float32(np.sqrt(gain)) * noise, out=window)
        return self._replace(windows=windows)


def whole_set(store: ClipStore, labels: Sequence[str]) -> ClipSet:
    """Make a set for measuring from every clip that some label stands for."""
    truth = np.array([labels.index(label_of(row.word, labels)) for row in store.rows], np.int64)
    return ClipSet(store.windows(np.arange(len(truth))), truth, tuple(str(row.path) for row in store.rows))


def benchmark_set(store: ClipStore, noises: Sequence[FloatArray], labels: Sequence[str], seed: int) -> ClipSet:
    """Make a set for measuring in the proportions of the official benchmark.

    Unknown words and silence each get as many clips as a word has on average: a choice from the other words, as even
    as their clips allow, and slices of background noise.

    Parameters
    ----------
    store : ClipStore
        Clips of one split, each of which some label stands for.
    noises : sequence of ndarray of float32
        Background noise.
    labels : sequence of str
        The labels of the model.
    seed : int
        Chooses the unknown clips and the slices of noise.
    """
    rng = np.random.default_rng(seed)
    every = whole_set(store, labels)
    chosen = np.ones(len(every.labels), bool)
    words = [position for position, label in enumerate(labels) if label not in (SILENCE, UNKNOWN)]
    share = max(round(np.isin(every.labels, words).sum() / max(len(words), 1)), 1)
    if UNKNOWN in labels:
        unknown = rng.permutation(np.flatnonzero(every.labels == labels.index(UNKNOWN)))
        # One clip of each word, then another of each, and so on.
        seen: Counter[str] = Counter()
        turns = []
        for position in unknown:
            word = store.rows[position].word
            seen[word] += 1
            turns.append(seen[word])
        chosen[unknown[np.argsort(turns, kind="stable")][share:]] = False
    windows, truth = every.windows[chosen], every.labels[chosen]
    names = [name for name, keep in zip(every.names, chosen, strict=True) if keep]
    if SILENCE in labels and noises:
        silences = np.stack([silence(noises, store.samples.shape[1], rng) for _ in range(share)])
        windows = np.concatenate([windows, silences])
        truth = np.concatenate([truth, np.full(share, labels.index(SILENCE))])
        names += [f"{SILENCE} {number}" for number in range(share)]
    return ClipSet(windows, truth, tuple(names))
