"""The connection of one open page: its sound comes in, and what the page shows goes out, as long as it is open."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable
from typing import Any

from aiohttp import WebSocketError, WSCloseCode, WSMsgType, web

from sayso.errors import shown, untrusted
from sayso.serve.events import PeerError
from sayso.serve.web.page_sound import PageSound
from sayso.serve.web.studio import Studio

# Bytes of a message; a page sends a twentieth of a second of sound.
MOST_MESSAGE = 2**17
# Seconds between signs of life that are asked of a page, and that it may leave answers unread.
HEARTBEAT, STALLED = 20.0, 10.0
# Seconds that the last message and the end of a connection may take.
FAREWELL = 1.0


class Connection:
    """An open page.

    Parameters
    ----------
    studio : Studio
        What it shares with others.
    notify : callable
        Called with a message if it is sent away.
    """

    def __init__(self, studio: Studio, notify: Callable[[str], None]) -> None:
        self._studio, self._notify = studio, notify
        self._socket = web.WebSocketResponse(
            heartbeat=HEARTBEAT, max_msg_size=MOST_MESSAGE, compress=False, timeout=FAREWELL
        )
        self._sound: PageSound | None = None

    async def run(self, request: web.Request) -> web.WebSocketResponse:
        """Serve the page until it leaves, sends what no page sends, or reads nothing."""
        await self._socket.prepare(request)
        with self._studio.visited() as changed:
            receiving, reporting = asyncio.create_task(self._receive()), asyncio.create_task(self._report(changed))
            try:
                await asyncio.wait((receiving, reporting), return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (receiving, reporting):
                    task.cancel()
                ends = await asyncio.gather(receiving, reporting, return_exceptions=True)
        faults = [end for end in ends if isinstance(end, Exception) and not isinstance(end, ConnectionError)]
        if faults:
            await self._send_away(request, faults[0])
        return self._socket

    async def _send_away(self, request: web.Request, fault: Exception) -> None:
        """Tell the page why it is sent away, if it listens, and end the connection."""
        self._notify(f"sent away the page at {request.remote}: {fault}")
        with contextlib.suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(FAREWELL):
                await self._socket.send_json({"type": "error", "error": str(fault)})
                await self._socket.close(code=WSCloseCode.POLICY_VIOLATION)
        if request.transport:
            request.transport.abort()

    async def close(self) -> None:
        """Tell the page that the server ends."""
        with contextlib.suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(FAREWELL):
                await self._socket.close(code=WSCloseCode.GOING_AWAY)

    async def _report(self, changed: asyncio.Event) -> None:
        """Send the state whenever it changes."""
        while True:
            await changed.wait()
            changed.clear()
            await self._send(await self._studio.state())

    async def _receive(self) -> None:
        async for message in self._socket:
            await self._take(message.type, message.data)

    async def _take(self, kind: WSMsgType, data: Any) -> None:
        if kind == WSMsgType.BINARY:
            if self._sound is None:
                raise PeerError("sound came before its beginning")
            for piece in self._sound.pieces(data):
                for message in await self._studio.in_turn(self._sound.push, piece):
                    await self._send(message)
        elif kind == WSMsgType.TEXT:
            with untrusted(lambda reason: PeerError(f"a message is not JSON ({reason})")):
                command = json.loads(data)
            match command:
                case {"type": "listen", "rate": rate, "model": str(name)}:
                    recognizers = self._studio.recognizers
                    self._sound = PageSound(recognizers.get(name, recognizers["base"]), rate)
                case {"type": "stop"}:
                    for message in await self._studio.in_turn(self._sound.close) if self._sound else ():
                        await self._send(message)
                    self._sound = None
                case _:
                    raise PeerError(f"a message is unknown: {shown(command)}")
        elif kind == WSMsgType.ERROR and isinstance(data, WebSocketError):
            raise PeerError(f"a message cannot be taken: {data}")

    async def _send(self, message: dict[str, Any]) -> None:
        try:
            async with asyncio.timeout(STALLED):
                await self._socket.send_json(message)
        except TimeoutError as error:
            raise PeerError("answers are not read") from error
