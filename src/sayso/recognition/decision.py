"""From probabilities over time to detections: a small state machine whose only clock is the count of samples.

Past scores are never edited: a held word fires once, and a word said twice fires twice. A window is longer than a word,
so that it still holds a word when the next one is said. So the newest part of the window is also scored on its own:
that score falls between two words.

A command is a word said by itself; the same sounds within a sentence are none. So a word counts only if there was a
pause, or another word of the model, just before it. A clear word is detected at once, and a less clear one if a pause
follows.
"""

from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sayso.config import DecisionSettings
from sayso.config.odds import log_odds
from sayso.recognition.limits import Limits
from sayso.recognition.means import Means

# Log-odds are cut off here, so that no single step, however certain, decides alone.
LARGEST = 8.0
# Steps over which the scores of the newest part are averaged; for a word that was just detected, fewer suffice.
STEPS, STEPS_AGAIN = 4, 2
# Seconds within which words count as said in one breath. A word that would not be detected alone is detected if another
# is near.
COMPANY = 1.5
# A pause shows as this probability of silence. Before a word it is sought in the windows that ended between so many
# seconds ago: they hold what was heard before the word. After a word it is sought in the newest part of the window, for
# at most so many seconds.
PAUSE, BEFORE, AFTER = 0.1, (0.5, 1.2), 0.6


