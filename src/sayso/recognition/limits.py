"""What the decision compares the log-odds of each word with."""

from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from sayso.config import SILENCE, UNKNOWN, DecisionSettings
from sayso.config.odds import log_odds

# By how many nats the mean score of the newest part may be lower than that of the whole window, as long as the word is
# more likely than not; and for a word that was just detected.
EASE_NEWEST, EASE_AGAIN = 3.25, 4.0


class Limits(NamedTuple):
    """The limits for the words of a model.

    Attributes
    ----------
    words : ndarray of int, shape (words,)
        The places of the words among the labels.
    silence : int or None
        The place of silence, if words must stand alone; whether they do is known only to a model that knows silence.
    anywhere : ndarray of bool, shape (words,)
        Whether a word need not stand alone.
    clear : ndarray, shape (words,)
        The mean score of the whole window with which a word is detected without a pause after it.
    heard : ndarray, shape (words,)
        The one with which it is heard.
    rearm : ndarray, shape (words,)
        The score below which it has fallen.
    newest, again : ndarray, shape (words,)
        The mean scores of the newest part with which a word is heard, and heard again.
    """

    words: NDArray[np.intp]
    silence: int | None
    anywhere: NDArray[np.bool_]
    clear: NDArray[np.floating]
    heard: NDArray[np.floating]
    rearm: NDArray[np.floating]
    newest: NDArray[np.floating]
    again: NDArray[np.floating]

    @classmethod
    def of(
        cls, settings: DecisionSettings, labels: Sequence[str], newest: bool = True, dtype: DTypeLike = np.float32
    ) -> Self:
        """Compute the limits.

        Parameters
        ----------
        settings : DecisionSettings
            Thresholds and by how much they may be missed.
        labels : sequence of str
            The labels.
        newest : bool
            Whether newest parts are scored; without them, no pause after a word is looked for.
        dtype : dtype
            Type of the probabilities, which the limits get as well, so that one is met exactly.
        """
        words = [place for place, label in enumerate(labels) if label not in (SILENCE, UNKNOWN)]
        silence = labels.index(SILENCE) if settings.alone and SILENCE in labels else None
        anywhere = np.array([labels[word] in settings.anywhere for word in words], bool)
        thresholds = [settings.words.get(labels[word], settings.threshold) for word in words]
        clear = log_odds(np.array(thresholds, dtype))
        eased = ~anywhere & (silence is not None and newest)
        heard = clear - np.where(eased, settings.ease, 0.0).astype(dtype)
        likely = np.where(anywhere, clear, np.minimum(clear, 0))
        return cls(
            np.array(words, np.intp),
            silence,
            anywhere,
            clear=clear,
            heard=heard,
            rearm=heard - np.asarray(settings.hysteresis, dtype),
            newest=np.maximum(clear - np.asarray(EASE_NEWEST, dtype), likely),
            again=np.maximum(clear - np.asarray(EASE_AGAIN, dtype), likely),
        )
