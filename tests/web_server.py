"""A running server of the page for tests, and what plays a page for it."""

import asyncio
import contextlib
import json
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import numpy as np

import sounds
from sayso.recognition.recognizer import load
from sayso.serve.web.collection import Collection
from sayso.serve.web.server import serving
from sayso.serve.web.studio import Studio

TOKEN = "a-token-of-the-tests"


def in_a_thread(work: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine in a thread of its own: the browser of other tests keeps a loop in the main one."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, asyncio.wait_for(work, 240)).result()


@contextlib.contextmanager
def running(model: Path, folder: Path, told: list[str] | None = None) -> Iterator[str]:
    """Serve the page in another thread, as `sayso serve web` does; yields its address."""
    ready, ends, addresses, loops = threading.Event(), asyncio.Event(), [], []
    complaints: list[str] = []

    async def serve() -> None:
        loops.append(asyncio.get_running_loop())
        studio = Studio(model, Collection(folder), "anna", load)
        notify = (complaints if told is None else told).append
        async with serving(studio, TOKEN, "127.0.0.1", 0, notify) as port:
            addresses.append(f"http://127.0.0.1:{port}/{TOKEN}/")
            ready.set()
            await ends.wait()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    try:
        assert ready.wait(30)
        yield addresses[0]
    finally:
        if loops:
            loops[0].call_soon_threadsafe(ends.set)
        thread.join(30)
        assert not thread.is_alive()
    assert not complaints


def origin(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"


class Page:
    """What the script of the page does, in Python."""

    def __init__(self, session: aiohttp.ClientSession, socket: aiohttp.ClientWebSocketResponse, address: str) -> None:
        self.session, self.socket, self.address = session, socket, address
        self.state: dict[str, Any] = {}

    async def message(self, kind: str) -> dict[str, Any]:
        """Return the next message of a kind."""
        while True:
            message = json.loads(await asyncio.wait_for(self.socket.receive_str(), 120))
            if message["type"] == "state":
                self.state = message
            if message["type"] == kind:
                return message

    async def until(self, met: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """Return the first state, from the latest one on, that is as expected."""
        while not met(self.state):
            await self.message("state")
        return self.state

    async def listen(self, rate: int = sounds.RATE, model: str = "base") -> None:
        await self.socket.send_json({"type": "listen", "rate": rate, "model": model})

    async def say(self, samples: np.ndarray, size: int = 1_600) -> None:
        data = pcm(samples)
        for start in range(0, len(data), size):
            await self.socket.send_bytes(data[start : start + size])

    async def heard(self, samples: np.ndarray, *settings: Any) -> list[str]:
        """Say something, and return the words that are heard in it."""
        await self.listen(*settings)
        await self.say(samples)
        await self.socket.send_json({"type": "stop"})
        words: list[str] = []
        while True:
            message = json.loads(await asyncio.wait_for(self.socket.receive_str(), 120))
            if message["type"] == "ended":
                return words
            if message["type"] == "heard":
                words.append(message["word"])

    async def record(self, body: bytes, expect: int = 200, **query: Any) -> dict[str, Any]:
        query = {"speaker": "anna", "rate": sounds.RATE} | query
        query = {name: str(value) for name, value in query.items() if value is not None}
        return await self.request("POST", "takes", expect, params=query, data=body)

    async def request(self, method: str, path: str, expect: int = 200, **options: Any) -> Any:
        headers = {"Origin": origin(self.address)}
        async with self.session.request(method, self.address + path, headers=headers, **options) as response:
            answer = await response.json() if response.content_type == "application/json" else await response.read()
            assert response.status == expect, answer
            return answer


@contextlib.asynccontextmanager
async def page(address: str) -> AsyncIterator[Page]:
    async with aiohttp.ClientSession() as session, session.ws_connect(f"{address}socket", origin=origin(address)) as ws:
        opened = Page(session, ws, address)
        await opened.message("state")
        yield opened


def pcm(samples: np.ndarray) -> bytes:
    return (samples * 32_767).round().astype("<i2").tobytes()
