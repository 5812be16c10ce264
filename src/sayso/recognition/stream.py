"""Recognition of sound as it arrives: samples are pushed in, and detections come out."""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from sayso.errors import ArgumentError
from sayso.recognition.decision import Decision, Detection
from sayso.recognition.scoring import FloatArray, Group, Scored, Scorer, Windows
from sayso.sound.stream import Samples


class WindowScores(NamedTuple):
    """The scores of one window of a stream.

    Attributes
    ----------
    end : int
        Where the window ends, in samples from the beginning of the stream; sample `end` is the first one behind it.
    probabilities : ndarray of float32, shape (labels,)
        Probability of each label in that window.
    newest : ndarray of float32, shape (labels,), or None
        Probability of each label in the newest part of that window, if the model scores it.
    detection : Detection or None
        The word that is detected at this step, if any.
    """

    end: int
    probabilities: FloatArray
    newest: FloatArray | None
    detection: Detection | None


class Steps:
    """Decides at each step of a stream whether a word is detected, as the scores of its windows come.

    Parameters
    ----------
    scorer : Scorer
        What computes the scores.
    """

    def __init__(self, scorer: Scorer) -> None:
        self._model = model = scorer.model
        phrases = model.phrases.labels if model.phrases else ()
        rate, window = model.features.sample_rate, model.features.clip
        self._decision = Decision(model.decision, model.labels, rate, window, phrases)
        # What the latest windows show of first halves; before a stream there is nothing.
        self._first_halves = deque([np.full(len(phrases), -np.inf, np.float32)] * scorer.window_steps)
        self._end, self._step = model.features.clip_samples - scorer.margin, scorer.step

    def push(self, scored: Scored) -> Iterator[WindowScores]:
        """Yield the next steps; the iterator must be exhausted."""
        for number, row in enumerate(scored.probabilities):
            part = None if scored.newest is None else scored.newest[number]
            if self._model.phrases and scored.first_halves is not None:
                self._first_halves.append(scored.first_halves[number])
                before = self._first_halves.popleft()
                row = self._model.phrases.told(row, before, self._model.labels)
                part = None if part is None else self._model.phrases.told(part, before, self._model.labels)
            yield WindowScores(self._end, row, part, self._decision.update(row, self._end, part))
            self._end += self._step


class Stream:
    """Detects words in sound that is pushed into it; made by `Recognizer.stream`.

    How the sound is cut does not change the detections, which are those of `Recognizer.detect` for the whole of it.
    Everything is computed within the call that completes a step, in a few milliseconds and in the caller's thread; a
    stream must not be used by two threads at the same time, but any number of streams may share a recogniser.

    Parameters
    ----------
    scorer : Scorer
        The features and the network of the model.
    sample_rate : float, optional
        Samples per second of what is pushed, 1 kHz to 768 kHz; by default the rate of the model.

    Raises
    ------
    AudioError
        If the rate is outside of these bounds.
    """

    def __init__(self, scorer: Scorer, sample_rate: float | None = None) -> None:
        self._scorer, self._rate = scorer, sample_rate
        self.reset()

    def reset(self) -> None:
        """Forget all sound so far and begin anew; times count from here. A closed stream can be used again."""
        self._windows = Windows(self._scorer, sample_rate=self._rate)
        self._decided, self._closed = Steps(self._scorer), False

    def push(self, samples: Samples) -> list[Detection]:
        """Process the next samples.

        Parameters
        ----------
        samples : ndarray of float32, shape (samples,)
            Any number of samples of one channel, with full scale at ±1.

        Returns
        -------
        detections : list of Detection
            The words that are detected with these samples; most often none.

        Raises
        ------
        ArgumentError
            If the samples are something else, hold NaN or infinite values, or the stream is closed.
        """
        return _detections(self.steps(samples))

    def steps(self, samples: Samples) -> list[WindowScores]:
        """Process the next samples as `push` does, but return the scores of every step that they complete.

        Parameters
        ----------
        samples : ndarray of float32, shape (samples,)
            As for `push`. Each sample is given to one of the two methods.

        Returns
        -------
        steps : list of WindowScores
            The scores, and the word that is detected at a step, if any.

        Raises
        ------
        ArgumentError
            As for `push`.
        """
        if self._closed:
            raise ArgumentError("the stream is closed; call reset() to begin another")
        return self._scored(self._windows.push(samples))

    def close(self) -> list[Detection]:
        """End the stream.

        Returns
        -------
        detections : list of Detection
            The words that only half a window of silence after the last sample reveals; none if it was closed before.
        """
        if self._closed:
            return []
        self._closed = True
        return _detections(self._scored(self._windows.close()))

    def _scored(self, groups: Iterable[Group]) -> list[WindowScores]:
        return [step for group in groups for step in self._decided.push(self._scorer.score(group))]


def _detections(steps: Iterable[WindowScores]) -> list[Detection]:
    return [step.detection for step in steps if step.detection]
