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
from typing import Literal, Self

import numpy as np

from sayso.live.microphone import Microphone
from sayso.model import shipped
from sayso.recognition.decision import Detection
from sayso.recognition.recognizer import Recognizer, load
from sayso.recognition.stream import WindowScores
from sayso.recognition.wake import SECONDS, WakeGate, waiting_for
from sayso.sound.stream import CLIPPED, Samples

# Steps whose durations are kept for the quantiles: ten minutes at ten steps a second.
KEPT_STEPS = 6_000
# Level of digital silence in dBFS.
SILENT = -120.0
# After this many seconds of nothing but zeros, the microphone is reported as muted.
SILENT_SECONDS = 3.0
# Sound whose loudest block is below this level in dBFS is too quiet to be recognised well: near a microphone whose gain
# is right, speech has about -30, an amplifier's noise about -70.
QUIET = -45.0
# It is not merely silent if its loudest block exceeds the quietest by so many decibels.
RISE = 10.0
Fault = Literal["silent", "clipping", "quiet"]
"""What can be wrong with the level of sound."""
PROBLEMS: dict[Fault, str] = {
    "silent": "no signal: nothing but zeros; is it muted, or not permitted? see `sayso doctor`",
    "clipping": "clipping: too loud; turn the microphone down or move away",
    "quiet": "very quiet: raise the gain of the microphone, or give --gain DB",
}
# Seconds that are listened to before the level is judged, and those of the blocks by which it is.
JUDGED_AFTER, LEVEL_BLOCK = 3.0, 0.1


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
        Root mean square without the offset, in dBFS (decibels relative to full scale), at least -120.
    clipped : bool
        Whether a sample is at full scale.
    silent : float
        Seconds for which every sample has been exactly zero; a microphone that is on always has some noise.
    offset : float
        Mean of the samples.
    loudest, quietest : float
        Level of the loudest and of the quietest block since the beginning; blocks of zeros do not count.
    heard : float
        Seconds of sound other than zeros since the beginning.
    """

    decibels: float = SILENT
    clipped: bool = False
    silent: float = 0.0
    offset: float = 0.0
    loudest: float = SILENT
    quietest: float = 0.0
    heard: float = 0.0

    @property
    def fault(self) -> Fault | None:
        """What is wrong with the sound, if anything."""
        if self.silent >= SILENT_SECONDS:
            return "silent"
        if self.clipped:
            return "clipping"
        if self.heard >= JUDGED_AFTER and self.quietest + RISE <= self.loudest < QUIET:
            return "quiet"
        return None

    @property
    def problem(self) -> str:
        """What is wrong with the sound and what to do, for a terminal; empty if nothing is wrong."""
        return PROBLEMS[self.fault] if self.fault else ""

    def update(self, chunk: Samples, sample_rate: int) -> None:
        """Measure the next chunk."""
        # Few calls of NumPy: each costs more than the arithmetic when the caches are cold.
        magnitudes = np.abs(chunk)
        peak = magnitudes[magnitudes.argmax()] if len(chunk) else 0.0
        self.clipped = bool(peak >= CLIPPED)
        self.silent = self.silent + len(chunk) / sample_rate if peak == 0 else 0.0
        # An offset is not sound: with it, a silent microphone would seem loud.
        self.offset = float(chunk.sum()) / max(len(chunk), 1)
        self.decibels = _decibels(chunk)
        if peak:
            self.heard += len(chunk) / sample_rate
            # Files come in chunks of many seconds, in which a word would be lost.
            size = max(round(LEVEL_BLOCK * sample_rate), 1)
            for start in range(0, len(chunk), size):
                level = _decibels(chunk[start : start + size])
                if level > SILENT:
                    self.loudest, self.quietest = max(self.loudest, level), min(self.quietest, level)


def _decibels(samples: Samples) -> float:
    """Return the root mean square without the offset in dBFS, at least `SILENT`."""
    count = max(len(samples), 1)
    power = float(samples @ samples) / count - (float(samples.sum()) / count) ** 2
    return 10 * math.log10(max(power, 10 ** (SILENT / 10)))


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
    gain : float
        Decibels by which the sound is amplified first; what exceeds full scale is clipped.
    wake : WakeGate, optional
        The gate that detections must pass, if a wake word is waited for.

    Attributes
    ----------
    pace : Pace
        Computing time of the steps.
    level : Level
        Level of the latest chunk.
    wake : WakeGate or None
        The gate.
    awake : float
        Seconds for which commands still count after the wake word; 0 while it is waited for.
    """

    def __init__(
        self,
        recognizer: Recognizer,
        chunks: Iterable[Samples],
        record: Callable[[Samples], None] | None = None,
        gain: float = 0.0,
        wake: WakeGate | None = None,
    ) -> None:
        self.pace, self.level = Pace(), Level()
        self.wake, self.awake = wake, 0.0
        self._factor = np.float32(10 ** (gain / 20))
        self._recognizer, self._chunks, self._record = recognizer, chunks, record
        self._delivered = 0.0

    def scores(self) -> Iterator[WindowScores]:
        """Yield the scores of each step, with those detections that count.

        One BLAS thread is used: on several, small products are delayed now and then.
        """
        from threadpoolctl import threadpool_limits

        rate = self._recognizer.model.features.sample_rate
        with threadpool_limits(1, "blas"):
            for window in self._recognizer.scores(self._monitored()):
                if self.wake:
                    window = window._replace(detection=self.wake.update(window.detection))
                    self.awake = self.wake.remaining(window.end / rate)
                now = time.perf_counter()
                self.pace.add(now - self._delivered)
                yield window
                # A chunk may complete several steps; the next one's time starts here.
                self._delivered = time.perf_counter()

    def _monitored(self) -> Iterator[Samples]:
        rate = self._recognizer.model.features.sample_rate
        for chunk in self._chunks:
            self._delivered = time.perf_counter()
            if self._factor != 1:
                chunk = (chunk * self._factor).clip(-1, 1)
            self.level.update(chunk, rate)
            if self._record:
                self._record(chunk)
            yield chunk


