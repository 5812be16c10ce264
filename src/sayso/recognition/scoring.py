"""From samples to the probabilities of labels: single windows, and the windows of a stream.

A stream is scored in groups of windows, one step apart. Cutting it into groups must be done in order, as each frame is
computed once; the groups may then be scored in parallel.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sayso.config import SILENCE, UNKNOWN
from sayso.errors import ArgumentError, ModelError
from sayso.features.mfcc import FeatureStream, MfccExtractor
from sayso.model.model_file import Model
from sayso.nn import Network, streaming
from sayso.nn.folding import folded
from sayso.sound.high_pass import HighPass
from sayso.sound.sources import described
from sayso.sound.speech import fit_window
from sayso.sound.stream import Blocks, Resampler, Samples, check_format

FloatArray = NDArray[np.float32]

# The newest part of a window is scored on its own only where the words have this much probability in the whole.
LEAST_WORDS = 0.2


class Group(NamedTuple):
    """Windows that go through the network together.

    Attributes
    ----------
    fronts : ndarray of float32
        Output of the front of the network for them, from `streaming.WindowStream`.
    size : int
        How many are not padding.
    newest : ndarray of float32, shape (windows, frames, width), or None
        The windows' features, of which all but the newest part are those of silence.
    """

    fronts: FloatArray
    size: int
    newest: FloatArray | None


class Scored(NamedTuple):
    """Scores of the windows of a group.

    Attributes
    ----------
    probabilities : ndarray of float32, shape (windows, labels)
        Probability of each label in each window.
    newest : ndarray of float32, shape (windows, labels), or None
        Probability of each label in the newest part of each window, if the model scores it.
    first_halves : ndarray of float32, shape (windows, phrases), or None
        The log-odds with which each window shows the first half of each phrase, if the model has any.
    """

    probabilities: FloatArray
    newest: FloatArray | None
    first_halves: FloatArray | None = None


class Scorer:
    """The features and the network of a model, ready to be applied.

    Parameters
    ----------
    model : Model
        The model.

    Attributes
    ----------
    model : Model
        As given.
    extractor : MfccExtractor
        Computes the features.
    network : Network
        The network with its batch normalisation folded into the weights.
    step_frames : int
        Frames from one step of a stream to the next, at most the length of a window, so that no frame is skipped.
    step, margin : int
        The samples of a step, and of the silence before and after a stream. Half a window puts words at the very edges
        into the middle of a window; it is rounded up to whole steps, so that each chunk of a step's length completes a
        step.
    window_steps : int
        Steps in the length of a window.
    """

    def __init__(self, model: Model) -> None:
        self.model, features = model, model.features
        self.extractor = MfccExtractor(features, model.tables)
        self.step_frames = min(max(round(model.decision.step / features.hop), 1), features.frames)
        self.step = self.step_frames * features.hop_samples
        self.window_steps = max(round(features.clip_samples / self.step), 1)
        self.margin = -(-features.clip_samples // 2 // self.step) * self.step
        with np.errstate(over="ignore", invalid="ignore"):
            self.network = folded(model.network)
            self._back = streaming.back(self.network, self.step_frames)
            self._head = self.network.head() if model.phrases else None
        self._words = [index for index, label in enumerate(model.labels) if label not in (SILENCE, UNKNOWN)]

    def features(self, windows: FloatArray) -> FloatArray:
        """Compute the standardised features of windows of shape (windows, samples), as inputs of the network."""
        return self.model.standardizer.apply(self.extractor(windows))

    def probabilities(self, inputs: FloatArray) -> FloatArray:
        """Compute the probabilities of inputs of the network, or raise ModelError if they are not finite."""
        return _applied(self.network, inputs)

    def clip_probabilities(self, clips: FloatArray) -> FloatArray:
        """Compute the probabilities of clips of two windows each, for a model that has phrases.

        A phrase is told by both windows; any other word by the one window that holds the most sound.

        Parameters
        ----------
        clips : ndarray of float32, shape (clips, 2 x samples of a window)
            The samples.
        """
        phrases, labels, length = self.model.phrases, self.model.labels, self.model.features.clip_samples
        assert phrases is not None
        words = self.probabilities(self.features(np.array([fit_window(clip, length)[0] for clip in clips])))
        _, before = self._with_first_halves(self.network, self.features(clips[:, :length]))
        now = self.probabilities(self.features(clips[:, length:]))
        assert before is not None
        told, places = phrases.told(now, before, labels), phrases.places(labels)
        words[:, places] = 0
        words *= (1 - told[:, places].sum(axis=1, keepdims=True)) / words.sum(axis=1, keepdims=True)
        words[:, places] = told[:, places]
        return words

    def score(self, group: Group) -> Scored:
        """Compute the probabilities of a group of windows, and those of their newest parts."""
        probabilities, first = self._with_first_halves(self._back, group.fronts)
        probabilities = probabilities[: group.size]
        if group.newest is None:
            return Scored(probabilities, None, first)
        # Where no word is in the whole, none is in its newest part, at half the cost.
        scored = probabilities[:, self._words].sum(axis=1) >= LEAST_WORDS
        if not scored.any():
            return Scored(probabilities, probabilities, first)
        newest = self.probabilities(group.newest)[: group.size]
        return Scored(probabilities, np.where(scored[:, None], newest, probabilities), first)

    def _with_first_halves(self, network: Network, inputs: FloatArray) -> tuple[FloatArray, FloatArray | None]:
        """Compute the probabilities of inputs of a network, and what they show of the first halves of phrases."""
        if self._head is None or self.model.phrases is None:
            return _applied(network, inputs), None
        with np.errstate(over="ignore", invalid="ignore"):
            last = network.last_inputs(inputs)
            first = self.model.phrases.first_halves(last, self._head.logits(last), self.model.labels)
        return _applied(self._head, last), first


class Windows:
    """Cuts a stream into groups of windows, one step apart; the front of the network processes each frame once.

    Parameters
    ----------
    scorer : Scorer
        The features and the network.
    together : int
        Windows of a group.
    sample_rate : float, optional
        Samples per second of the stream; by default the rate of the model.

    Raises
    ------
    AudioError
        If the rate is not from 1 kHz to 768 kHz.
    """

    def __init__(self, scorer: Scorer, together: int = 1, sample_rate: float | None = None) -> None:
        self._scorer, self._together, features = scorer, together, scorer.model.features
        rate = features.sample_rate if sample_rate is None else sample_rate
        check_format("the stream", rate, 1)
        self._resampler = Resampler(rate, features.sample_rate)
        self._high_pass = HighPass(features.high_pass, features.sample_rate)
        # Blocks of whole steps: each frame and each window go through the same sequence of operations, however the
        # stream is cut.
        self._margin = np.zeros(scorer.margin, np.float32)
        self._blocks = Blocks(scorer.step, together, self._margin)
        self._stream = FeatureStream(scorer.extractor)
        self._front = streaming.WindowStream(scorer.network, scorer.step_frames)
        self._silence = scorer.features(np.zeros((1, features.clip_samples), np.float32))[0]
        # The frames from the beginning of the next window on.
        self._kept = np.empty((0, *scorer.network.input_shape[1:]), np.float32)

    def of(self, chunks: Iterable[Samples]) -> Iterator[Group]:
        """Yield the groups of a whole stream."""
        for chunk in chunks:
            yield from self.push(chunk)
        yield from self.close()

    def push(self, samples: Samples) -> Iterator[Group]:
        """Yield the groups that the next samples of the stream complete; the iterator must be exhausted."""
        _check_chunk(samples)
        return self._groups(self._blocks_of(self._resampler.push(samples)))

    def close(self) -> Iterator[Group]:
        """Yield what is left at the end of the stream, and the silence after it, as groups."""
        blocks = self._blocks_of(self._resampler.push(np.empty(0, np.float32), last=True))
        return self._groups(blocks + self._blocks.push(self._margin) + self._blocks.close())

    def _blocks_of(self, samples: Samples) -> list[Samples]:
        """Return the blocks that samples at the model's rate complete."""
        return self._blocks.push(self._high_pass.push(samples))

    def _groups(self, blocks: Iterable[Samples]) -> Iterator[Group]:
        """Yield a group for each block that completes windows."""
        step, standardizer = self._scorer.step_frames, self._scorer.model.standardizer
        for block in blocks:
            frames = standardizer.apply(self._stream.push(block))
            with np.errstate(over="ignore", invalid="ignore"):
                fronts, count = self._front.push(frames, self._together)
            self._kept = np.concatenate([self._kept, frames])
            if count:
                yield Group(fronts, count, self._newest(count))
                self._kept = self._kept[count * step :]

    def _newest(self, count: int) -> FloatArray | None:
        """Return the features of the newest parts of the next `count` windows, after silence; None if not scored."""
        model, step = self._scorer.model, self._scorer.step_frames
        length, seen = model.features.frames, round(model.decision.newest / model.features.hop)
        if not 0 < seen < length:
            return None
        newest = np.repeat(self._silence[None], self._together, axis=0)
        for number in range(count):
            end = number * step + length
            newest[number, length - seen :] = self._kept[end - seen : end]
        return newest


