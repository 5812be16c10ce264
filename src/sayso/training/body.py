"""All layers of a model but the last: from sound to the inputs of the layer that teaching changes."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sayso.config import AugmentationSettings, Settings, TrainingSettings
from sayso.corpus.clips import Clips, FloatArray, Labels
from sayso.errors import ModelError
from sayso.features.mfcc import MfccExtractor
from sayso.model.model_file import Model
from sayso.nn.folding import folded
from sayso.sound.stream import Samples
from sayso.training.batches import TrainingSet


class Body:
    """Computes the inputs of the last layer of a model.

    From clips of two windows it computes those for both, the later one first: the two halves of a phrase, and for a
    word, which is in the middle, the window there and the first half of the clip.

    Parameters
    ----------
    model : Model
        The model.

    Attributes
    ----------
    features : FeatureSettings
        The feature settings of the model.
    """

    def __init__(self, model: Model) -> None:
        self.features = model.features
        self._model, self._network = model, folded(model.network)
        self._extractor = MfccExtractor(model.features, model.tables)

    def plain(self, clips: Clips, phrases: Collection[str] = ()) -> FloatArray:
        """Return the inputs for clips as they were recorded, shape (clips, width or 2 x width).

        Parameters
        ----------
        clips : Clips
            The clips, of one window or two.
        phrases : collection of str
            The words among theirs that are phrases.
        """
        features = self._model.standardizer.apply(self._extractor(clips.windows(np.arange(len(clips.rows)))))
        return self._windows(features, np.array([row.word in phrases for row in clips.rows], bool))

    def augmented(
        self,
        clips: Clips,
        noises: Sequence[FloatArray],
        augmentation: AugmentationSettings,
        each: int,
        seed: int,
        threads: int,
        progress: Callable[[float], None] = lambda done: None,
        phrases: Collection[str] = (),
    ) -> tuple[FloatArray, Labels]:
        """Return the inputs for augmented clips.

        Parameters
        ----------
        clips : Clips
            The clips.
        noises : sequence of ndarray of float32
            Background noise.
        augmentation : AugmentationSettings
            How to augment them.
        each : int
            Number of examples of each word.
        seed, threads : int
            As for a training.
        progress : callable
            Called with the fraction that is done, some examples at a time.
        phrases : collection of str
            As for `plain`.

        Returns
        -------
        inputs : ndarray of float32, shape (examples, width or 2 x width)
            The inputs.
        words : ndarray of int, shape (examples,)
            The word of each, as an index into the sorted words of the clips.
        """
        words = sorted({row.word for row in clips.rows})
        seconds = clips.samples.shape[1] / self._model.features.sample_rate
        settings = Settings(
            features=replace(self._model.features, clip=seconds),
            augmentation=augmentation,
            training=TrainingSettings(seed=seed),
        )
        data = TrainingSet(clips, noises, words, settings, self._extractor)
        inputs, labels = [], []
        are_phrases = np.array([word in phrases for word in words], bool)
        epochs = -(-each * len(words) // (data.batches * data.batch_size))
        for epoch in range(epochs):
            for features, truth in data.epoch(epoch, self._model.standardizer, threads):
                inputs.append(self._windows(features, are_phrases[truth]))
                labels.append(truth)
                progress(len(labels) / (epochs * data.batches))
        return np.concatenate(inputs), np.concatenate(labels)

    def steps(self, samples: Samples) -> tuple[FloatArray, FloatArray]:
        """Return the inputs at every step of a sound, which has half a window of silence before and after it.

        Parameters
        ----------
        samples : ndarray of float32, shape (samples,)
            The sound at the model's rate, high-passed where the model's features ask for it.

        Returns
        -------
        whole, newest : ndarray of float32, shape (steps, width)
            For the window that ends at each step, and for the newest part of it, before which there is silence.
        """
        features, standardizer = self._model.features, self._model.standardizer
        step = round(self._model.decision.step / features.hop)
        margin = np.zeros(features.clip_samples // 2, np.float32)
        rest = np.zeros(-len(samples) % (step * features.hop_samples), np.float32)
        frames = standardizer.apply(self._extractor(np.concatenate([margin, samples, rest, margin])[None]))[0]
        windows = np.lib.stride_tricks.sliding_window_view(frames, features.frames, axis=0)[::step].swapaxes(1, 2)
        silent = standardizer.apply(self._extractor(np.zeros((1, features.clip_samples), np.float32)))
        newest = np.repeat(silent, len(windows), axis=0)
        seen = round(self._model.decision.newest / features.hop)
        newest[:, features.frames - seen :] = windows[:, features.frames - seen :]
        return self._inputs(windows), self._inputs(newest)

    def _windows(self, features: FloatArray, phrases: NDArray[np.bool_]) -> FloatArray:
        """Return the inputs for the features of clips, of which some are phrases."""
        length = self._model.features.frames
        if features.shape[1] < 2 * length:
            return self._inputs(features)
        start = (features.shape[1] - length) // 2
        told = np.where(phrases[:, None, None], features[:, -length:], features[:, start : start + length])
        return np.concatenate([self._inputs(told), self._inputs(features[:, :length])], axis=1)

    def _inputs(self, features: FloatArray) -> FloatArray:
        with np.errstate(over="ignore", invalid="ignore"):
            inputs = self._network.last_inputs(features).astype(np.float32, copy=False)
        if not np.isfinite(inputs).all():
            raise ModelError(
                "the model cannot be taught: its weights are too large for finite results; use one that comes with "
                "sayso"
            )
        return inputs
