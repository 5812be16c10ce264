"""The microphone: its sound as chunks at the wanted rate, for hours, whatever happens to it.

PortAudio calls back on a thread of its own, where next to nothing may be done: the callback copies its block into a
bounded queue. All else happens where the chunks are asked for.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import numpy as np

from sayso.errors import MicrophoneError
from sayso.live.devices import Device, devices, find, portaudio, without_chatter
from sayso.sound.stream import Samples, resampled

# Seconds of sound in one block of the callback: a step of live recognition, which is due when a block ends. Shorter
# ones wake the processor for nothing, longer ones delay decisions. A resampler holds the last moments of a block back,
# so that a step waits for the block after it; shorter blocks let it wait for less.
BLOCK, RESAMPLED_BLOCK = 0.1, 0.05
# Seconds of sound that wait for a slow consumer before the oldest are dropped.
WAITING = 5.0
# Without a block for so many seconds the stream is starved, and opened anew. PulseAudio needs up to 1.8 s at first.
STARVED = 4.0
# Seconds from one attempt to open a lost device to the next.
RETRY = 1.0
# How long to wait for a block before looking whether the stream is still alive; also how long Ctrl-C may wait.
PATIENCE = 0.2


@dataclass
class Health:
    """How the recording is getting on.

    Attributes
    ----------
    dropped : int
        Blocks that were thrown away because nobody took them in time.
    overflows : int
        How often the system says that it lost sound before handing it over.
    reopened : int
        How often the device was lost and found again.
    lag : float
        Seconds that the last chunk waited until it was taken.
    longest_lag : float
        The most that any waited.
    """

    dropped: int = 0
    overflows: int = 0
    reopened: int = 0
    lag: float = 0.0
    longest_lag: float = 0.0


@dataclass
class _Connection:
    """An open stream, the blocks that came from it with their times of arrival, and what they consist of."""

    stream: Any
    device: Device
    rate: float
    channels: int
    blocks: queue.SimpleQueue[tuple[float, bytes]]


class Microphone:
    """An open microphone, as a context manager.

    If the device goes away, it is sought again by its name until it is back. Meanwhile no chunk comes; a second of
    silence then stands for the gap, so that what was said before and after is not joined.

    Parameters
    ----------
    device : str, int or None
        Index or part of the name; None is the system's default.
    sample_rate : int
        Samples a second of the chunks. A device that cannot record so is recorded at its own rate and resampled.
    tell : callable
        Called with a sentence when something happens to the device.

    Attributes
    ----------
    health : Health
        How the recording is getting on.
    tell : callable
        As given.

    Raises
    ------
    MicrophoneError
        On entering, if there is no such device or it cannot be opened.
    """

    def __init__(
        self,
        device: str | int | None = None,
        sample_rate: int = 16_000,
        tell: Callable[[str], None] = lambda sentence: None,
    ) -> None:
        self.sample_rate = sample_rate
        self.health = Health()
        self._wanted = device
        self.tell = tell
        self._connection: _Connection | None = None
        self._stopped = threading.Event()

    def __enter__(self) -> Self:
        """Open the device."""
        self._connection = self._open(find(self._wanted, devices()))
        # From now on the name counts: numbers change when devices come and go.
        if self._wanted is not None:
            self._wanted = self._connection.device.name
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the device."""
        self._close()

    @property
    def device(self) -> Device:
        """The device that is recorded from."""
        return self._open_connection.device

    @property
    def device_rate(self) -> float:
        """The rate at which it records, in Hz."""
        return self._open_connection.rate

    @property
    def _open_connection(self) -> _Connection:
        if self._connection is None:
            raise MicrophoneError("the microphone is not open; use it in a `with` statement")
        return self._connection

    def chunks(self) -> Iterator[Samples]:
        """Yield the sound as it comes, without end unless it is stopped.

        Yields
        ------
        ndarray of float32, shape (samples,)
            The next samples, at the wanted rate.
        """
        while not self._stopped.is_set():
            connection = self._open_connection
            yield from resampled(self._blocks(connection), connection.rate, self.sample_rate)
            if not self._stopped.is_set() and self._reconnect(connection.device):
                yield np.zeros(self.sample_rate, np.float32)

    def record(self, seconds: float, hear: Callable[[Samples], None] = lambda chunk: None) -> Samples:
        """Record for so many seconds from now on; what was said before is not part of it.

        Parameters
        ----------
        seconds : float
            How long.
        hear : callable
            Called with each chunk as it comes.

        Returns
        -------
        ndarray of float32, shape (samples,)
            The sound, at the wanted rate.
        """
        blocks = self._open_connection.blocks
        while not blocks.empty():
            blocks.get_nowait()
        wanted, parts, heard = round(seconds * self.sample_rate), [], 0
        for chunk in self.chunks():
            parts.append(chunk)
            hear(chunk)
            heard += len(chunk)
            if heard >= wanted:
                break
        return np.concatenate(parts)[:wanted]

    def stop(self) -> None:
        """End the chunks within a moment; for another thread than the one that takes them."""
        self._stopped.set()

    def _blocks(self, connection: _Connection) -> Iterator[Samples]:
        """Yield blocks until the stream is stopped, ends or starves."""
        last = time.monotonic()
        while not self._stopped.is_set():
            try:
                arrived, block = connection.blocks.get(timeout=PATIENCE)
            except queue.Empty:
                if not connection.stream.active or time.monotonic() - last > STARVED:
                    return
                continue
            last = time.monotonic()
            self.health.lag = last - arrived
            self.health.longest_lag = max(self.health.longest_lag, self.health.lag)
            samples = np.frombuffer(block, np.float32)
            yield samples if connection.channels == 1 else samples.reshape(-1, connection.channels).mean(axis=1)

    def _reconnect(self, lost: Device) -> bool:
        """Seek the device by its name until it can be opened again, or nobody listens any more."""
        self.tell(f"lost {lost.name}; waiting for it to come back")
        self._close()
        while not self._connection:
            try:
                self._connection = self._open(find(self._wanted, devices(refresh=True)))
            except MicrophoneError:
                if self._stopped.wait(RETRY):
                    return False
        self.health.reopened += 1
        self.tell(f"listening again to {self.device.name}")
        return True

    def _close(self) -> None:
        if self._connection:
            # `stop` would wait for a device that may be gone.
            self._connection.stream.abort(ignore_errors=True)
            self._connection.stream.close(ignore_errors=True)
            self._connection = None

    def _open(self, device: Device) -> _Connection:
        """Open a device at the wanted rate or else at its own, with one channel or else two."""
        library = portaudio()

        def receive(data: Any, frames: int, moment: object, status: Any) -> None:
            self.health.overflows += bool(status.input_overflow)
            if blocks.qsize() * frames >= WAITING * rate:
                # The consumer is too slow; what was just said matters more than what was said seconds ago.
                self.health.dropped += 1
                with suppress(queue.Empty):
                    blocks.get_nowait()
            blocks.put((time.monotonic(), bytes(data)))

        reason: Exception | None = None
        for rate in dict.fromkeys((float(self.sample_rate), device.sample_rate)):
            length = BLOCK if rate == self.sample_rate else RESAMPLED_BLOCK
            blocks: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()
            for channels in range(1, min(device.channels, 2) + 1):
                try:
                    with without_chatter():
                        stream = library.RawInputStream(
                            samplerate=rate,
                            blocksize=round(length * rate),
                            device=device.index,
                            channels=channels,
                            dtype="float32",
                            callback=receive,
                        )
                        stream.start()
                except (library.PortAudioError, ValueError) as error:
                    reason = error
                else:
                    return _Connection(stream, device, rate, channels, blocks)
        raise MicrophoneError(f"{device.name} cannot be opened ({reason}); run `sayso doctor`") from reason
