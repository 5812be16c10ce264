"""The sound that a client of a server sends, from bytes of any usual format to samples."""

from __future__ import annotations

from typing import Any

import numpy as np

from sayso.errors import shown
from sayso.recognition.recognizer import Recognizer
from sayso.recognition.stream import Stream
from sayso.serve.events import PeerError
from sayso.sound.stream import Samples
from sayso.sound.uncompressed import samples_of

# The formats that are taken.
RATES, MOST_CHANNELS = (8_000, 192_000), 8
KINDS = {1: "u8", 2: "s16le", 3: "s24le", 4: "s32le"}
# Times in milliseconds that are taken: each program can represent these.
LATEST = 2**53
# Seconds of sound that are processed before it is another client's turn.
TURN = 0.5


class ClientSound:
    """The sound of one client, from its beginning to its end.

    Parameters
    ----------
    recognizer : Recognizer
        The recogniser.
    data : dict
        The format, as the client declares it.

    Attributes
    ----------
    rate : int
        Samples per second.
    stream : Stream
        The stream to push it into.
    began : int
        The client's time of its first sample, in milliseconds.

    Raises
    ------
    PeerError
        If it is not a format that is taken.
    """

    def __init__(self, recognizer: Recognizer, data: dict[str, Any]) -> None:
        self._format = rate, width, channels = _format(data)
        lowest, highest = RATES
        if not lowest <= rate <= highest or width not in KINDS or not 1 <= channels <= MOST_CHANNELS:
            raise PeerError(
                f"sound of {rate} Hz, {width} bytes and {channels} channels is not taken; expected {lowest} to "
                f"{highest} Hz, 1 to 4 bytes and 1 to {MOST_CHANNELS} channels"
            )
        self.rate, self._rest = rate, b""
        timestamp = data.get("timestamp")
        self.began = timestamp if type(timestamp) is int and abs(timestamp) < LATEST else 0
        self.stream: Stream = recognizer.stream(rate)

    def pieces(self, data: dict[str, Any], payload: bytes) -> list[Samples]:
        """Return the next samples, as pieces of `TURN` seconds at most."""
        if _format(data) != self._format:
            raise PeerError("sound changes its format within one stream; send audio-stop and audio-start between them")
        rate, width, channels = self._format
        payload = self._rest + payload
        whole = len(payload) - len(payload) % (width * channels)
        self._rest = payload[whole:]
        frames = samples_of(payload[:whole], KINDS[width], channels)
        samples = frames[:, 0] if channels == 1 else frames.mean(axis=1, dtype=np.float32)
        size = round(TURN * rate)
        return [samples[start : start + size] for start in range(0, len(samples), size)]


def _format(data: dict[str, Any]) -> tuple[int, int, int]:
    """Return the rate, the bytes of a sample and the number of channels that a client declares."""
    values = [data.get(name) for name in ("rate", "width", "channels")]
    for value in values:
        if type(value) is not int:
            raise PeerError(f"sound has the rate, width and channels {shown(values)}; expected three whole numbers")
    rate, width, channels = values
    return rate, width, channels  # type: ignore[return-value]
