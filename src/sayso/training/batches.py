"""Training batches: clips drawn evenly from all labels, augmented, and turned into features on the fly.

Threads prepare the batches while the network learns. Each batch has its own random generator, seeded with the seed, the
epoch and the position of the batch, so the result does not depend on the number of threads.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sayso.config import SILENCE, UNKNOWN, Settings
from sayso.config.labels import can_be_label, label_of
from sayso.corpus.clip_sets import silence_level
from sayso.corpus.clips import Clips, FloatArray, Labels
from sayso.corpus.corpus import Clip
from sayso.errors import CorpusError
from sayso.features.mfcc import MfccExtractor
from sayso.features.standardizer import Standardizer
from sayso.system.workers import in_order
from sayso.training import augmentation
from sayso.training.augmented_clips import AugmentedClips

# An unknown word with fewer clips than this does not become a separate class.
FEWEST_CLIPS = 10

# Purposes of random numbers, so that no two of them share a sequence.
_PLAN, _BATCH, _PLAIN = 0, 1, 2


class TrainingSet:
    """Clips to learn from, drawn so that every word comes equally often and augmented each time.

    Parameters
    ----------
    clips : Clips
        Training clips.
    noises : sequence of ndarray of float32
        Background noise.
    labels : sequence of str
        The labels of the model.
    settings : Settings
        Augmentation, batch size and seed.
    extractor : MfccExtractor
        Computes the features.

    Attributes
    ----------
    labels : tuple of str
        The labels of the model.
    parts : dict of str to float
        Unknown words that are each learned as a separate class, with the fraction of the draws of unknown speech that
        each gets; their indices follow those of the labels.
    batches : int
        Number of batches in an epoch. An epoch draws as many clips of each label as a word has on average, and
        `unknown_draws` times as many of unknown speech and `silence_draws` times as many of silence.
    """

    def __init__(
        self,
        clips: Clips,
        noises: Sequence[FloatArray],
        labels: Sequence[str],
        settings: Settings,
        extractor: MfccExtractor,
    ) -> None:
        self.labels = tuple(labels)
        self._clips = clips
        self._augmented = AugmentedClips(clips, settings, extractor)
        features, augment = settings.features, settings.augmentation
        self._noises = [
            extractor.energies(version[None])[0]
            for noise in noises
            for version in augmentation.at_speeds(noise, features.clip_samples, augment, features.sample_rate)
        ]
        self._settings = settings
        self._extractor = extractor
        self._pools = [self._pool(clips.rows, label) for label in self.labels]
        for label, pool in zip(self.labels, self._pools, strict=True):
            if not pool and not (label == SILENCE and noises):
                raise CorpusError(f"no usable training clip of {label}; add recordings of it or leave it out")
        self.parts = self._unknown_words() if settings.training.unknown_by_word else {}
        places = {name: place for place, name in enumerate((*self.labels, *self.parts))}
        names = (row.word if row.word in places else label_of(row.word, self.labels) for row in clips.rows)
        self._classes = np.array([places[name] for name in names], np.int64)
        words = [sum(map(len, pool)) for label, pool in zip(self.labels, self._pools, strict=True)
                 if label not in (SILENCE, UNKNOWN)]  # fmt: skip
        share = max(round(np.mean(words)), 1)
        draws = {UNKNOWN: settings.training.unknown_draws, SILENCE: settings.training.silence_draws}
        self._counts = [max(round(share * draws.get(label, 1)), 1) for label in self.labels]
        size = sum(self._counts)
        self.batch_size = min(settings.training.batch_size, size)
        self.batches = size // self.batch_size

    def _pool(self, rows: Sequence[Clip], label: str) -> list[Labels]:
        """Return the positions of the clips of a label, grouped by word, and by folder where no word is known."""
        groups: dict[tuple[str, Path | None], list[int]] = {}
        for position, row in enumerate(rows):
            if label_of(row.word, self.labels) == label:
                groups.setdefault((row.word, row.path.parent if row.word == UNKNOWN else None), []).append(position)
        return [np.array(positions) for positions in groups.values()]

    def _unknown_words(self) -> dict[str, float]:
        """Return the unknown words that have enough clips to be classes, or the most frequent, with their fractions."""
        if UNKNOWN not in self.labels:
            return {}
        pool = self._pools[self.labels.index(UNKNOWN)]
        enough = [
            (-len(positions), word, float(fraction))
            for positions, fraction in zip(pool, self._fractions(pool), strict=True)
            if (word := self._clips.rows[positions[0]].word) != UNKNOWN
            and len(positions) >= FEWEST_CLIPS
            and can_be_label(word)
        ]
        most = sorted(enough)[: self._settings.training.unknown_classes]
        return dict(sorted((word, fraction) for _, word, fraction in most))

    def labels_of(self, classes: Labels) -> Labels:
        """Return the index of the label that each class belongs to."""
        unknown = [self.labels.index(UNKNOWN) for _ in self.parts]
        labels: Labels = np.array([*range(len(self.labels)), *unknown])[classes]
        return labels

    def epoch(self, epoch: int, standardizer: Standardizer, threads: int) -> Iterator[tuple[FloatArray, Labels]]:
        """Yield the batches of one epoch, prepared in advance by `threads` threads.

        Yields
        ------
        features : ndarray of float32, shape (batch, frames, width)
            Standardised features.
        classes : ndarray of int, shape (batch,)
            Index of the true label, or part, of each.
        """
        positions, classes = self._plan(epoch)
        self._augmented.renew(epoch, threads)

        def make(batch: int) -> tuple[FloatArray, Labels]:
            part = slice(batch * self.batch_size, (batch + 1) * self.batch_size)
            rng = np.random.default_rng([self._settings.training.seed, _BATCH, epoch, batch])
            return standardizer.apply(self._features(positions[part], rng)), classes[part]

        yield from in_order(make, range(self.batches), threads)

    def standardizer(self, threads: int, clips: int = 2_000) -> Standardizer:
        """Fit the standardisation to the first clips of epoch 0, which is used for nothing else."""
        positions, _ = self._plan(0)
        self._augmented.renew(0, threads)
        rng = np.random.default_rng([self._settings.training.seed, _BATCH])
        return Standardizer.fit(self._features(positions[:clips], rng))

    def plain_unknown(self, standardizer: Standardizer, most: int) -> FloatArray:
        """Compute the features of clips of unknown speech without augmentation, running speech before single words.

        Returns
        -------
        features : ndarray of float32, shape (at most `most`, frames, width)
            Standardised features.
        """
        rng, rows = np.random.default_rng([self._settings.training.seed, _PLAIN]), self._clips.rows
        unknown = [place for place, row in enumerate(rows) if label_of(row.word, self.labels) == UNKNOWN]
        order = sorted(rng.permutation(np.array(unknown, int)).tolist(), key=lambda place: rows[place].word != UNKNOWN)
        windows = self._clips.windows(np.array(order[:most], int))
        return standardizer.apply(self._extractor(windows))

    def _plan(self, epoch: int) -> tuple[Labels, Labels]:
        """Choose the clips of one epoch and their order; position -1 is silence, to be made from background noise."""
        rng = np.random.default_rng([self._settings.training.seed, _PLAN, epoch])
        drawn = zip(self._pools, self._counts, strict=True)
        positions = np.concatenate([self._draw(pool, count, rng) for pool, count in drawn])
        labels = np.repeat(np.arange(len(self.labels)), self._counts)
        classes = np.where(positions < 0, labels, self._classes[positions])
        order = rng.permutation(len(positions))
        return positions[order], classes[order]

    def _draw(self, pool: Sequence[Labels], draws: int, rng: np.random.Generator) -> Labels:
        """Draw clips of one label; within a group, the number of draws of any two clips differs by at most one."""
        if not pool:
            return np.full(draws, -1)
        counts = rng.multinomial(draws, self._fractions(pool))
        drawn = []
        for positions, count in zip(pool, counts, strict=True):
            rounds = -(-count // len(positions))
            drawn.append(np.concatenate([rng.permutation(positions) for _ in range(rounds)] or [positions[:0]])[:count])
        chosen: Labels = np.concatenate(drawn)
        return chosen

    def _fractions(self, pool: Sequence[Labels]) -> NDArray[np.float64]:
        """Return the fraction of the draws of a label that each of its groups gets.

        Where a label stands for several words, each is drawn in proportion to the square root of its number of clips.
        Rare words so get more than their share, and "unknown" means more than its most frequent words. Where it has
        both words and recordings of running speech, each kind gets half of the draws.
        """
        weights = np.sqrt([len(positions) for positions in pool])
        running = np.array([self._clips.rows[positions[0]].word == UNKNOWN for positions in pool])
        if running.any() and not running.all():
            weights[running] *= weights[~running].sum() / weights[running].sum()
        fractions: NDArray[np.float64] = weights / weights.sum()
        return fractions

    def _features(self, positions: Labels, rng: np.random.Generator) -> FloatArray:
        """Compute the features of augmented clips; positions of -1 become silence."""
        settings, extractor = self._settings, self._extractor
        energies = self._augmented.draw(positions, rng)
        augmentation.add_noise(energies, self._noises, extractor.band_widths, settings.augmentation, rng)
        for clip in np.flatnonzero(positions < 0):
            noise = augmentation.draw_noise(self._noises, settings.features.frames, settings.augmentation, rng)
            energies[clip] = np.float32(silence_level(rng) ** 2) * noise
        augmentation.colour(energies, settings.augmentation, rng)
        log_mel = extractor.decibels(energies)
        augmentation.mask(log_mel, settings.augmentation, settings.features, rng)
        return extractor.cepstra(log_mel)
