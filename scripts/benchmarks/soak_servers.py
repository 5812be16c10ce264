"""Soak test of a server: clients come and go, in good and bad ways; no memory, thread or open file may stay.

Example: python scripts/benchmarks/soak_servers.py wyoming --minutes 60

`wyoming`: clients send words in real time, and leave after a round, in the middle of a word, or send nonsense. `mqtt`:
words come from a pipe without end, subscribers come and go, and now and then the broker is killed and started again
(needs mosquitto). `web`: pages are fetched, their connections hear words, and are closed or cut. The exit status is 1
if the server's memory grows by more than 10 MB after the first minutes, if it keeps a thread or file of clients that
have left, hears no words, ends, or prints a traceback.
"""

import asyncio
import contextlib
import json
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarking import parser, save
from serving import CHUNK, MOST_GROWTH, Kept, round_of_words, send

if TYPE_CHECKING:
    import aiohttp

RATE = 16_000
# Seconds between two looks at the memory, and until all that a client left behind is gone.
LOOK, SETTLE = 2.0, 3.0


class Server(ABC):
    """A server that runs as a process of its own.

    Parameters
    ----------
    model : str
        The model that it recognises with.

    Attributes
    ----------
    words : int
        Words that its clients have received.
    faults : list of str
        What went wrong.
    """

    def __init__(self, model: str) -> None:
        self.model, self.words, self.faults = model, 0, list[str]()
        self.sound = round_of_words(RATE)
        self.process: asyncio.subprocess.Process

    @abstractmethod
    def arguments(self) -> list[str]:
        """Return what stands behind `sayso serve`."""

    @abstractmethod
    async def visit(self, number: int) -> None:
        """Be a client, from coming to leaving; every third one leaves in a bad way."""

    async def start(self) -> None:
        """Start it and wait until it is ready."""
        command = (sys.executable, "-m", "sayso", "serve", *self.arguments(), "-m", self.model)
        pipe = asyncio.subprocess.PIPE
        self.process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=pipe)
        assert self.process.stdout
        assert self.process.stderr
        lines: asyncio.Queue[str] = asyncio.Queue()
        self._tasks = [
            asyncio.create_task(self._read(stream, lines)) for stream in (self.process.stdout, self.process.stderr)
        ]
        while not self.ready(await asyncio.wait_for(lines.get(), 60)):
            pass

    @abstractmethod
    def ready(self, line: str) -> bool:
        """Take a line that it prints, and return whether it is ready now."""

    async def _read(self, stream: asyncio.StreamReader, lines: asyncio.Queue[str]) -> None:
        while line := (await stream.readline()).decode(errors="replace"):
            lines.put_nowait(line)
            if "Traceback" in line or "exception" in line:
                self.faults.append(f"printed {line.strip()}")

    async def finish(self) -> None:
        """End it."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
            await asyncio.wait_for(self.process.wait(), 20)
        if self.process.returncode:
            self.faults.append(f"ended with status {self.process.returncode}")
        await asyncio.gather(*self._tasks)


class Wyoming(Server):
    """The Wyoming service."""

    def arguments(self) -> list[str]:
        """Return the command."""
        return ["wyoming", "--port", "0"]

    def ready(self, line: str) -> bool:
        """Take the port from the line."""
        self._port = int(line.rsplit(":", 1)[1])
        return True

    async def visit(self, number: int) -> None:
        """Send a round, or a part of it, or nonsense."""
        from wyoming.client import AsyncTcpClient

        if number % 6 == 5:
            _, writer = await asyncio.open_connection("127.0.0.1", self._port)
            writer.write(b'{"type": "audio-chunk", "payload_length": -1}\n' * 50)
            await asyncio.sleep(0.5)
            writer.close()
            return
        async with AsyncTcpClient("127.0.0.1", self._port) as connected:
            sending = asyncio.create_task(send(connected, self.sound, RATE, time.monotonic()))
            if number % 6 == 2:
                await asyncio.sleep(2)
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)
                return
            while (event := await connected.read_event()) and event.type != "pong":
                self.words += event.type == "detection"
            await sending


class Mqtt(Server):
    """The publisher of words, and a broker."""

    def __init__(self, model: str) -> None:
        super().__init__(model)
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self._port = probe.getsockname()[1]
        self._folder = tempfile.TemporaryDirectory()
        self._configuration = Path(self._folder.name) / "mosquitto.conf"
        self._configuration.write_text(f"listener {self._port} 127.0.0.1\nallow_anonymous true\n")

    def arguments(self) -> list[str]:
        """Return the command."""
        return ["mqtt", f"mqtt://127.0.0.1:{self._port}", "--name", "soak", "--input", "-"]

    def ready(self, line: str) -> bool:
        """Wait until it says where it publishes."""
        return line.startswith("publishing to")

    async def start(self) -> None:
        """Start the broker and the publisher, and speak."""
        await self._start_broker()
        await super().start()
        self._tasks.append(asyncio.create_task(self._speak()))

    async def _start_broker(self) -> None:
        quiet = subprocess.DEVNULL
        self._broker = await asyncio.create_subprocess_exec(
            "mosquitto", "-c", str(self._configuration), stdout=quiet, stderr=quiet
        )
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", self._port)
                writer.close()
                return
            await asyncio.sleep(0.1)

    async def _speak(self) -> None:
        """Write a WAV file without end, in real time, as a recorder does."""
        to = self.process.stdin
        assert to
        numbers = b"\1\0\1\0" + RATE.to_bytes(4, "little") + (2 * RATE).to_bytes(4, "little") + b"\2\0\x10\0"
        to.write(b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0" + numbers + b"data\xff\xff\xff\xff")
        size = 2 * round(CHUNK * RATE)
        with contextlib.suppress(OSError):
            while self.process.returncode is None:
                begun = time.monotonic()
                for place, start in enumerate(range(0, len(self.sound), size), 1):
                    to.write(self.sound[start : start + size])
                    await to.drain()
                    await asyncio.sleep(max(begun + place * CHUNK - time.monotonic(), 0))

    async def visit(self, number: int) -> None:
        """Subscribe for a while, or kill the broker."""
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion

        if number % 20 == 19:
            self._broker.kill()
            await self._broker.wait()
            await asyncio.sleep(3)
            await self._start_broker()
            return
        subscriber = Client(CallbackAPIVersion.VERSION2)
        subscriber.on_connect = lambda client, *_: client.subscribe("sayso/soak/word", 1)
        received = list[object]()
        subscriber.on_message = lambda *message: received.append(message)
        with contextlib.suppress(OSError):
            subscriber.connect("127.0.0.1", self._port)
            # As Home Assistant does, so that words need not wait for it.
            subscriber.publish("homeassistant/status", "online", qos=1)
        subscriber.loop_start()
        await asyncio.sleep(8)
        if number % 3 != 2:
            subscriber.disconnect()
        subscriber.loop_stop()
        self.words += len(received)

    async def finish(self) -> None:
        """End the publisher, then the broker."""
        await super().finish()
        self._broker.kill()
        await self._broker.wait()
        self._folder.cleanup()


class Web(Server):
    """The page on which words are recorded and tried; see `serve/web`."""

    def arguments(self) -> list[str]:
        """Return the command; nothing is recorded."""
        self._folder = tempfile.TemporaryDirectory()
        return ["web", "--port", "0", "-o", str(Path(self._folder.name) / "recordings")]

    def ready(self, line: str) -> bool:
        """Take the address of the page from the line."""
        if found := re.search(r"https?://\S+/", line):
            self._address = found[0]
        return bool(found)

    async def visit(self, number: int) -> None:
        """Open the page, let it hear a round or a part of it, and close or cut its connection."""
        import aiohttp

        async with aiohttp.ClientSession() as session:
            for file in ("", "page.js", "page.css"):
                async with session.get(self._address + file) as answer:
                    assert answer.status == 200, answer.status
                    await answer.read()
            # As a browser does for a page of the server itself.
            origin = "/".join(self._address.split("/")[:3])
            async with session.ws_connect(self._address + "socket", origin=origin) as page:
                await page.send_json({"type": "listen", "rate": RATE, "model": "base"})
                reading = asyncio.create_task(self._hear(page))
                size, begun = RATE // 10, time.monotonic()
                for place, start in enumerate(range(0, len(self.sound), size), 1):
                    await page.send_bytes(self.sound[start : start + size])
                    await asyncio.sleep(max(begun + place / 20 - time.monotonic(), 0))
                    if number % 3 == 2 and place == 40:
                        reading.cancel()
                        return
                await page.send_json({"type": "stop"})
                await asyncio.wait_for(reading, 30)

    async def _hear(self, page: "aiohttp.ClientWebSocketResponse") -> None:
        async for message in page:
            kind = json.loads(message.data)["type"]
            self.words += kind == "heard"
            if kind == "ended":
                return


SERVERS: dict[str, Callable[[str], Server]] = {"wyoming": Wyoming, "mqtt": Mqtt, "web": Web}


async def together(server: Server, clients: int, minutes: float, memory: list[float]) -> None:
    """Let clients come and go, and look at the memory meanwhile."""
    end = time.monotonic() + 60 * minutes

    async def client(number: int) -> None:
        while time.monotonic() < end and server.process.returncode is None:
            await server.visit(number)
            number += clients

    async def look() -> None:
        while time.monotonic() < end and server.process.returncode is None:
            memory.append(Kept.by(server.process.pid).megabytes)
            await asyncio.sleep(LOOK)

    await asyncio.gather(look(), *map(client, range(clients)))
    await asyncio.sleep(SETTLE)


async def soak(server: Server, clients: int, minutes: float) -> dict[str, object]:
    """Run the test and return the results."""
    await server.start()
    # Imports, buffers of the allocator and the like are there after the first minutes.
    first = list[float]()
    await together(server, clients, min(3, max(minutes / 10, 0.5)), first)
    before, memory = Kept.by(server.process.pid), list[float]()
    server.words = 0
    await together(server, clients, minutes, memory)
    after = Kept.by(server.process.pid)
    await server.finish()
    growth = max(*memory, after.megabytes) - max(*first, before.megabytes)
    faults = list(server.faults)
    if growth > MOST_GROWTH:
        faults.append(f"memory grew by {growth:.1f} MB")
    if after.threads > before.threads or after.files > before.files:
        faults.append(f"of clients that have left, it keeps more than {before}: {after}")
    if not server.words:
        faults.append("no word was heard")
    return {"before": before._asdict(), "after": after._asdict(), "growth_megabytes": growth, "words": server.words,
            "memory_megabytes": memory, "faults": faults}  # fmt: skip


def main() -> None:
    """Run the test and print the results."""
    options = parser(__doc__)
    options.add_argument("server", choices=SERVERS, help="which server")
    options.add_argument("model", nargs="?", default="commands", help="a model (default: commands)")
    options.add_argument("--clients", type=int, default=5, help="clients at a time (default: 5)")
    options.add_argument("--minutes", type=float, default=60.0, help="minutes to measure (default: 60)")
    arguments = options.parse_args()
    results = asyncio.run(soak(SERVERS[arguments.server](arguments.model), arguments.clients, arguments.minutes))
    print(
        f"{arguments.server}, {arguments.minutes:g} minutes, {arguments.clients} clients at a time, {results['words']} "
        f"words: memory {results['growth_megabytes']:+.1f} MB; before {results['before']}, after {results['after']}"
    )
    faults = results["faults"]
    assert isinstance(faults, list)
    for fault in faults[:20]:
        print(f"fault: {fault}")
    save(results, arguments.json)
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
