"""Wake word, then command: words count only within some seconds after a wake word."""

import math
from collections.abc import Iterable
from dataclasses import replace

from sayso.errors import SettingsError, shown
from sayso.model.parts import spelt, with_words
from sayso.recognition.decision import Detection
from sayso.recognition.recognizer import Recognizer

# Seconds for which commands count after the wake word, and the most that can be asked for.
SECONDS, MOST_SECONDS = 5.0, 3_600.0


class WakeGate:
    """Lets detections pass only within some seconds after that of the wake word.

    Like the decisions, it knows no clock but the sound: what counts are the ends of the detections. The wake word
    itself always passes, and starts its seconds anew. A command does not: where several are wanted in a row, they are
    said within the seconds, or after the wake word again.

    Parameters
    ----------
    word : str
        The wake word, a label of the model.
    seconds : float
        How long commands count after it.

    Raises
    ------
    SettingsError
        If the seconds are not above 0 and at most an hour.
    """

    def __init__(self, word: str, seconds: float = SECONDS) -> None:
        # NaN fails every comparison.
        if not 0 < seconds <= MOST_SECONDS:
            raise SettingsError(
                f"commands are to count for {shown(seconds)} seconds after the wake word; "
                f"expected above 0 and at most {MOST_SECONDS:g}"
            )
        self.word, self.seconds = word, float(seconds)
        self._woken = -math.inf

    def update(self, detection: Detection | None) -> Detection | None:
        """Process the next detection of a stream.

        Returns
        -------
        detection : Detection or None
            The detection with its `since_wake`, or None if it does not count.
        """
        if detection is None:
            return None
        if detection.label == self.word:
            self._woken = detection.end
        since = detection.end - self._woken
        return replace(detection, since_wake=since) if since <= self.seconds else None

    def remaining(self, now: float) -> float:
        """Return for how long commands still count, in seconds; 0 while the wake word is waited for.

        Parameters
        ----------
        now : float
            Seconds from the beginning of the sound.
        """
        return max(self._woken + self.seconds - now, 0.0)


def knowing(words: Iterable[str], recognizer: Recognizer) -> Recognizer:
    """Return a recogniser that has some words as labels; itself if it has them already.

    Parameters
    ----------
    words : iterable of str
        Labels of the model, or words that it knows within unknown speech, such as "computer".
    recognizer : Recognizer
        The recogniser.

    Raises
    ------
    ModelError
        If the model does not know one of the words.
    """
    model = with_words(recognizer.model, words)
    return recognizer if model is recognizer.model else Recognizer(model)


def waiting_for(word: str, recognizer: Recognizer, seconds: float = SECONDS) -> tuple[Recognizer, WakeGate]:
    """Return a recogniser that has a wake word as a label, and the gate for its detections.

    Parameters
    ----------
    word : str
        A label of the model, or one of the words that it knows within unknown speech, such as "computer".
    recognizer : Recognizer
        The recogniser; it is returned as it is if the word is a label.
    seconds : float
        How long commands count after the wake word.

    Raises
    ------
    ModelError
        If the model does not know the word.
    SettingsError
        If the seconds are out of range.
    """
    gate = WakeGate(spelt(recognizer.model, word), seconds)
    return knowing([word], recognizer), gate
