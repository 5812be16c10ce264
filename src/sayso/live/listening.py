"""Live recognition of the microphone or a file, with measurements of computing time and sound level."""

from __future__ import annotations

import math
import os
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

# Steps whose durations are kept for the quantiles: ten minutes at ten steps a second.
KEPT_STEPS = 6_000
# Level of digital silence in dBFS.
SILENT = -120.0
# After this many seconds of nothing but zeros, the microphone is reported as muted.
SILENT_SECONDS = 3.0


@dataclass
class Pace:
    """Computing time of the steps, from the arrival of the samples to the decision.

    Attributes
    ----------
    steps : int
        Number of steps so far.
    seconds : deque of float
        Durations of the latest steps.
    """

    steps: int = 0
    seconds: deque[float] = field(default_factory=lambda: deque(maxlen=KEPT_STEPS))

    def add(self, seconds: float) -> None:
        """Add the duration of a step."""
        self.steps += 1
        self.seconds.append(seconds)

    def quantile(self, q: float) -> float:
        """Return a quantile of the latest durations in seconds, 0 if there are none; `q` is between 0 and 1."""
        return float(np.quantile(self.seconds, q)) if self.seconds else 0.0


@dataclass
class Level:
    """Level of the latest chunk of sound.

    Attributes
    ----------
    decibels : float
        Root mean square in dBFS (decibels relative to full scale), at least -120.
    clipped : bool
        Whether a sample is at full scale.
    silent : float
        Seconds for which every sample has been exactly zero; a microphone that is on always has some noise.
    """

    decibels: float = SILENT
    clipped: bool = False
    silent: float = 0.0

    @property
    def problem(self) -> str:
        """What is wrong with the sound and what to do; empty if nothing is wrong."""
        if self.silent >= SILENT_SECONDS:
            return "no signal: nothing but zeros; is it muted, or not permitted? see `sayso doctor`"
        return "clipping: too loud; turn the microphone down or move away" if self.clipped else ""

    def update(self, chunk: Samples, sample_rate: int) -> None:
        """Measure the next chunk."""
        # Few calls of NumPy: each costs more than the arithmetic when the caches are cold.
        magnitudes = np.abs(chunk)
        peak = magnitudes[magnitudes.argmax()] if len(chunk) else 0.0
        self.clipped = bool(peak >= CLIPPED)
        self.silent = self.silent + len(chunk) / sample_rate if peak == 0 else 0.0
        power = float(chunk @ chunk) / max(len(chunk), 1)
        self.decibels = 10 * math.log10(max(power, 10 ** (SILENT / 10)))


class Listening:
    """Live recognition of one stream of sound.

    Parameters
    ----------
    recognizer : Recognizer
        The recogniser.
    chunks : iterable of ndarray of float32, shape (samples,)
        The sound at the model's rate.
    record : callable, optional
        Called with each chunk before it is processed.

    Attributes
    ----------
    pace : Pace
        Computing time of the steps.
    level : Level
        Level of the latest chunk.
    """

    def __init__(
        self, recognizer: Recognizer, chunks: Iterable[Samples], record: Callable[[Samples], None] | None = None
    ) -> None:
        self.pace, self.level = Pace(), Level()
        self._recognizer, self._chunks, self._record = recognizer, chunks, record
        self._delivered = 0.0

    def scores(self) -> Iterator[WindowScores]:
        """Yield the scores of each step, on one BLAS thread: on several, small products are delayed now and then."""
        from threadpoolctl import threadpool_limits

        with threadpool_limits(1, "blas"):
            for window in self._recognizer.scores(self._monitored()):
                now = time.perf_counter()
                self.pace.add(now - self._delivered)
                yield window
                # A chunk may complete several steps; the next one's time starts here.
                self._delivered = time.perf_counter()

    def _monitored(self) -> Iterator[Samples]:
        rate = self._recognizer.model.features.sample_rate
        for chunk in self._chunks:
            self._delivered = time.perf_counter()
            self.level.update(chunk, rate)
            if self._record:
                self._record(chunk)
            yield chunk


def listen(
    model: str | os.PathLike[str] | Recognizer = shipped.DEFAULT, device: str | int | None = None
) -> Iterator[Detection]:
    """Detect words from a microphone, until the caller stops iterating.

    Parameters
    ----------
    model : str, path or Recognizer
        A model file, the name of a shipped model, or a recogniser that is loaded already.
    device : str, int or None
        Index of the microphone or part of its name; None is the system's default.

    Yields
    ------
    detection : Detection
        Each word as soon as it is detected; its times count from the beginning of the recording.

    Raises
    ------
    ModelError, MicrophoneError
        If the model or the microphone cannot be used.
    """
    recognizer = model if isinstance(model, Recognizer) else load(model)
    with Microphone(device, recognizer.model.features.sample_rate) as microphone:
        for window in Listening(recognizer, microphone.chunks()).scores():
            if window.detection:
                yield window.detection


class BackgroundListener:
    """Detects words from a microphone in a background thread, as a context manager.

    Parameters
    ----------
    callback : callable
        Called in that thread with each detection.
    model, device
        As for `listen`.

    Attributes
    ----------
    microphone : Microphone
        The microphone with its health.
    listening : Listening
        The recognition with its pace and level.
    error : Exception or None
        The exception that ended the thread, if any; it may come from the callback.
    """

    def __init__(
        self,
        callback: Callable[[Detection], object],
        model: str | os.PathLike[str] | Recognizer = shipped.DEFAULT,
        device: str | int | None = None,
    ) -> None:
        self.error: Exception | None = None
        self._callback = callback
        recognizer = model if isinstance(model, Recognizer) else load(model)
        self.microphone = Microphone(device, recognizer.model.features.sample_rate)
        self.listening = Listening(recognizer, self.microphone.chunks())
        self._thread = threading.Thread(target=self._run, name="sayso", daemon=True)

    def __enter__(self) -> Self:
        """Open the microphone and start the thread."""
        self.microphone.__enter__()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()

    def stop(self) -> None:
        """Stop listening and wait for the thread to end, unless called from the callback."""
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
