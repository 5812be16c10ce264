"""Clips in memory, each fitted to the window that the network sees."""

import itertools
import math
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
from sayso.sound.high_pass import high_passed_clip
from sayso.sound.speech import fit_window
from sayso.sound.stream import Samples
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
    peaks : ndarray of float32, shape (clips,), or None
        What full scale of each clip's integers stands for: 1, or the largest magnitude of floats that exceed it. None
        if it is 1 for all.
    """

    samples: NDArray[np.int16]
    rows: tuple[Clip, ...]
    skipped: tuple[Skipped, ...]
    peaks: FloatArray | None = None

    def windows(self, positions: Labels) -> FloatArray:
        """Return the clips at some positions as they were read, shape (len(positions), samples)."""
        windows = self.samples[positions].astype(np.float32)
        windows /= FULL_SCALE
        if self.peaks is not None:
            windows *= self.peaks[positions][:, None]
        return windows

    def chosen(self, which: NDArray[np.bool_]) -> "Clips":
        """Return the clips for which a mask of shape (clips,) is true, copied."""
        return Clips(self.samples[which], tuple(itertools.compress(self.rows, which)), ())

    def between(self, start: int, stop: int) -> "Clips":
        """Return the clips from `start` to before `stop`; they are not copied."""
        peaks = None if self.peaks is None else self.peaks[start:stop]
        return Clips(self.samples[start:stop], self.rows[start:stop], (), peaks)

    def joined(self, other: "Clips") -> "Clips":
        """Return these clips followed by others."""
        samples = np.concatenate([self.samples, other.samples])
        peaks = np.concatenate([self.all_peaks, other.all_peaks])
        return Clips(samples, self.rows + other.rows, self.skipped + other.skipped, peaks)

    @property
    def all_peaks(self) -> FloatArray:
        """The peaks, of ones if there are none."""
        return np.ones(len(self.rows), np.float32) if self.peaks is None else self.peaks


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
    peaks = np.ones(len(rows), np.float32)
    reasons: list[str | None] = []
    paths = [row.path for row in rows]
    groups = [paths[start : start + GROUP] for start in range(0, len(paths), GROUP)]
    with spread(_read, features, groups, workers, few=FEW_GROUPS) as parts:
        for part, part_peaks, part_reasons in parts:
            place = slice(len(reasons), len(reasons) + len(part))
            samples[place], peaks[place] = part, part_peaks
            reasons += part_reasons
    good = [position for position, reason in enumerate(reasons) if reason is None]
    skipped = tuple(Skipped(row.path, reason) for row, reason in zip(rows, reasons, strict=True) if reason is not None)
    if skipped:
        samples, peaks = samples[good], peaks[good]
    return Clips(samples, tuple(rows[position] for position in good), skipped, peaks)


def _read(features: FeatureSettings, paths: Sequence[Path]) -> tuple[NDArray[np.int16], FloatArray, list[str | None]]:
    """Read some clips; return each fitted to one window, its peak, and the reason if it cannot be used, else None."""
    samples, peaks = np.zeros((len(paths), features.clip_samples), np.int16), np.ones(len(paths), np.float32)
    reasons: list[str | None] = []
    for number, path in enumerate(paths):
        try:
            clip, _ = fit_window(read_sound(path, features, LONGEST), features.clip_samples)
        except AudioError as error:
            reasons.append(str(error))
            continue
        samples[number], peaks[number] = to_int16(clip)
        reasons.append(None)
    return samples, peaks, reasons


def fitted(samples: NDArray[np.int16], length: int) -> NDArray[np.int16]:
    """Return clips of shape (clips, samples) that may hold more than one window, each fitted to one."""
    if samples.shape[1] == length:
        return samples
    return np.array([fit_window(clip, length)[0] for clip in samples], np.int16).reshape(-1, length)


def read_sound(path: Path, features: FeatureSettings, longest: float = math.inf) -> Samples:
    """Read a whole sound as the features want it."""
    samples = audio.load(path, features.sample_rate, longest, only_files=True)
    return high_passed_clip(samples, features.high_pass, features.sample_rate)


def load_negatives(paths: Sequence[Path], features: FeatureSettings, threads: int) -> Clips:
    """Read recordings of speech without any of the words and cut them into windows, each a clip of an unknown word.

    Each window starts in the middle of the one before it. Windows more than 20 dB below the loud ones of their file
    (the ninth decile) are pauses and are left out. So is a remainder of less than a quarter of a window.
    """
    length = features.clip_samples

    def read(path: Path) -> list[tuple[NDArray[np.int16], float]] | Skipped:
        try:
            speech = read_sound(path, features)
        except AudioError as error:
            return Skipped(path, str(error))
        step = length // 2
        count = max((len(speech) - length + step // 2) // step + 1, 1)
        padded = np.zeros(length + (count - 1) * step, np.float32)
        padded[: len(speech)] = speech[: len(padded)]
        windows = np.lib.stride_tricks.sliding_window_view(padded, length)[::step]
        powers = np.square(windows).mean(axis=1)
        if not powers.any():
            return Skipped(path, "holds nothing but silence")
        return [to_int16(window) for window in windows[powers > 0.01 * np.percentile(powers, 90)]]

    with ThreadPoolExecutor(threads) as pool:
        results = list(pool.map(read, paths))
    pairs = [(path, cut) for path, cut in zip(paths, results, strict=True) if not isinstance(cut, Skipped)]
    rows = tuple(Clip(path, UNKNOWN, None, "training") for path, cut in pairs for _ in cut)
    cuts = [window for _, cut in pairs for window in cut]
    samples = np.array([window for window, _ in cuts], np.int16).reshape(-1, length)
    peaks = np.array([peak for _, peak in cuts], np.float32)
    return Clips(samples, rows, tuple(cut for cut in results if isinstance(cut, Skipped)), peaks)


def to_int16(samples: FloatArray) -> tuple[NDArray[np.int16], float]:
    """Return a clip as integers, and what their full scale stands for: floats beyond 1 are not cut off."""
    peak = max(float(samples.max()), -float(samples.min()), 1.0)
    scaled = samples if peak == 1 else samples / np.float32(peak)
    return np.clip(scaled * FULL_SCALE, -FULL_SCALE, FULL_SCALE).round().astype(np.int16), peak


def load_noises(paths: Sequence[Path], features: FeatureSettings) -> tuple[list[FloatArray], list[Skipped]]:
    """Read recordings of background noise; one shorter than a window is repeated until it fills the window."""
    noises, skipped = [], []
    for path in paths:
        try:
            noise = read_sound(path, features)
        except AudioError as error:
            skipped.append(Skipped(path, str(error)))
            continue
        noises.append(noise if len(noise) >= features.clip_samples else np.resize(noise, features.clip_samples))
    return noises, skipped


def labelled(rows: Sequence[Clip], labels: Sequence[str]) -> list[Clip]:
    """Return the clips whose label, as `label_of` gives it, is one of these."""
    return [row for row in rows if label_of(row.word, labels) in labels]
