"""The probabilities of a model at each step of a sound, computed once; and what any decision settings make of them."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sayso.config import DecisionSettings, FeatureSettings
from sayso.recognition.decision import Decision, Detection
from sayso.recognition.recognizer import TOGETHER, Recognizer
from sayso.sound.stream import Samples


@dataclass(frozen=True, eq=False)
class Posteriors:
    """The network's probabilities at each step of a sound.

    With them, decision settings can be compared without running the network again.

    Attributes
    ----------
    labels : tuple of str
        The labels of the model.
    features : FeatureSettings
        The feature settings of the model.
    probabilities : ndarray of float32, shape (steps, labels)
        Probability of each label at each step.
    newest : ndarray of float32, shape (steps, labels), or None
        The same for the newest part of the window of each step.
    ends : ndarray of int, shape (steps,)
        The sample before which the window of each step ends.
    phrases : tuple of str
        The labels that are phrases.
    """

    labels: tuple[str, ...]
    features: FeatureSettings
    probabilities: NDArray[np.float32]
    newest: NDArray[np.float32] | None
    ends: NDArray[np.int64]
    phrases: tuple[str, ...]

    def detections(self, settings: DecisionSettings) -> list[Detection]:
        """Return the words that are detected with these settings, as live recognition detects them."""
        decision = Decision(settings, self.labels, self.features.sample_rate, self.features.clip, self.phrases)
        newest = [None] * len(self.ends) if self.newest is None else self.newest
        steps = zip(self.probabilities, self.ends.tolist(), newest, strict=True)
        return [found for step in steps if (found := decision.update(*step))]


def posteriors_of(recognizer: Recognizer, chunks: Iterable[Samples]) -> Posteriors:
    """Compute the probabilities at each step of a sound, as live recognition does.

    Parameters
    ----------
    recognizer : Recognizer
        The recogniser.
    chunks : iterable of ndarray of float32, shape (samples,)
        The sound at the model's rate, cut anywhere.
    """
    windows = list(recognizer.scores(chunks, TOGETHER))
    return Posteriors(
        recognizer.labels,
        recognizer.model.features,
        np.array([window.probabilities for window in windows]),
        np.array([window.newest for window in windows]) if windows and windows[0].newest is not None else None,
        np.array([window.end for window in windows]),
        recognizer.model.phrases.labels if recognizer.model.phrases else (),
    )