@dataclass(frozen=True)
class Detection:
    """A detected word.

    Attributes
    ----------
    label : str
        The word.
    confidence : float
        Its probability; in a stream that of the mean log-odds over the latest steps.
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


@dataclass
class _Heard:
    """A word that was heard and is not certain yet.

    Attributes
    ----------
    word : int
        Its position among the words.
    alone : bool
        Whether there was a pause, or another word of the model, before it, or none is needed.
    whole : float
        When the whole window showed it, in seconds; minus infinity before that.
    detection : Detection
        What is detected if it becomes certain.
    """

    word: int
    alone: bool
    whole: float
    detection: Detection


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
    phrases : collection of str
        The labels that take up to two windows. A word that is heard in a phrase is part of it.
    """

    def __init__(
        self, settings: DecisionSettings, labels: Sequence[str], sample_rate: int, window: float,
        phrases: Collection[str] = (),
    ) -> None:  # fmt: skip
        self._settings, self._labels, self._rate, self._window = settings, tuple(labels), sample_rate, window
        limits = Limits.of(settings, self._labels)
        self._words, self._silence, self._anywhere = limits.words, limits.silence, limits.anywhere
        self._phrases = {place for place, word in enumerate(self._words.tolist()) if labels[word] in phrases}
        # Computed once for each type of probabilities, without and with the newest parts.
        self._limits: dict[tuple[np.dtype[Any], bool], Limits] = {}
        # In a mean of log-odds, a step in which the word is absent counts as much as one in which it is certain.
        self._whole = Means(np.ones((1, settings.smoothing)), len(labels))
        falling = np.stack([np.arange(STEPS, 0, -1), np.arange(STEPS_AGAIN, STEPS_AGAIN - STEPS, -1).clip(0)])
        self._newest = Means(falling, len(labels), fill=-LARGEST)
        # Whether the score of each word has fallen since it was heard, in the whole window and in its newest part.
        self._armed, self._fallen = np.ones((2, len(self._words)), bool)
        # When each was heard last, in seconds, and whether it has left the window since.
        self._last, self._gone = np.full(len(self._words), -np.inf), np.ones(len(self._words), bool)
        self._heard: deque[_Heard] = deque()
        self._due: deque[Detection] = deque()
        self._certain_at = self._phrase_at = -np.inf
        # When each of the latest windows ended, in seconds, and whether it shows a pause.
        self._pauses: deque[tuple[float, bool]] = deque()

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
            separated, no word is detected during the refractory time of another, and no pause confirms a word.

        Returns
        -------
        detection : Detection or None
            The word that is detected at this step, if any.
        """
        if not len(self._words):
            return None
        now = end_sample / self._rate
        whole = _bounded_odds(probabilities)
        (average,) = self._whole.push(whole)
        scores, limits = average[self._words], self._limits_in(average.dtype, newest is not None)
        self._armed |= scores < limits.rearm
        alone = self._anywhere | self._pause_before(probabilities, now)
        best: int | None = int((scores - limits.heard).argmax())
        if scores[best] < limits.heard[best] or not self._armed[best]:
            best = None
        if newest is None:
            # Another word that follows at once cannot be separated from the end of the first.
            if best is None or not alone[best] or now - self._last.max() < self._settings.refractory:
                return None
            self._armed[best], self._last[best], self._certain_at = False, now, now
            return self._detection(best, average, now)
        self._listen_closely(whole, _bounded_odds(newest), limits, alone, now)
        if best is not None:
            self._armed[best] = False
            self._confirm(best, self._detection(best, average, now), bool(alone[best]), now)
        pause = self._silence is not None and newest[self._silence] >= PAUSE
        return self._next(scores >= limits.clear, bool(pause), now)

    def _limits_in(self, dtype: np.dtype[Any], newest: bool) -> Limits:
        """Return the limits for probabilities of a type, with or without those of the newest part."""
        if (dtype, newest) not in self._limits:
            self._limits[dtype, newest] = Limits.of(self._settings, self._labels, newest, dtype)
        return self._limits[dtype, newest]

    def _pause_before(self, probabilities: NDArray[np.floating], now: float) -> bool:
        """Return whether a word that is complete now stands alone, as far as what was heard before it shows."""
        if self._silence is None:
            return True
        self._pauses.append((now, bool(probabilities[self._silence] >= PAUSE)))
        while self._pauses[0][0] < now - BEFORE[1]:
            self._pauses.popleft()
        # Nothing was heard before the first words of a stream.
        before = [pause for end, pause in self._pauses if end <= now - BEFORE[0]]
        return any(before) or not before or now - self._certain_at <= COMPANY

    def _listen_closely(
        self,
        whole: NDArray[np.floating],
        newest: NDArray[np.floating],
        limits: Limits,
        alone: NDArray[np.bool_],
        now: float,
    ) -> None:
        """Note the words that are complete in the newest part of the window, by its log-odds and those of the whole."""
        since = now - self._last
        self._fallen |= newest[self._words] < limits.rearm
        self._gone |= (whole[self._words] < limits.rearm) & (since >= self._window)
        # While a word is in the window, only the newest part shows whether it was said again.
        better = newest.copy()
        better[self._words] = np.where(self._gone, np.maximum(whole, newest)[self._words], newest[self._words])
        mean, brief = self._newest.push(better)
        clear = mean[self._words] >= limits.newest
        again = (brief[self._words] >= limits.again) & (since <= COMPANY)
        complete = self._fallen & (since >= self._settings.refractory) & (clear | again)
        for word in complete.nonzero()[0].tolist():
            self._hear(_Heard(word, bool(alone[word]), -np.inf, self._detection(word, mean, now)), now)

    def _hear(self, heard: _Heard, now: float) -> None:
        """Note that a word was said."""
        self._last[heard.word], self._fallen[heard.word], self._gone[heard.word] = now, False, False
        self._heard.append(heard)

    def _confirm(self, word: int, found: Detection, alone: bool, now: float) -> None:
        """Note that the whole window shows a word, for the first time since its score fell."""
        same = [heard for heard in self._heard if heard.word == word]
        if same:
            same[-1].whole, same[-1].alone = now, same[-1].alone or alone
            if len(self._heard) == 1:
                same[-1].detection = found
        elif self._gone[word]:
            # Else it is a word that was detected already and is still in the window.
            self._hear(_Heard(word, alone, now, found), now)

    def _next(self, clear: NDArray[np.bool_], pause: bool, now: float) -> Detection | None:
        """Return the next detection that is certain: by itself, or because several words are near each other.

        Parameters
        ----------
        clear : ndarray of bool, shape (words,)
            Whether the score of each word suffices without a pause after it.
        pause : bool
            Whether a pause follows what was heard.
        now : float
            In seconds.
        """
        while self._heard and now - self._heard[0].detection.end > COMPANY:
            self._heard.popleft()
        if self._heard:
            last = self._heard[-1]
            certain = [
                heard
                for heard in self._heard
                if heard.alone
                and heard.whole > -np.inf
                and ((clear[heard.word] and not self._settings.patient) or (pause and now - heard.whole <= AFTER))
            ]
            phrase = next((heard for heard in certain if heard.word in self._phrases), None)
            if phrase:
                # Words that were heard with it are its own; another phrase within a window would share a half with it.
                self._heard.clear()
                if now - self._phrase_at < self._window:
                    return None
                self._phrase_at = now
                return replace(phrase.detection, start=max(now - 2 * self._window, 0.0), end=now)
            company = len({heard.word for heard in self._heard}) > 1 and self._heard[0].alone
            if certain or company or now - self._certain_at <= COMPANY:
                if certain:
                    start = max(now - self._window, 0.0)
                    last.detection = replace(last.detection, start=start, end=now)
                self._due.extend(heard.detection for heard in self._heard)
                self._certain_at = self._due[-1].end
                self._heard.clear()
        return self._due.popleft() if self._due else None

    def _detection(self, word: int, average: NDArray[np.floating], end: float) -> Detection:
        """Return the detection of a word, by the mean log-odds of some steps up to `end` in seconds."""
        index = self._words[word]
        probabilities = 1 / (1 + np.exp(-average))
        others = [entry for entry in ranking(self._labels, probabilities, 4) if entry[0] != self._labels[index]][:3]
        start = max(end - (2 if word in self._phrases else 1) * self._window, 0.0)
        return Detection(self._labels[index], float(probabilities[index]), start, end, tuple(others))


def _bounded_odds(probabilities: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the log-odds of probabilities, cut off at `LARGEST`."""
    # `clip` takes three times as long for a few numbers.
    bounded: NDArray[np.floating] = np.maximum(np.minimum(log_odds(probabilities), LARGEST), -LARGEST)
    return bounded
