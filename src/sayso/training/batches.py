"""Training batches: clips drawn evenly from all labels, varied afresh, and turned into features on the fly.

Batches are made in threads while the network learns. Each has a random generator of its own, made from seed, epoch and
position; so they do not depend on how many threads made them.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from sayso.config import SILENCE, UNKNOWN, Settings
from sayso.config.labels import label_of
from sayso.corpus.clip_sets import silence_level
from sayso.corpus.clips import Clips, FloatArray, Labels
from sayso.corpus.corpus import Clip
from sayso.errors import CorpusError
from sayso.features.mfcc import MfccExtractor
from sayso.features.standardizer import Standardizer
from sayso.sound.noise import random_slice
from sayso.system.workers import in_order
from sayso.training import augmentation
from sayso.training.augmented_clips import AugmentedClips

# A word of unknown speech with fewer clips is no class of its own.
FEWEST_CLIPS = 10

# Purposes of random numbers, so that no two of them share a sequence.
_PLAN, _BATCH, _PLAIN = 0, 1, 2


class TrainingSet:
    """Clips to learn from, drawn so that every word comes equally often, varied afresh each time.

    Parameters
    ----------
    store : Clips
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
    labels : tuple of str
        The labels of the model.
    parts : tuple of str
        Words that all are unknown speech, each of which is learned as a class of its own, behind the labels.
    batches : int
        Batches in one epoch, which draws as many clips of each label as a word has on average, and of unknown speech
        so many times as the settings ask for.
    """

    def __init__(
        self,
        store: Clips,
        noises: Sequence[FloatArray],
        labels: Sequence[str],
        settings: Settings,
        extractor: MfccExtractor,
    ) -> None:
        self.labels = tuple(labels)
        self._store = store
        self._clips = AugmentedClips(store, settings, extractor)
        self._noises = [extractor.energies(noise[None])[0] for noise in noises]
        self._settings = settings
        self._extractor = extractor
        self._pools = [self._pool(store.rows, label) for label in self.labels]
        for label, pool in zip(self.labels, self._pools, strict=True):
            if not pool and not (label == SILENCE and noises):
                raise CorpusError(f"no usable training clip of {label}; add recordings of it or leave it out")
        self.parts = self._words_of_unknown_speech() if settings.training.unknown_by_word else ()
        places = {name: place for place, name in enumerate((*self.labels, *self.parts))}
        names = (row.word if row.word in places else label_of(row.word, self.labels) for row in store.rows)
        self._classes = np.array([places[name] for name in names], np.int64)
        words = [sum(map(len, pool)) for label, pool in zip(self.labels, self._pools, strict=True)
                 if label not in (SILENCE, UNKNOWN)]  # fmt: skip
        share, unknown = max(round(np.mean(words)), 1), settings.training.unknown_draws
        self._counts = [max(round(share * unknown), 1) if label == UNKNOWN else share for label in self.labels]
        size = sum(self._counts)
        self.batch_size = min(settings.training.batch_size, size)
        self.batches = size // self.batch_size

    def _pool(self, rows: Sequence[Clip], label: str) -> list[Labels]:
        """Positions of the clips that stand for a label, word by word."""
        words: dict[str, list[int]] = {}
        for position, row in enumerate(rows):
            if label_of(row.word, self.labels) == label:
                words.setdefault(row.word, []).append(position)
        return [np.array(positions) for positions in words.values()]

    def _words_of_unknown_speech(self) -> tuple[str, ...]:
        clips = Counter(row.word for row in self._store.rows if row.word not in self.labels)
        return tuple(sorted(word for word, count in clips.items() if count >= FEWEST_CLIPS))

    def labels_of(self, classes: Labels) -> Labels:
        """Return the index of the label that each class stands for."""
        unknown = [self.labels.index(UNKNOWN) for _ in self.parts]
        labels: Labels = np.array([*range(len(self.labels)), *unknown])[classes]
        return labels

    def epoch(self, epoch: int, standardizer: Standardizer, threads: int) -> Iterator[tuple[FloatArray, Labels]]:
        """Yield the batches of one epoch, made ahead by `threads` threads.

        Yields
        ------
        features : ndarray of float32, shape (batch, frames, width)
            Standardised features.
        classes : ndarray of int, shape (batch,)
            Index of the right label, or part, of each.
        """
        positions, classes = self._plan(epoch)
        self._clips.renew(epoch, threads)

        def make(batch: int) -> tuple[FloatArray, Labels]:
            part = slice(batch * self.batch_size, (batch + 1) * self.batch_size)
            rng = np.random.default_rng([self._settings.training.seed, _BATCH, epoch, batch])
            return standardizer.apply(self._features(positions[part], rng)), classes[part]

        yield from in_order(make, range(self.batches), threads)

    def standardizer(self, threads: int, clips: int = 2_000) -> Standardizer:
        """Fit the standardisation on the first clips of an epoch of its own."""
        positions, _ = self._plan(0)
        self._clips.renew(0, threads)
        rng = np.random.default_rng([self._settings.training.seed, _BATCH])
        return Standardizer.fit(self._features(positions[:clips], rng))

    def plain_unknown(self, standardizer: Standardizer, most: int) -> FloatArray:
        """Make the features of clips of unknown speech as they are, running speech before single words.

        Returns
        -------
        features : ndarray of float32, shape (at most `most`, frames, width)
            Standardised features.
        """
        rng, rows = np.random.default_rng([self._settings.training.seed, _PLAIN]), self._store.rows
        unknown = [place for place, row in enumerate(rows) if label_of(row.word, self.labels) == UNKNOWN]
        order = sorted(rng.permutation(np.array(unknown, int)).tolist(), key=lambda place: rows[place].word != UNKNOWN)
        windows = self._store.windows(np.array(order[:most], int))
        return standardizer.apply(self._extractor(windows))

    def _plan(self, epoch: int) -> tuple[Labels, Labels]:
        """Choose which clips one epoch draws, in which order; position -1 is a silence clip yet to be made."""
        rng = np.random.default_rng([self._settings.training.seed, _PLAN, epoch])
        drawn = zip(self._pools, self._counts, strict=True)
        positions = np.concatenate([self._draw(pool, count, rng) for pool, count in drawn])
        labels = np.repeat(np.arange(len(self.labels)), self._counts)
        classes = np.where(positions < 0, labels, self._classes[positions])
        order = rng.permutation(len(positions))
        return positions[order], classes[order]

    def _draw(self, pool: Sequence[Labels], draws: int, rng: np.random.Generator) -> Labels:
        """Draw clips of one label, each as often as any other, give or take one.

        Where several words stand for a label, a word is drawn in proportion to the square root of its clips: a rare
        word counts for more than its clips, which is what makes "unknown" mean more than its most frequent words.
        """
        if not pool:
            return np.full(draws, -1)
        weights = np.sqrt([len(positions) for positions in pool])
        counts = rng.multinomial(draws, weights / weights.sum())
        drawn = []
        for positions, count in zip(pool, counts, strict=True):
            rounds = -(-count // len(positions))
            drawn.append(np.concatenate([rng.permutation(positions) for _ in range(rounds)] or [positions[:0]])[:count])
        chosen: Labels = np.concatenate(drawn)
        return chosen

    def _features(self, positions: Labels, rng: np.random.Generator) -> FloatArray:
        """Make the features of varied clips."""
        settings, extractor = self._settings, self._extractor
        energies = self._clips.draw(positions, rng)
        augmentation.add_noise(energies, self._noises, extractor.band_widths, settings.augmentation, rng)
        for clip in np.flatnonzero(positions < 0):
            noise = random_slice(self._noises, settings.features.frames, rng)
            energies[clip] = np.float32(silence_level(rng) ** 2) * noise
        log_mel = extractor.decibels(energies)
        augmentation.mask(log_mel, settings.augmentation, settings.features, rng)
        return extractor.cepstra(log_mel)
