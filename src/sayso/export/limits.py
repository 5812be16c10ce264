"""What the decision compares the scores of each word with, as tables for formats that decide in another language."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from sayso.config import SILENCE, UNKNOWN
from sayso.config.odds import log_odds
from sayso.export.exported import Exported
from sayso.recognition.decision import EASE_AGAIN, EASE_NEWEST

Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Limits:
    """The limits of `recognition.decision.Decision` for each word of a model, in log-odds.

    Attributes
    ----------
    words : list of int
        The places of the words among the labels.
    silence : int or None
        The place of silence, if words must stand alone.
    anywhere : list of bool
        Whether a word need not.
    clear : ndarray of float32, shape (words,)
        The mean score of the whole window that suffices without a pause after the word.
    heard : ndarray of float32, shape (words,)
        The one that suffices with it.
    rearm : ndarray of float32, shape (words,)
        The score below which it must have fallen since.
    newest, again : ndarray of float32, shape (words,)
        The mean score of the newest part with which a word is heard, and with which it is heard again soon after.
    """

    words: list[int]
    silence: int | None
    anywhere: list[bool]
    clear: Array
    heard: Array
    rearm: Array
    newest: Array
    again: Array

    @classmethod
    def of(cls, exported: Exported) -> Self:
        """Compute the limits of a model."""
        settings, labels = exported.model.decision, exported.model.labels
        words = [place for place, label in enumerate(labels) if label not in (SILENCE, UNKNOWN)]
        silence = labels.index(SILENCE) if settings.alone and SILENCE in labels else None
        anywhere = [labels[word] in settings.anywhere for word in words]
        thresholds = [settings.words.get(labels[word], settings.threshold) for word in words]
        clear = log_odds(np.array(thresholds, np.float32)).astype(np.float32)
        # Without a newest part, no pause after a word is looked for.
        eased = ~np.array(anywhere, bool) & (silence is not None and exported.newest > 0)
        heard = clear - np.where(eased, settings.ease, 0).astype(np.float32)
        likely = np.where(anywhere, clear, np.minimum(clear, 0))
        return cls(
            words,
            silence,
            anywhere,
            clear=clear,
            heard=heard,
            rearm=heard - np.float32(settings.hysteresis),
            newest=np.maximum(clear - np.float32(EASE_NEWEST), likely),
            again=np.maximum(clear - np.float32(EASE_AGAIN), likely),
        )
