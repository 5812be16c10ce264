"""Hostile peers of the Wyoming service, and a friendly one, for `fuzz_services.py`."""

import asyncio
import contextlib
import json
import time
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import numpy as np

from fuzz_mutations import HUGE, VALUES, Rng, damaged, pick, tree
from sayso.model.shipped import bundled
from sayso.sound import audio

# What a peer is told while there are too many others.
FULL = "there are 64 other clients"
RATE = 16_000
FORMAT = {"rate": RATE, "width": 2, "channels": 1}
KINDS = (
    "describe", "ping", "detect", "transcribe", "audio-start", "audio-chunk", "audio-stop", "synthesize", "error", "",
    "\ud800",
)  # fmt: skip
LENGTHS = (0, 1, -1, 3, 2**16, 2**16 + 1, 2**18, 2**18 + 1, 10**12, 2**63, 1.5, "7", True, None, [3], float("nan"))
RATES = (0, -1, 1, 7_999, 8_000, 11_025, 16_000, 44_100, 192_000, 192_001, 10**9, 1e9, float("nan"), "16000", None)


@lru_cache
def words() -> bytes:
    """Return some words with pauses between them, 16 bits a sample."""
    parts = []
    for word in ("left", "yes", "stop"):
        parts += [np.zeros(RATE, np.float32), audio.load(min((bundled("demo") / word).iterdir()), RATE)]
    samples = np.concatenate([*parts, np.zeros(RATE, np.float32)])
    return (samples * 32_767).astype("<i2").tobytes()


async def friendly(port: int) -> str:
    """Return the transcript that the service gives of the words, or why it gives none."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(event("transcribe"))
        for start in range(0, len(words()), 8_000):
            writer.write(event("audio-chunk", FORMAT, words()[start : start + 8_000]))
            await writer.drain()
        writer.write(event("audio-stop"))
        answer = json.loads(await reader.readuntil())
        return str(json.loads(await reader.readexactly(answer["data_length"]))["text"])
    except ConnectionError:
        # What was not read when the service ended the connection hides the reason.
        return FULL
    finally:
        writer.close()


async def described(port: int) -> float:
    """Return the seconds until the service has said what it offers."""
    begun = time.monotonic()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(event("describe"))
    await reader.readuntil()
    writer.close()
    return time.monotonic() - begun


def event(kind: str, data: dict[str, Any] | None = None, payload: bytes = b"") -> bytes:
    """Return an event as the protocol has it."""
    header = {"type": kind, "data": data or {}, "payload_length": len(payload)}
    return json.dumps(header).encode() + b"\n" + payload


def strange_event(rng: Rng) -> bytes:
    """Return an event with wrong types, lengths, rates or numbers."""
    data: dict[str, Any] = {
        "names": pick(rng, (*VALUES, ["left"], ["\ud800", 3, None], [[[]]])),
        "timestamp": pick(rng, (*VALUES, 10**4_299)),
        "text": pick(rng, VALUES),
        "rate": pick(rng, RATES),
        "width": pick(rng, (0, 1, 2, 3, 4, 5, -2, 2**31, 2.0, "2")),
        "channels": pick(rng, (0, 1, 2, 8, 9, -1, 10**9)),
    }
    header: dict[str, Any] = {"type": pick(rng, KINDS), "data": {**data, **(FORMAT if rng.random() < 0.5 else {})}}
    payload = rng.bytes(int(rng.integers(0, 5_000)))
    if rng.random() < 0.7:
        header["payload_length"] = len(payload) if rng.random() < 0.7 else pick(rng, LENGTHS)
    inner = b""
    if rng.random() < 0.3:
        inner = json.dumps(tree(rng, data), default=str).encode()
        header["data_length"] = len(inner) if rng.random() < 0.7 else pick(rng, LENGTHS)
    if rng.random() < 0.4:
        header = tree(rng, header)
    with contextlib.suppress(ValueError):
        return json.dumps(header, default=str).encode() + b"\n" + inner + payload
    return HUGE.encode() + b"\n"


def events(rng: Rng) -> Iterator[bytes]:
    """Yield some events that may be strange."""
    for _ in range(int(rng.integers(1, 20))):
        if rng.random() < 0.5:
            yield strange_event(rng)
        else:
            yield event(pick(rng, KINDS), FORMAT, rng.bytes(int(rng.integers(0, 4_000))))


def flood(rng: Rng) -> Iterator[bytes]:
    """Yield many events of one kind, as fast as they are taken."""
    one = event(pick(rng, ("describe", "ping", "detect", "audio-start", "audio-stop", "audio-chunk")), FORMAT)
    yield one * int(rng.integers(10, 3_000))


def sound(rng: Rng) -> Iterator[bytes]:
    """Yield loud noise of any format, faster than real time."""
    rate, width, channels = pick(rng, RATES[4:9]), int(rng.integers(1, 5)), int(rng.integers(1, 9))
    shape = {"rate": rate, "width": width, "channels": channels}
    yield event(pick(rng, ("detect", "transcribe")))
    for _ in range(int(rng.integers(1, 30))):
        yield event("audio-chunk", shape, rng.bytes(int(rng.integers(0, 50_000))))
    yield event("audio-stop")


def garbage(rng: Rng) -> Iterator[bytes]:
    """Yield bytes of no meaning, or a line that does not end, or nests without end."""
    yield pick(
        rng,
        (
            rng.bytes(int(rng.integers(0, 100_000))), b"a" * 70_000, b"[" * 60_000 + b"\n", b'{"type":' * 5_000 + b"\n",
            b'{"type": "ping", "data": {"text": ' + b"[" * 900 + b"]" * 900 + b"}}\n", b"\n" * 1_000, b"\x00" * 1_000,
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03", HUGE.encode() + b"\n",
            b'{"type": "ping", "data": {"text": ' + b"9" * 5_000 + b"}}\n",
        ),
    )  # fmt: skip


KINDS_OF_ATTACKS: tuple[Callable[[Rng], Iterator[bytes]], ...] = (events, events, flood, sound, garbage)


async def attack(port: int, rng: Rng) -> None:
    """Connect, send something, read the answers or not, and leave in one of several ways."""
    reads, patience = rng.random() < 0.7, rng.uniform(0, 3)
    with contextlib.suppress(OSError, EOFError, TimeoutError):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        reading = asyncio.create_task(_read(reader)) if reads else None
        try:
            async with asyncio.timeout(patience + 0.1):
                for sent in pick(rng, KINDS_OF_ATTACKS)(rng):
                    sent = damaged(rng, sent) if rng.random() < 0.1 else sent
                    # Part of an event, and nothing for a while.
                    place = int(rng.integers(len(sent) + 1)) if rng.random() < 0.2 else len(sent)
                    writer.write(sent[:place])
                    await writer.drain()
                    await asyncio.sleep(rng.uniform(0, 0.2) if rng.random() < 0.2 else 0)
                    writer.write(sent[place:])
                    await writer.drain()
                await asyncio.sleep(rng.uniform(0, 1) if rng.random() < 0.3 else 0)
        finally:
            if reading:
                reading.cancel()
            if rng.random() < 0.5:
                writer.transport.abort()
            else:
                writer.close()


async def _read(reader: asyncio.StreamReader) -> None:
    with contextlib.suppress(OSError):
        while await reader.read(2**16):
            pass
