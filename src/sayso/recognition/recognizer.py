"""The only path from sound to words.

A clip, a long file and the microphone differ in who supplies the samples, and in nothing else.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sayso.errors import ModelError
from sayso.features.mfcc import FeatureStream, MfccExtractor
from sayso.model import model_file, shipped
from sayso.model.model_file import Model
from sayso.nn import Network, streaming
from sayso.nn.folding import folded
from sayso.recognition.decision import Decision, Detection, ranking
from sayso.sound import audio
from sayso.sound.sources import Source
from sayso.sound.speech import fit_window
from sayso.system.workers import in_order

FloatArray = NDArray[np.float32]

# Where there is more than one window at a time, so many are judged in one call, which costs half as much for each. It
# is always just as many, filled up with zeros where fewer are left: BLAS sums up in another order for another shape,
# and so a window's probabilities do not depend, to the last bit, on what it is judged with.
TOGETHER = 32


class WindowScores(NamedTuple):
    """What is heard at one moment of a stream.

    Attributes
    ----------
    end : int
        The moment, in samples from the beginning of the stream: the window that was looked at ends before it.
    probabilities : ndarray of float32, shape (labels,)
        What the network says of that window.
    detection : Detection or None
        The word that is detected with this look, if any.
    """

    end: int
    probabilities: FloatArray
    detection: Detection | None


class Recognizer:
    """Hears words with a model.

    Parameters
    ----------
    model : Model
        The model.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self._extractor = MfccExtractor(model.features, model.tables)
        with np.errstate(over="ignore", invalid="ignore"):
            self._network = folded(model.network)
            self._back = streaming.back(self._network, self._step_frames)

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that the model tells apart."""
        return self.model.labels

    def probabilities(self, windows: FloatArray) -> FloatArray:
        """Compute the probability of each label for windows of exactly the length that the network sees.

        Parameters
        ----------
        windows : ndarray of float32, shape (windows, samples)
            Samples at the model's rate.

        Returns
        -------
        probabilities : ndarray of float32, shape (windows, labels)
            Each row sums to 1.

        Raises
        ------
        ModelError
            If the model's weights are so large that there are none.
        """
        return self._judge(self._network, self.model.standardizer.apply(self._extractor(windows)))

    def _judge(self, network: Network, windows: FloatArray) -> FloatArray:
        with np.errstate(over="ignore", invalid="ignore"):
            probabilities = network.probabilities(windows)
        if not np.isfinite(probabilities).all():
            raise ModelError(
                "the numbers of the model grow beyond all bounds, so that it can tell nothing; train or fetch it again"
            )
        return probabilities.astype(np.float32, copy=False)

    def classify(self, source: Source | NDArray[np.generic], sample_rate: int | None = None) -> Detection:
        """Tell the word in one clip, whatever its length: it is decided where the most sound lies.

        Parameters
        ----------
        source : path, bytes, file object, or ndarray of shape (samples,) or (samples, channels)
            The clip.
        sample_rate : int, optional
            Samples a second; needed with an array, and only then.

        Returns
        -------
        detection : Detection
            The likeliest label, which may be silence or unknown, and the window in which it was decided.

        Raises
        ------
        AudioError
            If the clip cannot be read.
        """
        rate, length = self.model.features.sample_rate, self.model.features.clip_samples
        if isinstance(source, np.ndarray):
            if sample_rate is None:
                raise TypeError("an array of samples needs its sample_rate, as in classify(samples, 16000)")
            samples = audio.from_array(source, sample_rate, rate)
        else:
            samples = audio.load(source, rate)
        window, start = fit_window(samples, length)
        return self._detection(self.probabilities(window[None])[0], start, len(samples))

    def classify_clips(self, clips: Sequence[FloatArray]) -> list[Detection]:
        """Tell the word in each of many clips, at a lower cost than one by one.

        Parameters
        ----------
        clips : sequence of ndarray of float32, shape (samples,)
            Clips at the model's rate, each of a length of its own.

        Returns
        -------
        detections : list of Detection
            As `classify` gives them, but for rounding: with as many clips or as few, the same bits for the same clip.
        """
        length = self.model.features.clip_samples
        detections: list[Detection] = []
        for first in range(0, len(clips), TOGETHER):
            group = clips[first : first + TOGETHER]
            windows, starts = np.zeros((TOGETHER, length), np.float32), []
            for place, clip in zip(windows, group, strict=False):
                place[:], start = fit_window(clip, length)
                starts.append(start)
            features = np.zeros((TOGETHER, *self._network.input_shape), np.float32)
            features[: len(group)] = self.model.standardizer.apply(self._extractor(windows[: len(group)]))
            probabilities = self._judge(self._network, features)
            detections += map(self._detection, probabilities, starts, map(len, group))
        return detections

    def _detection(self, probabilities: FloatArray, start: int, samples: int) -> Detection:
        """Say what a window is that starts somewhere in a clip of so many samples."""
        rate, length = self.model.features.sample_rate, self.model.features.clip_samples
        (label, confidence), *others = ranking(self.labels, probabilities, 4)
        return Detection(label, confidence, max(start, 0) / rate, min(start + length, samples) / rate, tuple(others))

    def detect(self, chunks: Iterable[FloatArray], together: int = 1, threads: int = 1) -> Iterator[Detection]:
        """Tell the words in a stream of sound of any length.

        Parameters
        ----------
        chunks : iterable of ndarray of float32, shape (samples,)
            The stream at the model's rate, cut anywhere; how it is cut changes nothing.
        together : int
            Steps that are looked at in one go, for a file: the words are the same and tell themselves so much later,
            at half the cost.
        threads : int
            How many such goes are judged side by side; it changes nothing.

        Yields
        ------
        detection : Detection
            Each word as soon as it is certain.
        """
        return (window.detection for window in self.scores(chunks, together, threads) if window.detection)

    def scores(self, chunks: Iterable[FloatArray], together: int = 1, threads: int = 1) -> Iterator[WindowScores]:
        """Look at a stream of sound of any length, step by step.

        Parameters
        ----------
        chunks, together, threads
            As for `detect`.

        Yields
        ------
        window : WindowScores
            What is heard at each step, as soon as its samples are there.
        """
        features, step_samples = self.model.features, self._step_frames * self.model.features.hop_samples
        decision = Decision(self.model.decision, self.labels, features.sample_rate, features.clip)
        # Half a window of silence before and after lets words at the very edges be seen in the middle of a window; of
        # whole steps, so that a look is due whenever a chunk of a step's length is there.
        margin = np.zeros(-(-features.clip_samples // 2 // step_samples) * step_samples, np.float32)
        end = features.clip_samples - len(margin)
        windows = self._windows(chain([margin], chunks, [margin]), together)
        for probabilities in in_order(lambda group: self._judge(self._back, group[0])[: group[1]], windows, threads):
            for row in probabilities:
                yield WindowScores(end, row, decision.update(row, end))
                end += step_samples

    def _windows(self, chunks: Iterable[FloatArray], together: int) -> Iterator[tuple[FloatArray, int]]:
        """Yield so many windows, a step from one to the next, and how many of them there really are.

        What comes before, the features and the front of the network, sees each moment once.
        """
        step, standardizer = self._step_frames, self.model.standardizer
        stream, front = FeatureStream(self._extractor), streaming.WindowStream(self._network, step)
        # Blocks of whole steps make each frame and each look the same sequence of operations, however the stream was
        # cut.
        for block in reblock(chunks, step * self.model.features.hop_samples, together):
            frames = standardizer.apply(stream.push(block))
            with np.errstate(over="ignore", invalid="ignore"):
                windows, count = front.push(frames, together)
            if count:
                yield windows, count

    @property
    def _step_frames(self) -> int:
        """Frames from one look to the next: no more than a window holds, so that nothing goes unheard."""
        step = round(self.model.decision.step / self.model.features.hop)
        return min(max(step, 1), self.model.features.frames)


def reblock(chunks: Iterable[FloatArray], step: int, together: int = 1) -> Iterator[FloatArray]:
    """Cut a stream anew into blocks of `together` steps; a rest at the end is filled up with zeros to whole steps."""
    size = step * together
    rest = np.empty(0, np.float32)
    for chunk in chunks:
        rest = np.concatenate([rest, chunk])
        whole = len(rest) // size * size
        yield from (rest[start : start + size] for start in range(0, whole, size))
        rest = rest[whole:]
    if len(rest):
        yield np.concatenate([rest, np.zeros(-len(rest) % step, np.float32)])


def load(model: str = shipped.DEFAULT) -> Recognizer:
    """Load a model by the path of its file, or by its name if it comes with sayso.

    Raises
    ------
    ModelError
        If there is no such model, or the file cannot be used.
    """
    return Recognizer(model_file.load(shipped.find(str(model))))


# A file up to this many seconds is one clip; in a longer one words are sought.
LONGEST_CLIP = 2.0
