"""All layers of a model but the last: from sound to the inputs of the layer that teaching changes."""

from collections.abc import Callable, Sequence

import numpy as np

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

    def plain(self, clips: Clips) -> FloatArray:
        """Return the inputs for clips as they were recorded, shape (clips, width)."""
        features = self._extractor(clips.windows(np.arange(len(clips.rows))))
        return self._inputs(self._model.standardizer.apply(features))

    def augmented(
        self,
        clips: Clips,
        noises: Sequence[FloatArray],
        augmentation: AugmentationSettings,
        each: int,
        seed: int,
        threads: int,
        progress: Callable[[float], None] = lambda done: None,
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

        Returns
        -------
        inputs : ndarray of float32, shape (examples, width)
            The inputs.
        words : ndarray of int, shape (examples,)
            The word of each, as an index into the sorted words of the clips.
        """
        words = sorted({row.word for row in clips.rows})
        settings = Settings(
            features=self._model.features, augmentation=augmentation, training=TrainingSettings(seed=seed)
        )
        data = TrainingSet(clips, noises, words, settings, self._extractor)
        inputs, labels = [], []
        epochs = -(-each * len(words) // (data.batches * data.batch_size))
        for epoch in range(epochs):
            for features, truth in data.epoch(epoch, self._model.standardizer, threads):
                inputs.append(self._inputs(features))
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

    def _inputs(self, features: FloatArray) -> FloatArray:
        with np.errstate(over="ignore", invalid="ignore"):
            inputs = self._network.last_inputs(features).astype(np.float32, copy=False)
        if not np.isfinite(inputs).all():
            raise ModelError(
                "the model cannot be taught: its weights are too large for finite results; use one that comes with "
                "sayso"
            )
        return inputs
