"""A broker that misbehaves at will, and endless sound with words, for `fuzz_services.py`."""

import asyncio
import contextlib
import itertools

import numpy as np

from fuzz_mutations import Rng, damaged, pick
from fuzz_peers import RATE, words

# Packets of MQTT 3.1.1: the first byte is their kind, the second the length of what follows.
PONG = b"\xd0\x00"
# What a broker may send at any time: publications with a topic that is no text, without one, of no quality of service,
# and of absurd lengths; acknowledgements of what was never sent.
STRANGE = (
    b"\x30\x05\x00\x03\xff\xfe\xfd", b"\x30\x00", b"\x30\x02\x00\xff", b"\x32\x05\x00\x03abc", b"\x40\x02\xff\xff",
    b"\x36\x07\x00\x03abc\x00\x01", b"\x30\xff\xff\xff\x7f", b"\x30\xff\xff\xff\xff\xff", b"\x40\x00", b"\x40\x01\x00",
    b"\x90\x00", b"\x90\x03\x00\x01\x80", b"\x20\x02\x00\x00", b"\x20\x02\x00\x09", b"\x20\x00", b"\xe0\x00",
    b"\xf0\x00", b"\x00\x00", b"\x62\x02\x00\x01", b"\x50\x02\x00\x01", b"\xb0\x00", b"\xd0\x05hello",
    b"HTTP/1.1 400 Bad Request\r\n",
    b"\x31\x20\x00\x15homeassistant/status\x00online",
)  # fmt: skip
MOODS = ("strange", "strange", "damaged", "silent", "deaf", "refusing", "gone")


class Broker:
    """Accepts one client after the other.

    Attributes
    ----------
    port : int
        Where it listens.
    words : int
        Number of words that were published to it.
    """

    def __init__(self) -> None:
        self.port, self.words = 0, 0
        self._server: asyncio.Server
        self._writers: set[asyncio.StreamWriter] = set()
        self._mood, self._rng = "good", np.random.default_rng(0)

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """End."""
        self.behave()
        self._server.close()

    def behave(self) -> None:
        """Accept everything from now on, beginning with new connections."""
        self._mood = "good"
        for writer in self._writers:
            writer.transport.abort()

    async def misbehave(self, rng: Rng) -> None:
        """Do otherwise from now on."""
        self._rng, self._mood = (
            rng,
            str(pick(rng, ("strange", "strange", "damaged", "silent", "deaf", "refusing", "gone"))),
        )
        for writer in list(self._writers):
            if self._mood == "gone":
                writer.transport.abort()
            elif self._mood == "strange":
                writer.write(pick(rng, STRANGE))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        with contextlib.suppress(OSError, EOFError):
            while True:
                kind, body = await _packet(reader)
                if self._mood == "deaf":
                    await asyncio.sleep(1)
                    continue
                writer.write(self._answer(kind, body))
                await writer.drain()
        self._writers.discard(writer)
        writer.transport.abort()

    def _answer(self, kind: int, body: bytes) -> bytes:
        match kind >> 4:
            case 1:
                reason = pick(self._rng, range(256)) if self._mood == "refusing" else 0
                answer = b"\x20\x02\x00" + bytes([reason])
            case 3:
                length = int.from_bytes(body[:2])
                self.words += self._mood == "good" and body[2 : 2 + length].endswith(b"/word")
                answer = b"\x40\x02" + body[2 + length : 4 + length]
            case 8:
                answer = b"\x90\x04" + body[:2] + b"\x01\x01"
            case 12:
                answer = PONG
            case _:
                answer = b""
        if self._mood == "silent" and kind >> 4 != 1:
            return b""
        if self._mood == "damaged":
            return damaged(self._rng, answer)
        return answer + pick(self._rng, STRANGE) if self._mood == "strange" else answer


async def _packet(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Read a packet of a client: its kind, and what follows the length."""
    kind, length = (await reader.readexactly(1))[0], 0
    for place in itertools.count():
        byte = (await reader.readexactly(1))[0]
        length |= (byte & 127) << 7 * place
        if byte < 128:
            return kind, await reader.readexactly(length)
    raise AssertionError


async def endless_wav(to: asyncio.StreamWriter) -> None:
    """Write words without end, in real time, as a recorder does that does not know how long it will record."""
    header = b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\1\0\1\0" + RATE.to_bytes(4, "little")
    to.write(header + (2 * RATE).to_bytes(4, "little") + b"\2\0\x10\0data\xff\xff\xff\xff")
    with contextlib.suppress(OSError):
        while True:
            for start in range(0, len(words()), RATE // 5):
                to.write(words()[start : start + RATE // 5])
                await to.drain()
                await asyncio.sleep(0.1)
