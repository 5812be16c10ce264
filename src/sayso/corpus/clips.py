"""Clips in memory, each fitted to the window that the network sees."""

import itertools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sayso.config import UNKNOWN, FeatureSettings
from sayso.config.labels import label_of
from sayso.corpus.corpus import Clip
from sayso.corpus.skipped import Skipped
from sayso.errors import AudioError
from sayso.sound import audio
from sayso.sound.speech import fit_window
from sayso.system.workers import spread

FloatArray = NDArray[np.float32]
Labels = NDArray[np.int64]

FULL_SCALE = 32_767
# Longest clip of a word in seconds: a few bytes of FLAC can hold hours, which would fill the memory.
LONGEST = 60.0

# Clips that a worker process reads at a time. No process is started for as few groups as this: it would take as long as
# reading them.
GROUP, FEW_GROUPS = 256, 4


class Clips(NamedTuple):
    """Clips in memory.

    Attributes
    ----------
    samples : ndarray of int16, shape (clips, samples)
        Each clip fitted to the window that the network sees.
    rows : tuple of Clip
        Where each clip comes from.
    skipped : tuple of Skipped
        Files that could not be used, and why.
    """

    samples: NDArray[np.int16]
    rows: tuple[Clip, ...]
    skipped: tuple[Skipped, ...]

    def windows(self, positions: Labels) -> FloatArray:
        """Return the clips at some positions as numbers from -1 to 1, shape (len(positions), samples)."""
        windows = self.samples[positions].astype(np.float32)
        windows /= FULL_SCALE
        return windows

    def chosen(self, which: NDArray[np.bool_]) -> "Clips":
        """Return the clips for which a mask of shape (clips,) is true, copied."""
        return Clips(self.samples[which], tuple(itertools.compress(self.rows, which)), ())

    def between(self, start: int, stop: int) -> "Clips":
        """Return the clips from `start` to before `stop`; they are not copied."""
        return Clips(self.samples[start:stop], self.rows[start:stop], ())

    def joined(self, other: "Clips") -> "Clips":
        """Return these clips followed by others."""
        samples = np.concatenate([self.samples, other.samples])
        return Clips(samples, self.rows + other.rows, self.skipped + other.skipped)


def load_clips(rows: Sequence[Clip], features: FeatureSettings, workers: int) -> Clips:
    """Read clips and fit each to one window; list those that cannot be used.

    Parameters
    ----------
    rows : sequence of Clip
        The clips to read.
    features : FeatureSettings
        Sample rate and length of the window.
    workers : int
        Number of processes that share the work; the result does not depend on it.
    """
    samples = np.empty((len(rows), features.clip_samples), np.int16)
    reasons: list[str | None] = []
    paths = [row.path for row in rows]
    groups = [paths[start : start + GROUP] for start in range(0, len(paths), GROUP)]
    with spread(_read, features, groups, workers, few=FEW_GROUPS) as parts:
        for part, part_reasons in parts:
            samples[len(reasons) : len(reasons) + len(part)] = part
            reasons += part_reasons
    good = [position for position, reason in enumerate(reasons) if reason is None]
    skipped = tuple(Skipped(row.path, reason) for row, reason in zip(rows, reasons, strict=True) if reason is not None)
    if skipped:
        samples = samples[good]
    return Clips(samples, tuple(rows[position] for position in good), skipped)


def _read(features: FeatureSettings, paths: Sequence[Path]) -> tuple[NDArray[np.int16], list[str | None]]:
    """Read some clips; return each fitted to one window, and the reason if it cannot be used, else None."""
    samples = np.zeros((len(paths), features.clip_samples), np.int16)
    reasons: list[str | None] = []
    for window, path in zip(samples, paths, strict=True):
        try:
            clip, _ = fit_window(audio.load(path, features.sample_rate, LONGEST), features.clip_samples)
        except AudioError as error:
            reasons.append(str(error))
            continue
        window[:] = _to_int16(clip)
        reasons.append(None)
    return samples, reasons


def load_negatives(paths: Sequence[Path], features: FeatureSettings, threads: int) -> Clips:
    """Read recordings of speech without any of the words and cut them into windows, each a clip of an unknown word.

    Windows more than 20 dB below the loud ones of their file (the ninth decile) are pauses and are left out. So is a
    remainder that fills less than half a window, unless it is the whole recording.
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
    return Clips(samples, rows, tuple(cut for cut in results if isinstance(cut, Skipped)))


def _to_int16(samples: FloatArray) -> NDArray[np.int16]:
    return np.clip(samples * FULL_SCALE, -FULL_SCALE, FULL_SCALE).round().astype(np.int16)


def load_noises(paths: Sequence[Path], features: FeatureSettings) -> tuple[list[FloatArray], list[Skipped]]:
    """Read recordings of background noise; one shorter than a window is repeated until it fills the window."""
    noises, skipped = [], []
    for path in paths:
        try:
            noise = audio.load(path, features.sample_rate)
        except AudioError as error:
            skipped.append(Skipped(path, str(error)))
            continue
        noises.append(noise if len(noise) >= features.clip_samples else np.resize(noise, features.clip_samples))
    return noises, skipped


def labelled(rows: Sequence[Clip], labels: Sequence[str]) -> list[Clip]:
    """Return the clips whose label, as `label_of` gives it, is one of these."""
    return [row for row in rows if label_of(row.word, labels) in labels]
