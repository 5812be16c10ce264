"""The microphone: its sound as chunks at the requested rate, for hours, with recovery when the device is lost.

PortAudio runs the callback on its own thread, where almost nothing may be done: the callback copies its block into a
bounded queue. Everything else happens in the thread that takes the chunks.
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
from sayso.live.devices import Device, devices, find, find_again
from sayso.live.portaudio import portaudio, silenced_stderr
from sayso.sound.mixing import mixed
from sayso.sound.stream import Samples, resampled

# Seconds of sound in one block of the callback. A block is one step of live recognition: shorter blocks wake the
# processor for nothing, longer ones delay decisions. A resampler holds back the last few samples of a block, so that a
# step has to wait for the next block; shorter blocks shorten this wait.
BLOCK, RESAMPLED_BLOCK = 0.1, 0.05
# Seconds of sound that are queued for a slow consumer before the oldest blocks are dropped.
QUEUE_SECONDS = 5.0
# Seconds without a block after which the stream is reopened. PulseAudio needs up to 1.8 s for the first block.
BLOCK_TIMEOUT = 4.0
# Seconds between attempts to open a lost device.
RETRY_INTERVAL = 1.0
# Seconds to wait for a block before checking that the stream is still active; Ctrl-C can be delayed by as much.
POLL_INTERVAL = 0.2


@dataclass
class Health:
    """Counters of what went wrong during a recording.

    Attributes
    ----------
    dropped : int
        Blocks that were dropped because they were not taken in time.
    overflows : int
        How often the system reported that it lost sound before delivering it.
    reopened : int
        How often the device was lost and opened again.
    lag : float
        Seconds that the latest block waited in the queue.
    longest_lag : float
        Longest time that any block waited.
    """

    dropped: int = 0
    overflows: int = 0
    reopened: int = 0
    lag: float = 0.0
    longest_lag: float = 0.0


@dataclass
class _Connection:
    """A stream, the queue of its blocks with their times of arrival, and their format."""

    stream: Any
    device: Device
    rate: float
    channels: int
    blocks: queue.SimpleQueue[tuple[float, bytes]]

    def active(self) -> bool:
        """Return whether blocks can still come."""
        try:
            return bool(self.stream.active)
        except portaudio().PortAudioError:
            return False

    def close(self) -> None:
        """Close the stream."""
        # The stream's `stop` would wait for a device that may be gone.
        self.stream.abort(ignore_errors=True)
        self.stream.close(ignore_errors=True)


class Microphone:
    """An open microphone, as a context manager.

    If the device is lost, it is searched for by its name until it delivers sound again. No chunks come in the meantime;
    then one second of silence marks the gap, so that speech before and after it is not joined.

    Other streams of the process are never disturbed by that. As PortAudio cannot search for devices without ending
    them, a device that comes back with another number is found only when the others are closed.

    Parameters
    ----------
    device : str, int or None
        Index or part of the name; None is the system's default.
    sample_rate : int
        Samples per second of the chunks. A device that does not support this rate is recorded at its own and resampled.
    notify : callable
        Called with a message when the device is lost, and when it delivers sound again.
    channel : int, optional
        The channel to take, counted from 1, of an array of microphones; by default the mean of up to two, or the better
        one if they cancel each other.

    Attributes
    ----------
    health : Health
        Counters of what went wrong.
    notify : callable
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
        notify: Callable[[str], None] = lambda message: None,
        channel: int | None = None,
    ) -> None:
        self.sample_rate = sample_rate
        self.health = Health()
        self._wanted = device
        self.notify = notify
        self._channel = channel
        self._connection: _Connection | None = None
        self._stopped = threading.Event()

    def __enter__(self) -> Self:
        """Open the device."""
        try:
            self._connection = self._open(find(self._wanted, devices()))
        except MicrophoneError:
            # It may have been connected since PortAudio searched for devices.
            self._connection = self._open(find(self._wanted, devices(refresh=True)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the device."""
        if self._connection:
            self._connection.close()
            self._connection = None

    @property
    def device(self) -> Device:
        """The device that is being recorded."""
        return self._open_connection.device

    @property
    def device_rate(self) -> float:
        """The rate at which the device records, in Hz."""
        return self._open_connection.rate

    @property
    def _open_connection(self) -> _Connection:
        if self._connection is None:
            raise MicrophoneError("the microphone is not open; use it in a `with` statement")
        return self._connection

    def chunks(self) -> Iterator[Samples]:
        """Yield the sound as it comes, until `stop` is called.

        Yields
        ------
        ndarray of float32, shape (samples,)
            The next samples, at the requested rate.
        """
        while not self._stopped.is_set():
            connection = self._open_connection
            mono = mixed(self._blocks(connection), connection.rate, connection.channels, self._channel)
            yield from resampled(mono, connection.rate, self.sample_rate)
            if not self._stopped.is_set() and self._reconnect(connection):
                yield np.zeros(self.sample_rate, np.float32)

    def record(
        self,
        seconds: float,
        on_chunk: Callable[[Samples], None] = lambda chunk: None,
        is_over: Callable[[Samples], bool] = lambda recorded: False,
    ) -> Samples:
        """Record from now on; sound that is already in the queue is discarded.

        Parameters
        ----------
        seconds : float
            Length of the recording.
        on_chunk : callable
            Called with each chunk as it comes.
        is_over : callable
            Called with all that is recorded so far; if it returns true, the recording ends early.

        Returns
        -------
        ndarray of float32, shape (samples,)
            The sound, at the requested rate.
        """
        blocks = self._open_connection.blocks
        while not blocks.empty():
            blocks.get_nowait()
        length, recorded = round(seconds * self.sample_rate), np.zeros(0, np.float32)
        for chunk in self.chunks():
            recorded = np.concatenate([recorded, chunk])
            on_chunk(chunk)
            if len(recorded) >= length or is_over(recorded):
                break
        return recorded[:length]

    def stop(self) -> None:
        """End `chunks` within `POLL_INTERVAL`; can be called from any thread."""
        self._stopped.set()

    def _blocks(self, connection: _Connection) -> Iterator[Samples]:
        """Yield blocks of shape (n, channels) until the stream is stopped, ends or delivers nothing for too long."""
        last = time.monotonic()
        while not self._stopped.is_set():
            try:
                arrived, block = connection.blocks.get(timeout=POLL_INTERVAL)
            except queue.Empty:
                if not connection.active() or time.monotonic() - last > BLOCK_TIMEOUT:
                    return
                continue
            last = time.monotonic()
            self.health.lag = last - arrived
            self.health.longest_lag = max(self.health.longest_lag, self.health.lag)
            yield np.frombuffer(block, np.float32).reshape(-1, connection.channels)

    def _reconnect(self, lost: _Connection) -> bool:
        """Search for the device until it delivers sound; return False if `stop` was called before."""
        self.notify(f"lost {lost.device.name}; waiting for it to come back")
        lost.close()
        while not self._stopped.is_set():
            # A device that is suspended or whose server hangs can be opened, but delivers nothing.
            with suppress(MicrophoneError):
                found = self._open(find_again(self._wanted, lost.device, devices(refresh=True)))
                if self._delivers(found):
                    self._connection = found
                    self.health.reopened += 1
                    self.notify(f"listening again to {found.device.name}")
                    return True
                found.close()
            self._stopped.wait(RETRY_INTERVAL)
        return False

    def _delivers(self, connection: _Connection) -> bool:
        """Wait for the first block and return whether it came."""
        end = time.monotonic() + BLOCK_TIMEOUT
        while connection.blocks.empty():
            if self._stopped.wait(BLOCK) or time.monotonic() > end or not connection.active():
                return False
        return True

    def _open(self, device: Device) -> _Connection:
        """Open a device at the requested rate or else at its own, with as few channels as it allows and are needed."""
        library = portaudio()
        fewest = self._channel or 1
        if fewest > device.channels:
            raise MicrophoneError(
                f"{device.name} has {device.channels} channels, and no channel {fewest}; give another"
            )
        counts = sorted({fewest, min(device.channels, max(fewest, 2)), *([device.channels] if self._channel else [])})

        def receive(data: Any, frames: int, times: object, status: Any) -> None:
            self.health.overflows += bool(status.input_overflow)
            if blocks.qsize() * frames >= QUEUE_SECONDS * rate:
                # The consumer is too slow. The newest sound matters more than that of some seconds ago.
                self.health.dropped += 1
                with suppress(queue.Empty):
                    blocks.get_nowait()
            blocks.put((time.monotonic(), bytes(data)))

        reason: Exception | None = None
        for rate in dict.fromkeys((float(self.sample_rate), device.sample_rate)):
            length = BLOCK if rate == self.sample_rate else RESAMPLED_BLOCK
            blocks: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()
            for channels in counts:
                try:
                    with silenced_stderr():
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
