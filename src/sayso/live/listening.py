"""Live recognition: chunks from the microphone or a file go through the recogniser, with an eye on time and level."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import numpy as np

from sayso.live.microphone import Microphone
from sayso.model import shipped
from sayso.recognition.decision import Detection
from sayso.recognition.recognizer import Recognizer, WindowScores, load
from sayso.sound.stream import CLIPPED, Samples

# Steps whose times are remembered for the percentile: ten minutes of them.
REMEMBERED = 6_000
SILENT = -120.0
# A microphone that gives nothing but zeros for so many seconds is not really heard.
SILENT_SECONDS = 3.0


@dataclass
class Pace:
    """How long the steps take, from the moment the samples are there to the decision.

    Attributes
    ----------
    steps : int
        Steps so far.
    seconds : deque of float
        Duration of the latest steps.
    """

    steps: int = 0
    seconds: deque[float] = field(default_factory=lambda: deque(maxlen=REMEMBERED))

    def add(self, seconds: float) -> None:
        """Take a step into account."""
        self.steps += 1
        self.seconds.append(seconds)

    def quantile(self, part: float) -> float:
        """Return the duration that this part of the latest steps do not exceed, in seconds."""
        return float(np.quantile(self.seconds, part)) if self.seconds else 0.0


@dataclass
class Level:
    """How loud the latest sound is.

    Attributes
    ----------
    decibels : float
        Root mean square of the last chunk in decibels below full scale; -120 is silence.
    clipped : bool
        Whether a sample of it is at full scale.
    silent : float
        Seconds since when every sample was exactly zero, as no microphone's is that may be listened to.
    """

    decibels: float = SILENT
    clipped: bool = False
    silent: float = 0.0

    @property
    def trouble(self) -> str:
        """What is wrong with the sound, and what to do; empty if nothing is."""
        if self.silent >= SILENT_SECONDS:
            return "no signal: nothing but zeros; is it muted, or not permitted? see `sayso doctor`"
        return "clipping: too loud; turn the microphone down or move away" if self.clipped else ""

    def take(self, chunk: Samples, sample_rate: int) -> None:
        """Measure a chunk."""
        # A cold processor pays for every function of NumPy that it meets: this is a minimum of them.
        magnitudes = np.abs(chunk)
        peak = magnitudes[magnitudes.argmax()] if len(chunk) else 0.0
        self.clipped = bool(peak >= CLIPPED)
        self.silent = self.silent + len(chunk) / sample_rate if peak == 0 else 0.0
        power = float(chunk @ chunk) / max(len(chunk), 1)
        self.decibels = 10 * math.log10(max(power, 10 ** (SILENT / 10)))


class Listening:
    """One listening to a stream of sound.

    Parameters
    ----------
    recognizer : Recognizer
        What listens.
    chunks : iterable of ndarray of float32, shape (samples,)
        The sound at the model's rate.
    record : callable, optional
        Called with each chunk before it is listened to.

    Attributes
    ----------
    pace : Pace
        How long steps take.
    level : Level
        How loud it is.
    """

    def __init__(
        self, recognizer: Recognizer, chunks: Iterable[Samples], record: Callable[[Samples], None] | None = None
    ) -> None:
        self.pace, self.level = Pace(), Level()
        self._recognizer, self._chunks, self._record = recognizer, chunks, record
        self._delivered = 0.0

    def scores(self) -> Iterator[WindowScores]:
        """Yield what is heard at each step, on one BLAS thread: on several, short products stall now and then."""
        from threadpoolctl import threadpool_limits

        with threadpool_limits(1, "blas"):
            for window in self._recognizer.scores(self._watched()):
                now = time.perf_counter()
                self.pace.add(now - self._delivered)
                yield window
                # Several looks at one chunk: the next one's time starts here.
                self._delivered = time.perf_counter()

    def _watched(self) -> Iterator[Samples]:
        rate = self._recognizer.model.features.sample_rate
        for chunk in self._chunks:
            self._delivered = time.perf_counter()
            self.level.take(chunk, rate)
            if self._record:
                self._record(chunk)
            yield chunk


def listen(model: str | Recognizer = shipped.DEFAULT, device: str | int | None = None) -> Iterator[Detection]:
    """Listen to a microphone, without end.

    Parameters
    ----------
    model : str or Recognizer
        A model file, the name of a shipped model, or a recogniser.
    device : str, int or None
        Index of the microphone or part of its name; None is the system's default.

    Yields
    ------
    detection : Detection
        Each word as soon as it is certain; its times count from the beginning of the listening.

    Raises
    ------
    ModelError, MicrophoneError
        If the model or the microphone cannot be used.
    """
    recognizer = load(model) if isinstance(model, str) else model
    with Microphone(device, recognizer.model.features.sample_rate) as microphone:
        for window in Listening(recognizer, microphone.chunks()).scores():
            if window.detection:
                yield window.detection


class BackgroundListener:
    """Listens to a microphone in a thread of its own, as a context manager, while the program does something else.

    Parameters
    ----------
    callback : callable
        Called in that thread with each detection.
    model, device
        As for `listen`.

    Attributes
    ----------
    microphone : Microphone
        The microphone, and its health.
    listening : Listening
        The listening, its pace and level.
    error : Exception or None
        What ended the listening, if not `stop`; an exception of the callback's, too.
    """

    def __init__(
        self,
        callback: Callable[[Detection], object],
        model: str | Recognizer = shipped.DEFAULT,
        device: str | int | None = None,
    ) -> None:
        self.error: Exception | None = None
        self._callback = callback
        recognizer = load(model) if isinstance(model, str) else model
        self.microphone = Microphone(device, recognizer.model.features.sample_rate)
        self.listening = Listening(recognizer, self.microphone.chunks())
        self._thread = threading.Thread(target=self._run, name="sayso", daemon=True)

    def __enter__(self) -> Self:
        """Open the microphone and start to listen."""
        self.microphone.__enter__()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()

    def stop(self) -> None:
        """End the listening, and wait for it to end unless it is the callback that asks for it."""
        self.microphone.stop()
        if threading.current_thread() is not self._thread:
            self._thread.join()
            self.microphone.__exit__(None, None, None)

    def _run(self) -> None:
        try:
            for window in self.listening.scores():
                if window.detection:
                    self._callback(window.detection)
        except Exception as error:
            self.error = error
