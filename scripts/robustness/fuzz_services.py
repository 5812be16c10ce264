"""Attack the servers over the network: none may end, show a traceback, keep memory or connections, or neglect others.

Example: python scripts/robustness/fuzz_services.py wyoming --minutes 5

`wyoming`: peers send damaged events, sound of all kinds, endless lines, nothing, or too much, many at a time, and leave
as they like; meanwhile a friendly client must get the same transcript again and again. `mqtt`: a broker damages its
answers, or is silent, or gone; whenever it behaves, the words must arrive. Everything is drawn at random with the seed
--first. The exit status is 1 if there was a fault.
"""

import argparse
import asyncio
import contextlib
import itertools
import sys
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

from fuzz_brokers import Broker, endless_wav
from fuzz_peers import FULL, attack, described, friendly

# Megabytes, threads and files that a server may keep of its peers.
MOST_GROWTH, MOST_THREADS, MOST_FILES = 30.0, 0, 2
# What no server may ever print.
FORBIDDEN = ("Traceback", "exception", "Error:", "never retrieved", "Unhandled")


class Target(ABC):
    """A server that runs as a process of its own.

    Attributes
    ----------
    faults : Counter
        How often each fault was seen.
    lines, served, sent_away : int
        Lines that the server printed; how often its friend was served, and sent away as there were too many others.
    longest : float
        Seconds that it took at most to describe what it offers.
    """

    def __init__(self) -> None:
        self.faults: Counter[str] = Counter()
        self.longest = 0.0
        self.lines = self.served = self.sent_away = 0
        self._process: asyncio.subprocess.Process

    @property
    @abstractmethod
    def arguments(self) -> list[str]:
        """Return what stands behind `sayso serve`."""

    @abstractmethod
    async def hostile(self, rng: np.random.Generator, end: float) -> None:
        """Attack until the end."""

    async def start(self) -> str:
        """Start the server and return the first line that it prints."""
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "sayso", "serve", *self.arguments),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert self._process.stderr
        return (await self._process.stderr.readline()).decode()

    async def watch(self) -> None:
        """Look for what no server may print."""
        assert self._process.stderr
        while line := (await self._process.stderr.readline()).decode(errors="replace"):
            self.lines += 1
            if any(word in line for word in FORBIDDEN):
                self.faults[f"printed: {line.strip()[:200]}"] += 1

    def kept(self) -> tuple[float, int, int]:
        """Return the memory in MB, the threads and the open files."""
        folder = Path(f"/proc/{self._process.pid}")
        status = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
        return int(status["VmRSS"].split()[0]) / 1e3, int(status["Threads"]), len(list((folder / "fd").iterdir()))

    async def finish(self) -> None:
        """End the server, which must not have ended before."""
        if self._process.returncode is not None:
            self.faults[f"ended with status {self._process.returncode}"] += 1
            return
        self._process.terminate()
        try:
            async with asyncio.timeout(20):
                if status := await self._process.wait():
                    self.faults[f"ended with status {status} when asked to end"] += 1
        except TimeoutError:
            self.faults["did not end when asked to"] += 1
            self._process.kill()


class Wyoming(Target):
    """The Wyoming service, with some attackers at a time and a friend."""

    arguments = ("wyoming", "-m", "commands-tiny", "--port", "0")  # type: ignore[assignment]
    attackers = 20

    async def start(self) -> str:
        """Start it and wait until it recognises."""
        line = await super().start()
        self._port = int(line.rsplit(":", 1)[1])
        self._expected = await friendly(self._port)
        return line

    async def hostile(self, rng: np.random.Generator, end: float) -> None:
        """Attack with many peers, while a friend is served and asks what is offered."""
        seeds = itertools.count(int(rng.integers(2**31)))

        async def attacker() -> None:
            while time.monotonic() < end:
                await attack(self._port, np.random.default_rng(next(seeds)))

        async def friend() -> None:
            while time.monotonic() < end:
                try:
                    async with asyncio.timeout(60):
                        # Peers that have left count until what they sent is processed.
                        while (heard := await friendly(self._port)) == FULL:
                            self.sent_away += 1
                            await asyncio.sleep(1)
                        if heard != self._expected:
                            self.faults[f"the friend got {heard!r}, not {self._expected!r}"] += 1
                        else:
                            self.served += 1
                            self.longest = max(self.longest, await described(self._port))
                except TimeoutError:
                    self.faults["the friend was not served for a minute"] += 1

        await asyncio.gather(friend(), *(attacker() for _ in range(self.attackers)))


