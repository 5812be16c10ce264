"""Training clips as mel energies, changed in speed, position and reverberation, and renewed part by part.

These changes and the features cost more than a training step of the network. So each augmented clip is used for several
epochs, and every epoch renews a part of them. What is cheap is drawn anew every time a clip is used: a shift by whole
frames here, and level, noise and masks in `augmentation`.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from sayso.config import Settings
from sayso.corpus.clips import Clips, FloatArray, Labels
from sayso.features.mfcc import MfccExtractor
from sayso.training import augmentation
from sayso.training.reverberation import ImpulseResponses

# Purposes of random numbers, so that no two of them share a sequence; `batches` has others.
_CLIPS, _RESPONSES = 10, 11

# Number of room impulse responses to draw from.
RESPONSES = 50
# Number of clips that one thread augments at a time.
_CHUNK = 64


class AugmentedClips:
    """Mel energies of augmented clips.

    Parameters
    ----------
    clips : Clips
        The clips.
    settings : Settings
        How to augment them.
    extractor : MfccExtractor
        Computes the energies.

    Attributes
    ----------
    energies : ndarray of float32, shape (clips, frames + 2 margin, mel_bands)
        Mel energies of the current version of each clip.
    """

    def __init__(self, clips: Clips, settings: Settings, extractor: MfccExtractor) -> None:
        features, augment, seed = settings.features, settings.augmentation, settings.training.seed
        self._clips, self._settings, self._extractor = clips, settings, extractor
        limit = round(augment.shift * features.sample_rate)
        self._offset = min(features.hop_samples // 2, limit)
        self._margin = (limit - self._offset) // features.hop_samples
        self._length = features.clip_samples + 2 * self._margin * features.hop_samples
        self._responses = None
        if augment.reverberation_probability:
            self._responses = ImpulseResponses.generate(
                RESPONSES,
                augment.reverberation_time,
                self._length,
                features.sample_rate,
                np.random.default_rng([seed, _RESPONSES]),
            )
        self._made = np.full(augment.renewal, -1)
        shape = (len(clips.rows), features.frames + 2 * self._margin, features.mel_bands)
        self.energies = np.empty(shape, np.float32)

    def renew(self, epoch: int, threads: int) -> None:
        """Prepare the versions of the clips that an epoch draws from.

        Each epoch renews one part of the clips; the first one, and the first after a resumption, renews all of them. A
        version depends only on the seed and on the epoch in which it was due.

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
            (positions, [self._settings.training.seed, _CLIPS, int(due[part]), part, number])
            for part in np.flatnonzero(due != self._made)
            for number, positions in enumerate(_chunks(np.arange(part, len(self.energies), parts)))
        ]
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(self._augment, chunks))
        self._made = due

    def _augment(self, chunk: tuple[Labels, list[int]]) -> None:
        positions, seed = chunk
        settings, rng = self._settings, np.random.default_rng(seed)
        rate = settings.features.sample_rate
        augmented = [
            augmentation.augment(clip, self._length, self._offset, self._responses, settings.augmentation, rate, rng)
            for clip in self._clips.windows(positions)
        ]
        self.energies[positions] = self._extractor.energies(np.stack(augmented))

    def draw(self, positions: Labels, rng: np.random.Generator) -> FloatArray:
        """Return the energies of clips, each shifted by whole frames, shape (positions, frames, mel_bands)."""
        frames = self._settings.features.frames
        starts = rng.integers(2 * self._margin + 1, size=len(positions))
        drawn: FloatArray = self.energies[positions[:, None], starts[:, None] + np.arange(frames)]
        return drawn


def _chunks(positions: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    return [positions[start : start + _CHUNK] for start in range(0, len(positions), _CHUNK)]
