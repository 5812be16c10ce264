"""Training clips as mel energies, varied in speed, position and room, and renewed bit by bit.

These variations and the features cost more than a step of the network. So each clip is varied once for several epochs;
every epoch renews a part of the clips. What is cheap is varied at each draw: a shift by whole frames here, level, noise
and masks in `augmentation`.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from sayso.config import Settings
from sayso.corpus.clips import Clips, FloatArray, Labels
from sayso.features.mfcc import MfccExtractor
from sayso.training import augmentation
from sayso.training.reverberation import Rooms

# Purposes of random numbers, so that no two of them share a sequence; `dataset` has its own.
_VARIANT, _ROOMS = 10, 11

# Generated rooms to choose from.
ROOMS = 50
# Clips that are varied together, by one thread.
_CHUNK = 64


class AugmentedClips:
    """Mel energies of clips.

    Parameters
    ----------
    store : Clips
        The clips.
    settings : Settings
        How far to vary them.
    extractor : MfccExtractor
        Makes the energies.

    Attributes
    ----------
    energies : ndarray of float32, shape (clips, frames + 2 margin, mel_bands)
        The energies of the variants that are in use now.
    """

    def __init__(self, store: Clips, settings: Settings, extractor: MfccExtractor) -> None:
        features, augment, seed = settings.features, settings.augmentation, settings.training.seed
        self._store, self._settings, self._extractor = store, settings, extractor
        limit = round(augment.shift * features.sample_rate)
        self._offset = min(features.hop_samples // 2, limit)
        self._margin = (limit - self._offset) // features.hop_samples
        self._length = features.clip_samples + 2 * self._margin * features.hop_samples
        self._rooms = None
        if augment.reverberation_probability:
            rng = np.random.default_rng([seed, _ROOMS])
            self._rooms = Rooms.generate(ROOMS, augment.reverberation_time, self._length, features.sample_rate, rng)
        self._made = np.full(augment.renewal, -1)
        shape = (len(store.rows), features.frames + 2 * self._margin, features.mel_bands)
        self.energies = np.empty(shape, np.float32)

    def renew(self, epoch: int, threads: int) -> None:
        """Make the variants that an epoch draws from.

        One part of the clips is due in each epoch; at first, and when a training is resumed, all are made. Each variant
        depends on the seed and the epoch that it was due in, and on nothing else.

        Parameters
        ----------
        epoch : int
            Its number, 0 or more.
        threads : int
            How many threads share the work; the result does not depend on it.
        """
        parts = len(self._made)
        due = np.array([epoch + parts - (epoch - part) % parts for part in range(parts)])
        chunks = [
            (positions, [self._settings.training.seed, _VARIANT, int(due[part]), part, number])
            for part in np.flatnonzero(due != self._made)
            for number, positions in enumerate(_chunks(np.arange(part, len(self.energies), parts)))
        ]
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(self._make, chunks))
        self._made = due

    def _make(self, chunk: tuple[Labels, list[int]]) -> None:
        positions, seed = chunk
        settings, rng = self._settings, np.random.default_rng(seed)
        rate = settings.features.sample_rate
        varied = [
            augmentation.vary(clip, self._length, self._offset, self._rooms, settings.augmentation, rate, rng)
            for clip in self._store.windows(positions)
        ]
        self.energies[positions] = self._extractor.energies(np.stack(varied))

    def draw(self, positions: Labels, rng: np.random.Generator) -> FloatArray:
        """Return the energies of clips, each shifted by whole frames, shape (positions, frames, mel_bands)."""
        frames = self._settings.features.frames
        starts = rng.integers(2 * self._margin + 1, size=len(positions))
        drawn: FloatArray = self.energies[positions[:, None], starts[:, None] + np.arange(frames)]
        return drawn


def _chunks(positions: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    return [positions[start : start + _CHUNK] for start in range(0, len(positions), _CHUNK)]
