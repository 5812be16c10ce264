"""The only path from sound to words.

A clip, a long file and the microphone differ only in where the samples come from.
"""

import os
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import cast

import numpy as np
from numpy.typing import ArrayLike

from sayso.errors import ArgumentError
from sayso.model import model_file, shipped
from sayso.model.model_file import Model
from sayso.recognition.decision import Detection, ranking
from sayso.recognition.scoring import FloatArray, Scorer, Windows
from sayso.recognition.stream import Steps, Stream, WindowScores
from sayso.sound import audio
from sayso.sound.high_pass import high_passed_clip
from sayso.sound.sources import Source, described
from sayso.sound.speech import fit_window
from sayso.system.workers import in_order

# Where more than one window is available, this many go through the network in one call, at half the cost of each alone.
# A group that is smaller is padded with zeros, as BLAS sums in a different order for each shape of its matrices. With
# most BLAS kernels a window's probabilities then are the same, bit for bit, whatever else is in its group. OpenBLAS's
# kernel for AVX2 (Haswell, Zen) also treats the columns of one product differently, so that what holds everywhere is
# that the probabilities agree within 1e-5.
TOGETHER = 32
# A file of up to this many seconds is classified as one clip; in a longer one words are detected.
LONGEST_CLIP = 2.0


class Recognizer:
    """Recognises words with a trained model.

    Parameters
    ----------
    model : Model
        The model.
    """

    def __init__(self, model: Model) -> None:
        if not isinstance(model, Model):
            raise ArgumentError(
                f"a Recognizer takes a loaded Model, not {described(model)}; sayso.load takes a path or a name"
            )
        self.model = model
        self._scorer = Scorer(model)

    def __repr__(self) -> str:
        return f"<Recognizer with {self.model!r}>"

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels, in the order of the probabilities."""
        return self.model.labels

    def probabilities(self, windows: FloatArray) -> FloatArray:
        """Compute the probability of each label for clips of exactly the length that the model takes (`Model.clips`).

        Parameters
        ----------
        windows : ndarray of float32, shape (windows, samples)
            Samples at the model's rate, high-passed where the model's features ask for it: a window of the network
            each, or two in a row if the model has phrases.

        Returns
        -------
        probabilities : ndarray of float32, shape (windows, labels)
            Each row sums to 1.

        Raises
        ------
        ModelError
            If the model's weights are so large that the results are not finite.
        """
        if self.model.phrases:
            return self._scorer.clip_probabilities(windows)
        return self._scorer.probabilities(self._scorer.features(windows))

    def classify(self, source: Source | ArrayLike, sample_rate: float | None = None) -> Detection:
        """Recognise the word in one clip of any length, from the window that holds the most sound.

        Parameters
        ----------
        source : str, path, bytes, binary file object, or array_like of shape (samples,) or (samples, channels)
            The clip: a sound file (as a path, an address, its content, or opened with mode "rb"), or its samples.
        sample_rate : float, optional
            Samples per second; required with samples, ignored otherwise.

        Returns
        -------
        detection : Detection
            The most probable label, which may be silence or unknown, and the window that was classified.

        Raises
        ------
        ArgumentError
            If the clip is neither, or samples are given without their rate.
        AudioError
            If the clip cannot be read.
        """
        rate, length = self.model.features.sample_rate, self.model.clips.clip_samples
        if not _holds_samples(source):
            samples = audio.load(cast(Source, source), rate)
        elif isinstance(sample_rate, int | float | np.number):
            samples = audio.from_array(cast(ArrayLike, source), float(sample_rate), rate)
        else:
            raise ArgumentError(
                f"samples need their sample_rate in Hz, as in classify(samples, 16000), not {described(sample_rate)}"
            )
        samples = high_passed_clip(samples, self.model.features.high_pass, rate)
        window, start = fit_window(samples, length)
        return self._detection(window, self.probabilities(window[None])[0], start, len(samples))

    def classify_clips(self, clips: Sequence[FloatArray]) -> list[Detection]:
        """Recognise the word in each of many clips, at a lower cost than one by one.

        Parameters
        ----------
        clips : sequence of ndarray of float32, shape (samples,)
            Clips at the model's rate, each of any length.

        Returns
        -------
        detections : list of Detection
            The same as `classify` returns for each clip, whichever clips are beside it: the probabilities agree within
            1e-5, and so the labels, unless the two most probable are that close.
        """
        length = self.model.clips.clip_samples
        detections: list[Detection] = []
        for first in range(0, len(clips), TOGETHER):
            group = clips[first : first + TOGETHER]
            windows, starts = np.zeros((TOGETHER, length), np.float32), []
            for window, clip in zip(windows, group, strict=False):
                clip = high_passed_clip(clip, self.model.features.high_pass, self.model.features.sample_rate)
                window[:], start = fit_window(clip, length)
                starts.append(start)
            if self.model.phrases:
                probabilities = self.probabilities(windows)
            else:
                features = np.zeros((TOGETHER, *self._scorer.network.input_shape), np.float32)
                features[: len(group)] = self._scorer.features(windows[: len(group)])
                probabilities = self._scorer.probabilities(features)
            detections += map(self._detection, windows, probabilities, starts, map(len, group))
        return detections

    def _detection(self, window: FloatArray, probabilities: FloatArray, start: int, samples: int) -> Detection:
        """Return the most probable label of a part that begins at `start` in a clip of `samples` samples."""
        rate, length = self.model.features.sample_rate, len(window)
        (label, confidence), *others = ranking(self.labels, probabilities, 4)
        if self.model.phrases and label not in self.model.phrases.labels:
            length = self.model.features.clip_samples
            start += fit_window(window, length)[1]
        return Detection(label, confidence, max(start, 0) / rate, min(start + length, samples) / rate, tuple(others))

    def detect(self, chunks: Iterable[FloatArray], together: int = 1, threads: int = 1) -> Iterator[Detection]:
        """Detect the words in a stream of sound of any length.

        Parameters
        ----------
        chunks : iterable of ndarray of float32, shape (samples,)
            The stream at the model's rate, cut anywhere; how it is cut does not change the result.
        together : int
            Number of steps that go through the network in one call. More than one halves the cost for a file, and
            delays each detection by up to that many steps; the probabilities agree within 1e-5.
        threads : int
            Number of such calls that run in parallel; it does not change the result.

        Yields
        ------
        detection : Detection
            Each word as soon as it is detected.
        """
        return (window.detection for window in self.scores(chunks, together, threads) if window.detection)

    def scores(self, chunks: Iterable[FloatArray], together: int = 1, threads: int = 1) -> Iterator[WindowScores]:
        """Compute the scores of a stream of sound of any length, step by step.

        Parameters
        ----------
        chunks, together, threads
            As for `detect`.

        Yields
        ------
        window : WindowScores
            The scores at each step, as soon as its samples are available.

        Raises
        ------
        ArgumentError
            If the stream is not an iterable, or a chunk is not an array of one dimension.
        """
        if isinstance(chunks, str | bytes | np.ndarray) or not isinstance(chunks, Iterable):
            raise ArgumentError(
                f"a stream is an iterable of arrays of samples at {self.model.features.sample_rate} Hz, not "
                f"{described(chunks)}; pass [samples] for one array, and a path to classify"
            )
        windows, steps = Windows(self._scorer, together), Steps(self._scorer)
        for scored in in_order(self._scorer.score, windows.of(chunks), threads):
            yield from steps.push(scored)

    def stream(self, sample_rate: float | None = None) -> Stream:
        """Return a stream into which sound is pushed as it arrives.

        Parameters
        ----------
        sample_rate : float, optional
            Samples per second of what will be pushed, 1 kHz to 768 kHz; by default the rate of the model.

        Returns
        -------
        stream : Stream
            Its `push` returns the words that are detected with the samples it is given.

        Raises
        ------
        ArgumentError, AudioError
            If the rate is not a number, or outside of these bounds.
        """
        if not isinstance(sample_rate, int | float | np.number | None):
            raise ArgumentError(
                f"a stream takes its sample_rate in Hz, as in stream(48000), not {described(sample_rate)}"
            )
        return Stream(self._scorer, sample_rate)


def _holds_samples(source: object) -> bool:
    """Return whether a clip is given as its samples: an array of any library, or a sequence of numbers."""
    return hasattr(source, "__array__") or isinstance(source, list | tuple | array)


def load(
    model: str | os.PathLike[str] = shipped.DEFAULT,
    *,
    sensitivity: float = 0.5,
    anywhere: bool = False,
    patient: bool = False,
) -> Recognizer:
    """Load a model from a file, or by its name if it is one that comes with sayso.

    Parameters
    ----------
    model : str or path
        Path of the file, or name of a shipped model.
    sensitivity : float
        From 0, few words are detected in a stream and few sounds taken for one, to 1; 0.5 is that of the model.
    anywhere : bool
        Whether words also count within a sentence, and not only if they are said by themselves.
    patient : bool
        Whether a detection waits for the pause after the word.

    Raises
    ------
    ArgumentError
        If it is neither text nor a path.
    ModelError
        If there is no such model, or the file cannot be used.
    SettingsError
        If the sensitivity is not between 0 and 1.
    """
    if not isinstance(model, str | os.PathLike):
        raise ArgumentError(f"a model is loaded by its path or its name, not from {described(model)}")
    loaded = model_file.load(shipped.find(os.fspath(model)))
    decision = loaded.decision.at_sensitivity(sensitivity)
    decision = replace(decision, alone=decision.alone and not anywhere, patient=decision.patient or patient)
    return Recognizer(replace(loaded, decision=decision))