def listen(
    model: str | os.PathLike[str] | Recognizer = shipped.DEFAULT,
    device: str | int | None = None,
    gain: float = 0.0,
    wake: str | None = None,
    seconds: float = SECONDS,
) -> Iterator[Detection]:
    """Detect words from a microphone, until the caller stops iterating.

    Parameters
    ----------
    model : str, path or Recognizer
        A model file, the name of a shipped model, or a recogniser that is loaded already.
    device : str, int or None
        Index of the microphone or part of its name; None is the system's default.
    gain : float
        Decibels by which the sound is amplified.
    wake : str or None
        A wake word: a label of the model, or one of the words that it knows within unknown speech, such as "computer".
        Other words then count only within some seconds after it.
    seconds : float
        How many seconds.

    Yields
    ------
    detection : Detection
        Each word as soon as it is detected; its times count from the beginning of the recording. A wake word is
        yielded, too: its `since_wake` is 0.

    Raises
    ------
    ModelError, MicrophoneError
        If the model or the microphone cannot be used, or the model does not know the wake word.
    SettingsError
        If the seconds are out of range.
    """
    recognizer, gate = _prepared(model, wake, seconds)
    with Microphone(device, recognizer.model.features.sample_rate) as microphone:
        for window in Listening(recognizer, microphone.chunks(), gain=gain, wake=gate).scores():
            if window.detection:
                yield window.detection


def _prepared(
    model: str | os.PathLike[str] | Recognizer, wake: str | None, seconds: float
) -> tuple[Recognizer, WakeGate | None]:
    """Return the recogniser, and the gate if a wake word is waited for."""
    recognizer = model if isinstance(model, Recognizer) else load(model)
    return (recognizer, None) if wake is None else waiting_for(wake, recognizer, seconds)


class BackgroundListener:
    """Detects words from a microphone in a background thread, as a context manager.

    Parameters
    ----------
    callback : callable
        Called in that thread with each detection.
    model, device, gain, wake, seconds
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
        gain: float = 0.0,
        wake: str | None = None,
        seconds: float = SECONDS,
    ) -> None:
        self.error: Exception | None = None
        self._callback = callback
        recognizer, gate = _prepared(model, wake, seconds)
        self.microphone = Microphone(device, recognizer.model.features.sample_rate)
        self.listening = Listening(recognizer, self.microphone.chunks(), gain=gain, wake=gate)
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
