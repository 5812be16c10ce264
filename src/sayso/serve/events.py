"""Events of the Wyoming protocol, read from peers that may be broken or hostile: a line of JSON, then data and sound.

The protocol's own package reads as much as a peer declares; here every length is bounded before anything is read.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from typing import TYPE_CHECKING, Any

from sayso.errors import SaysoError, shown, untrusted

if TYPE_CHECKING:
    from wyoming.event import Event

# Bytes of a line, and of the JSON and the sound after it. The sound is 8 s at 16 kHz; clients send a tenth of a second.
MOST_LINE, MOST_DATA, MOST_PAYLOAD = 2**16, 2**16, 2**18
# Seconds that a peer may be silent between events, may take from the line to the end of an event, and may leave answers
# unread.
IDLE, STALLED = 300.0, 10.0
# Seconds without a sign of life from the machine of a peer, after which the system asks for one; and that the last
# words to a peer may take.
KEEPALIVE, FAREWELL = 60, 1.0


class PeerError(SaysoError):
    """A peer that does not follow the protocol."""


async def read_event(reader: asyncio.StreamReader) -> Event | None:
    """Read the next event.

    Parameters
    ----------
    reader : asyncio.StreamReader
        The connection; its limit should be `MOST_LINE`.

    Returns
    -------
    event : Event or None
        The event; None where the peer has ended the connection.

    Raises
    ------
    PeerError
        If what comes is not an event, is too long, or does not come in time.
    """
    from wyoming.event import Event

    try:
        async with asyncio.timeout(IDLE):
            line = await reader.readline()
        if not line.endswith(b"\n"):
            return None
        header = _table(line, "the header of an event")
        kind, data = header.get("type"), header.get("data") or {}
        if not isinstance(kind, str) or not isinstance(data, dict):
            raise PeerError(f"an event has the type {shown(kind)} and data that is no table, or no type at all")
        async with asyncio.timeout(STALLED):
            if length := _length(header, "data_length", MOST_DATA):
                data = data | _table(await reader.readexactly(length), "the data of an event")
            length = _length(header, "payload_length", MOST_PAYLOAD)
            return Event(kind, data, await reader.readexactly(length) if length else None)
    except TimeoutError as error:
        raise PeerError("nothing came for too long") from error
    except asyncio.IncompleteReadError:
        return None
    except ValueError as error:
        raise PeerError(f"the header of an event is longer than {MOST_LINE} bytes") from error


async def write_event(event: Event, writer: asyncio.StreamWriter) -> None:
    """Write an event.

    Raises
    ------
    PeerError
        If the peer does not read.
    """
    from wyoming.event import async_write_event

    try:
        async with asyncio.timeout(STALLED):
            await async_write_event(event, writer)
    except TimeoutError as error:
        raise PeerError("answers are not read") from error


def keep_alive(writer: asyncio.StreamWriter) -> None:
    """Let the system find out that a peer's machine is gone, which ends the connection."""
    connection: socket.socket = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_KEEPIDLE"):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE)


async def tell(writer: asyncio.StreamWriter, text: str) -> None:
    """Tell a peer why it is sent away, if it reads."""
    from wyoming.error import Error

    with contextlib.suppress(TimeoutError, OSError, PeerError):
        async with asyncio.timeout(FAREWELL):
            await write_event(Error(text).event(), writer)


async def end(writer: asyncio.StreamWriter) -> None:
    """End a connection, even if the peer does not read what was sent to it."""
    writer.close()
    with contextlib.suppress(TimeoutError, OSError, asyncio.CancelledError):
        async with asyncio.timeout(FAREWELL):
            await writer.wait_closed()
    writer.transport.abort()


def _table(text: bytes, what: str) -> dict[str, Any]:
    """Parse JSON that must be a table."""
    with untrusted(lambda reason: PeerError(f"{what} is not JSON ({reason})")):
        table = json.loads(text)
    if not isinstance(table, dict):
        raise PeerError(f"{what} is no table: {shown(table)}")
    return table


def _length(header: dict[str, Any], name: str, most: int) -> int:
    """Return a declared length, if it is one that may be read."""
    length = header.get(name) or 0
    if type(length) is not int or not 0 <= length <= most:
        raise PeerError(f"an event has the {name} {shown(length)}; expected at most {most}")
    return length
