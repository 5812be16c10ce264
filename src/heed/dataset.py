"""From rows of a corpus to batches of features: which clips stand for which label, how often they are drawn, how they vary.

Clips are kept as 16-bit samples in memory and become features on the fly, in threads, while the network learns. Each batch has
a random generator of its own, made from seed, epoch and position; so batches do not depend on how many threads made them.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from heed import audio, augmentation
from heed.config import SILENCE, UNKNOWN, Settings
from heed.corpus import Clip, Skipped
from heed.errors import AudioError, CorpusError
from heed.features import MfccExtractor, Standardizer

FloatArray = NDArray[np.float32]
Labels = NDArray[np.int64]

FULL_SCALE = 32_767

# Purposes of random numbers, so that no two of them share a sequence.
_PLAN, _BATCH, _SILENCE, _CHOICE = range(4)


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


def load_clips(rows: Sequence[Clip], settings: Settings, threads: int) -> ClipStore:
    """Read clips, fit each to one window, and tell which could not be used.

    Parameters
    ----------
    rows : sequence of Clip
        What to read.
    settings : Settings
        Sample rate and length of the window.
    threads : int
        How many files are read at a time.
    """
    length, rate = settings.features.clip_samples, settings.features.sample_rate
    samples = np.empty((len(rows), length), np.int16)

    def read(position: int) -> str | None:
        try:
            clip, _ = audio.fit(audio.load(rows[position].path, rate), length)
        except AudioError as error:
            return str(error)
        samples[position] = np.clip(clip * FULL_SCALE, -FULL_SCALE, FULL_SCALE).round()
        return None

    with ThreadPoolExecutor(threads) as pool:
        reasons = list(pool.map(read, range(len(rows))))
    good = [position for position, reason in enumerate(reasons) if reason is None]
    skipped = tuple(Skipped(row.path, reason) for row, reason in zip(rows, reasons, strict=True) if reason is not None)
    if skipped:
        samples = samples[good]
    return ClipStore(samples, tuple(rows[position] for position in good), skipped)


def load_noises(paths: Sequence[Path], settings: Settings) -> tuple[list[FloatArray], list[Skipped]]:
    """Read recordings of background noise; those shorter than a window are repeated until they fill it."""
    noises, skipped = [], []
    for path in paths:
        try:
            noise = audio.load(path, settings.features.sample_rate)
        except AudioError as error:
            skipped.append(Skipped(path, str(error)))
            continue
        if len(noise) < settings.features.clip_samples:
            noise = np.resize(noise, settings.features.clip_samples)
        noises.append(noise)
    return noises, skipped


def label_of(word: str, labels: Sequence[str]) -> str:
    """Return the label that a word stands for: itself, or unknown."""
    return word if word in labels else UNKNOWN


@dataclass(frozen=True)
class ClipSet:
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


def measuring_set(
    store: ClipStore, noises: Sequence[FloatArray], labels: Sequence[str], seed: int, draw: bool = True
) -> ClipSet:
    """Make a set for measuring from clips and noise, by a fixed rule.

    Parameters
    ----------
    store : ClipStore
        Clips of one split.
    noises : sequence of ndarray of float32
        Background noise for the silence clips.
    labels : sequence of str
        The labels of the model.
    seed : int
        Chooses the unknown clips and the slices of noise.
    draw : bool
        Whether unknown and silence each get as many clips as a word has on average, as in the official benchmark, rather
        than just the clips that are there.
    """
    rng = np.random.default_rng([seed, _CHOICE])
    targets = np.array([labels.index(label_of(row.word, labels)) if UNKNOWN in labels else labels.index(row.word)
                        for row in store.rows], np.int64)  # fmt: skip
    keep = np.arange(len(targets))
    extra: list[FloatArray] = []
    if draw:
        words = [position for position, label in enumerate(labels) if label not in (SILENCE, UNKNOWN)]
        share = max(round(np.isin(targets, words).sum() / max(len(words), 1)), 1)
        if UNKNOWN in labels:
            unknown = np.flatnonzero(targets == labels.index(UNKNOWN))
            dropped = rng.permutation(unknown)[share:]
            keep = np.setdiff1d(keep, dropped)
        if SILENCE in labels and noises:
            length = store.samples.shape[1]
            extra = [silence(noises, length, rng) for _ in range(share)]
    windows = np.concatenate([store.samples[keep].astype(np.float32) / FULL_SCALE, *[clip[None] for clip in extra]])
    names = [str(store.rows[position].path) for position in keep] + [f"silence {i}" for i in range(len(extra))]
    all_labels = np.concatenate([targets[keep], np.full(len(extra), labels.index(SILENCE) if extra else 0, np.int64)])
    return ClipSet(windows, all_labels, tuple(names))


def silence(noises: Sequence[FloatArray], length: int, rng: np.random.Generator) -> FloatArray:
    """Make a clip without a word: a slice of background noise at a random level, sometimes none at all."""
    level = np.float32(max(rng.uniform(-0.1, 1.0), 0.0))
    return augmentation.random_slice(noises, length, rng) * level


class TrainingSet:
    """Clips to learn from, drawn so that every label comes equally often, varied afresh each time.

    Parameters
    ----------
    store : ClipStore
        Training clips.
    noises : sequence of ndarray of float32
        Background noise.
    labels : sequence of str
        The labels of the model.
    settings : Settings
        Augmentation, batch size and seed.
    extractor : MfccExtractor
        Makes the features.

    Attributes
    ----------
    batches : int
        Batches in one epoch, which draws as many clips of each label as a word has on average.
    """

    def __init__(
        self,
        store: ClipStore,
        noises: Sequence[FloatArray],
        labels: Sequence[str],
        settings: Settings,
        extractor: MfccExtractor,
    ) -> None:
        self.labels = tuple(labels)
        self._samples = store.samples
        self._noises = noises
        self._settings = settings
        self._extractor = extractor
        self._pools = [self._pool(store.rows, label) for label in self.labels]
        for label, pool in zip(self.labels, self._pools, strict=True):
            if not pool and not (label == SILENCE and noises):
                raise CorpusError(f"no usable training clip of {label}; add recordings of it or leave it out")
        words = [sum(map(len, pool)) for label, pool in zip(self.labels, self._pools, strict=True)
                 if label not in (SILENCE, UNKNOWN)]  # fmt: skip
        self._draws = max(round(np.mean(words)), 1)
        size = self._draws * len(self.labels)
        self.batch_size = min(settings.training.batch_size, size)
        self.batches = size // self.batch_size

    def _pool(self, rows: Sequence[Clip], label: str) -> list[Labels]:
        """Positions of the clips that stand for a label, word by word."""
        words: dict[str, list[int]] = {}
        for position, row in enumerate(rows):
            if label_of(row.word, self.labels) == label:
                words.setdefault(row.word, []).append(position)
        return [np.array(positions) for positions in words.values()]

    def epoch(self, epoch: int, standardizer: Standardizer, threads: int) -> Iterator[tuple[FloatArray, Labels]]:
        """Yield the batches of one epoch, made ahead by `threads` threads.

        Yields
        ------
        features : ndarray of float32, shape (batch, frames, width)
            Standardised features.
        labels : ndarray of int, shape (batch,)
            Index of the right label of each.
        """
        positions, labels = self._plan(epoch)

        def make(batch: int) -> tuple[FloatArray, Labels]:
            part = slice(batch * self.batch_size, (batch + 1) * self.batch_size)
            rng = np.random.default_rng([self._settings.training.seed, _BATCH, epoch, batch])
            return standardizer.apply(self._features(positions[part], rng)), labels[part]

        pool = ThreadPoolExecutor(threads)
        ahead: deque[Future[tuple[FloatArray, Labels]]] = deque()
        try:
            for batch in range(self.batches):
                ahead.append(pool.submit(make, batch))
                if len(ahead) > 2 * threads:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)

    def standardizer(self, clips: int = 2_000) -> Standardizer:
        """Fit the standardisation on the first clips of an epoch of its own."""
        positions, _ = self._plan(0)
        rng = np.random.default_rng([self._settings.training.seed, _BATCH])
        return Standardizer.fit(self._features(positions[:clips], rng))

    def _plan(self, epoch: int) -> tuple[Labels, Labels]:
        """Choose which clips one epoch draws, in which order; position -1 is a silence clip yet to be made."""
        rng = np.random.default_rng([self._settings.training.seed, _PLAN, epoch])
        positions = np.concatenate([self._draw(pool, rng) for pool in self._pools])
        labels = np.repeat(np.arange(len(self.labels)), self._draws)
        order = rng.permutation(len(positions))
        return positions[order], labels[order]

    def _draw(self, pool: Sequence[Labels], rng: np.random.Generator) -> Labels:
        """Draw clips of one label, each as often as any other, give or take one.

        Where several words stand for a label, a word is drawn in proportion to the square root of its clips: a rare word
        counts for more than its clips, which is what makes "unknown" mean more than its most frequent words.
        """
        if not pool:
            return np.full(self._draws, -1)
        weights = np.sqrt([len(positions) for positions in pool])
        counts = rng.multinomial(self._draws, weights / weights.sum())
        drawn = []
        for positions, count in zip(pool, counts, strict=True):
            rounds = -(-count // len(positions))
            drawn.append(np.concatenate([rng.permutation(positions) for _ in range(rounds)] or [positions[:0]])[:count])
        return np.concatenate(drawn)

    def _features(self, positions: Labels, rng: np.random.Generator) -> FloatArray:
        """Make the features of varied clips."""
        settings = self._settings
        clips = np.empty((len(positions), self._samples.shape[1]), np.float32)
        for clip, position in zip(clips, positions, strict=True):
            if position < 0:
                clip[:] = silence(self._noises, len(clip), rng)
            else:
                samples = self._samples[position].astype(np.float32) / np.float32(FULL_SCALE)
                clip[:] = augmentation.vary(
                    samples, self._noises, settings.augmentation, settings.features.sample_rate, rng
                )
        log_mel = self._extractor.log_mel(clips)
        augmentation.mask(log_mel, settings.augmentation, settings.features, rng)
        return self._extractor.cepstra(log_mel)