class Mqtt(Target):
    """The publisher of words, with a broker that behaves now and then."""

    @property
    def arguments(self) -> list[str]:
        """Return the command that connects to the broker."""
        return ["mqtt", f"mqtt://127.0.0.1:{self._broker.port}", "-m", "commands-tiny", "--input", "-"]

    async def start(self) -> str:
        """Start the broker and the publisher, and feed it with words."""
        self._broker = Broker()
        await self._broker.start()
        line = await super().start()
        assert self._process.stdin
        assert self._process.stdout
        self._tasks = [asyncio.create_task(endless_wav(self._process.stdin)), asyncio.create_task(self._read())]
        return line

    async def _read(self) -> None:
        assert self._process.stdout
        while await self._process.stdout.read(2**16):
            pass

    async def hostile(self, rng: np.random.Generator, end: float) -> None:
        """Misbehave for some seconds, then behave until a word comes."""
        while time.monotonic() < end:
            await self._broker.misbehave(rng)
            await asyncio.sleep(rng.uniform(0.5, 4))
            self._broker.behave()
            before = self._broker.words
            try:
                # Pauses between attempts to connect grow up to a minute.
                async with asyncio.timeout(100):
                    while self._broker.words == before:
                        await asyncio.sleep(0.1)
            except TimeoutError:
                self.faults["no word came from a server whose broker behaves"] += 1

    async def finish(self) -> None:
        """End the publisher, then the broker."""
        await super().finish()
        for task in self._tasks:
            task.cancel()
        await self._broker.stop()


TARGETS: dict[str, Callable[[], Target]] = {"wyoming": Wyoming, "mqtt": Mqtt}


async def run(target: Target, minutes: float, first: int) -> str:
    """Attack, and compare what the server keeps before and after."""
    await target.start()
    watching = asyncio.create_task(target.watch())
    rng = np.random.default_rng(first)
    # Imports and buffers that are needed once.
    await target.hostile(rng, time.monotonic() + min(30, 15 * minutes))
    await asyncio.sleep(3)
    before = target.kept()
    await target.hostile(rng, time.monotonic() + 60 * minutes)
    await asyncio.sleep(3)
    after = target.kept() if Path(f"/proc/{target._process.pid}/status").exists() else before
    for name, one, other, most in zip(
        ("MB", "threads", "files"), before, after, (MOST_GROWTH, MOST_THREADS, MOST_FILES), strict=True
    ):
        if other - one > most:
            target.faults[f"grew from {one:.1f} to {other:.1f} {name}"] += 1
    await target.finish()
    watching.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await watching
    return (
        f"a friend was served {target.served} times, sent away {target.sent_away} times, and waited "
        f"{target.longest:.1f} s at most for a description; {target.lines} lines printed; "
        f"{before[0]:.1f} MB before, {after[0]:.1f} MB after"
    )


def main() -> None:
    """Attack a server, and print the faults."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("server", choices=TARGETS, help="which server")
    parser.add_argument("--minutes", type=float, default=3.0, help="minutes (default: 3)")
    parser.add_argument("--first", type=int, default=0, help="seed (default: 0)")
    arguments = parser.parse_args()
    target = TARGETS[arguments.server]()
    print(asyncio.run(run(target, arguments.minutes, arguments.first)))
    for fault, count in target.faults.most_common():
        print(f"fault, {count} times: {fault}")
    sys.exit(1 if target.faults else 0)


if __name__ == "__main__":
    main()