def _applied(network: Network, inputs: FloatArray) -> FloatArray:
    """Compute the probabilities of a network's inputs, or raise ModelError if they are not finite."""
    with np.errstate(over="ignore", invalid="ignore"):
        probabilities = network.probabilities(inputs)
    if not np.isfinite(probabilities).all():
        raise ModelError(
            "the numbers of the model grow beyond all bounds and give no probabilities; train or fetch it again"
        )
    return probabilities.astype(np.float32, copy=False)


def _check_chunk(samples: Samples) -> None:
    """Refuse what is no chunk of a stream, before it has changed anything."""
    if not isinstance(samples, np.ndarray) or samples.ndim != 1:
        shape = f"an array of shape {samples.shape}" if isinstance(samples, np.ndarray) else described(samples)
        raise ArgumentError(f"a chunk of a stream is an array of samples of shape (samples,), not {shape}")
    if samples.dtype != np.float32:
        remedy = "divide by 32768 and convert" if samples.dtype == np.int16 else "convert"
        raise ArgumentError(
            f"a chunk of a stream is an array of float32 with full scale at 1, not of {samples.dtype}; {remedy} it "
            "with .astype(numpy.float32)"
        )
    if not np.isfinite(samples).all():
        raise ArgumentError("a chunk of a stream holds NaN or infinite samples; replace them, by zeros for example")
