"""The sound that a page sends, from bytes to what the page shows: level, likely words, words that are heard."""

from __future__ import annotations

from typing import Any

from sayso.live.listening import Level
from sayso.recognition.decision import Detection, ranking
from sayso.recognition.recognizer import Recognizer
from sayso.recognition.stream import WindowScores
from sayso.serve.client_sound import ClientSound
from sayso.sound.stream import Samples

# Number of words whose probabilities are shown.
SHOWN = 4

Message = dict[str, Any]


class PageSound:
    """The sound of one page.

    Parameters
    ----------
    recognizer : Recognizer
        What recognises it.
    rate : object
        Samples per second, as the page declares them.

    Raises
    ------
    PeerError
        If it is no rate that is taken.
    """

    def __init__(self, recognizer: Recognizer, rate: object) -> None:
        self._format = {"rate": rate, "width": 2, "channels": 1}
        self._sound, self._labels = ClientSound(recognizer, self._format), recognizer.labels
        self._rate, self._level = self._sound.rate, Level()

    def pieces(self, payload: bytes) -> list[Samples]:
        """Return the next samples, 16 bits each, as pieces that are short enough to be processed in turn."""
        return self._sound.pieces(self._format, payload)

    def push(self, samples: Samples) -> list[Message]:
        """Process a piece, and return the messages for the page."""
        self._level.update(samples, self._rate)
        return self._messages(self._sound.stream.steps(samples))

    def close(self) -> list[Message]:
        """End the sound, and return the last messages."""
        return [*map(_heard, self._sound.stream.close()), {"type": "ended"}]

    def _messages(self, steps: list[WindowScores]) -> list[Message]:
        sound: Message = {"type": "sound", "level": round(self._level.decibels, 1), "fault": self._level.fault}
        if steps:
            likely = ranking(self._labels, steps[-1].probabilities, SHOWN)
            sound["likely"] = [(label, round(probability, 3)) for label, probability in likely]
        return [sound, *(_heard(step.detection) for step in steps if step.detection)]


def _heard(detection: Detection) -> Message:
    return {"type": "heard", "word": detection.label, "confidence": round(detection.confidence, 3)}
