"""From probabilities over time to detections: a small state machine whose only clock is the count of samples.

Past scores are never edited: a held word fires once, and a word said twice fires twice. A window is longer than a word,
so that it still holds a word when the next one is said. So the newest part of the window is also scored on its own:
that score falls between two words.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sayso.config import SILENCE, UNKNOWN, DecisionSettings

# Steps over which the scores of the newest part are averaged. For a word that was just detected, fewer steps suffice,
# and a lower threshold.
STEPS, STEPS_AGAIN, EASE = 3, 2, 0.9
# Seconds within which words count as said in one breath. A word that would not be detected alone is detected if another
# is near.
COMPANY = 1.5


@dataclass(frozen=True)
class Detection:
    """A detected word.

    Attributes
    ----------
    label : str
        The word.
    confidence : float
        Its probability; in a stream the mean over the latest steps, weighted towards the newest.
    start, end : float
        The window in which it was detected, in seconds from the beginning of the sound. A word that is certain only
        because of what followed is reported up to `COMPANY` seconds later.
    runners_up : tuple of (str, float)
        The next most probable labels with their probabilities.
    since_wake : float or None
        Seconds since the wake word was detected, 0 for the wake word itself; None where none is needed.
    """

    label: str
    confidence: float
    start: float
    end: float
    runners_up: tuple[tuple[str, float], ...] = ()
    since_wake: float | None = None


def ranking(labels: Sequence[str], probabilities: NDArray[np.floating], count: int = 3) -> list[tuple[str, float]]:
    """Return the most probable labels with their probabilities, in descending order."""
    order = np.argsort(-probabilities, kind="stable")[:count]
    return [(labels[index], float(probabilities[index])) for index in order]


class Decision:
    """Decides at which steps of a stream a word is detected.

    Parameters
    ----------
    settings : DecisionSettings
        Thresholds and times.
    labels : sequence of str
        The labels, in the order of the probabilities; silence and unknown never fire.
    sample_rate : int
        Samples per second.
    window : float
        Length of the network's input in seconds.
    """

    def __init__(self, settings: DecisionSettings, labels: Sequence[str], sample_rate: int, window: float) -> None:
        self._settings, self._labels, self._rate, self._window = settings, tuple(labels), sample_rate, window
        self._words = np.array([index for index, label in enumerate(labels) if label not in (SILENCE, UNKNOWN)], int)
        # Two weighted means. Over all steps, the weights fall linearly with age: it takes this many steps to tell a
        # word from a sound that resembles it briefly, but a completed word shows in the newest of them. The mean over
        # the newer half alone detects a clear word sooner.
        falling = np.arange(settings.smoothing, 0, -1)
        self._whole = _Means(np.stack([falling, (falling - settings.smoothing // 2).clip(0)]), len(labels))
        # The same for the newest part of the window.
        few = np.stack([np.arange(STEPS, 0, -1), np.arange(STEPS_AGAIN, STEPS_AGAIN - STEPS, -1).clip(0)])
        self._newest = _Means(few, len(labels), padded=True)
        thresholds = np.array([settings.words.get(self._labels[index], settings.threshold) for index in self._words])
        # To fire, and to rearm; `update` casts them to the type of the probabilities, so that a limit is met exactly.
        self._limits: NDArray[np.floating] = np.stack([thresholds, settings.rearm * (thresholds / settings.threshold)])
        # Whether the score of each word has fallen since it was heard, in the whole window and in its newest part.
        self._armed, self._fallen = np.ones((2, len(self._words)), bool)
        # When each was heard last, in seconds, and whether it has left the window since.
        self._heard, self._gone = np.full(len(self._words), -np.inf), np.ones(len(self._words), bool)
        # Words that were heard, but are certain only if the whole window confirms them or another word is near.
        self._pending: deque[tuple[int, Detection]] = deque()
        self._due: deque[Detection] = deque()
        self._certain_at = -np.inf

    def update(
        self, probabilities: NDArray[np.floating], end_sample: int, newest: NDArray[np.floating] | None = None
    ) -> Detection | None:
        """Process the probabilities of one step.

        Parameters
        ----------
        probabilities : ndarray, shape (labels,)
            The network's output for the window that ends at `end_sample`.
        end_sample : int
            Position in the sound, in samples; it must increase from call to call.
        newest : ndarray, shape (labels,), optional
            Its output for the newest part of that window alone. Without it, words that are said in one breath are not
            separated, and no word is detected during the refractory time of another.

        Returns
        -------
        detection : Detection or None
            The word that is detected at this step, if any.
        """
        if not len(self._words):
            return None
        now = end_sample / self._rate
        average, newer = self._whole.push(probabilities)
        scores = np.maximum(average, newer - self._settings.margin)[self._words]
        thresholds, rearm = self._limits.astype(scores.dtype)
        self._armed |= scores < rearm
        best: int | None = int(scores.argmax())
        if scores[best] < thresholds[best] or not self._armed[best]:
            best = None
        found = None
        if best is not None:
            decisive = average if scores[best] == average[self._words[best]] else newer
            found = self._detection(best, decisive, now)
        if newest is None:
            # Another word that follows at once cannot be separated from the end of the first.
            if best is None or now - self._heard.max() < self._settings.refractory:
                return None
            self._armed[best], self._heard[best] = False, now
            return found
        self._listen_closely(probabilities, newest, now)
        certain = False
        if best is not None and found is not None:
            self._armed[best] = False
            if certain := any(word == best for word, _ in self._pending):
                if len(self._pending) == 1:
                    self._pending[0] = best, found
            elif self._gone[best]:
                # Else it is a word that was detected already and is still in the window.
                self._hear(best, now)
                self._pending.append((best, found))
                certain = True
        return self._next(certain, now)

    def _listen_closely(self, whole: NDArray[np.floating], newest: NDArray[np.floating], now: float) -> None:
        """Note the words that are complete in the newest part of the window."""
        thresholds, rearm = self._limits.astype(newest.dtype)
        since = now - self._heard
        self._fallen |= newest[self._words] < rearm
        self._gone |= (whole[self._words] < rearm) & (since >= self._window)
        # While a word is in the window, only the newest part shows whether it was said again.
        better = newest.copy()
        better[self._words] = np.where(self._gone, np.maximum(whole, newest)[self._words], newest[self._words])
        mean, brief = self._newest.push(better)
        clear = mean[self._words] >= thresholds
        again = (since <= COMPANY) & (brief[self._words] >= np.asarray(EASE, newest.dtype) * thresholds)
        for word in np.flatnonzero(self._fallen & (since >= self._settings.refractory) & (clear | again)).tolist():
            self._hear(word, now)
            self._pending.append((word, self._detection(word, mean, now)))

    def _hear(self, word: int, now: float) -> None:
        """Note that a word was said."""
        self._heard[word], self._fallen[word], self._gone[word] = now, False, False

    def _next(self, certain: bool, now: float) -> Detection | None:
        """Return the next detection that is certain: by itself, or because several words are near each other."""
        while self._pending and now - self._pending[0][1].end > COMPANY:
            self._pending.popleft()
        if self._pending and (
            certain or now - self._certain_at <= COMPANY or len({word for word, _ in self._pending}) > 1
        ):
            self._due.extend(detection for _, detection in self._pending)
            self._certain_at = self._due[-1].end
            self._pending.clear()
        return self._due.popleft() if self._due else None

    def _detection(self, word: int, probabilities: NDArray[np.floating], end: float) -> Detection:
        """Return the detection of a word, by the mean probabilities of some steps up to `end` in seconds."""
        index = self._words[word]
        others = [entry for entry in ranking(self._labels, probabilities, 4) if entry[0] != self._labels[index]][:3]
        start = max(end - self._window, 0.0)
        return Detection(self._labels[index], float(probabilities[index]), start, end, tuple(others))


class _Means:
    """Weighted means of the latest rows.

    Parameters
    ----------
    weights : ndarray of int, shape (means, rows)
        The weights of each mean, the newest row first.
    width : int
        Length of a row.
    padded : bool
        Whether rows of zeros precede the first; otherwise the first ones are averaged over those there are.
    """

    def __init__(self, weights: NDArray[np.integer], width: int, padded: bool = False) -> None:
        self._weights: NDArray[np.floating] = weights.astype(np.float32)
        self._rows: NDArray[np.floating] = np.zeros((weights.shape[1], width), np.float32)
        self._count = weights.shape[1] if padded else 0

    def push(self, row: NDArray[np.floating]) -> NDArray[np.floating]:
        """Append a row and return the means, shape (means, width), in the type of the row."""
        if self._rows.dtype != row.dtype:
            self._rows, self._weights = self._rows.astype(row.dtype), self._weights.astype(row.dtype)
        self._rows[1:] = self._rows[:-1]
        self._rows[0] = row
        self._count = min(self._count + 1, len(self._rows))
        weights = self._weights[:, : self._count]
        means: NDArray[np.floating] = weights @ self._rows[: self._count] / weights.sum(axis=1, keepdims=True)
        return means
