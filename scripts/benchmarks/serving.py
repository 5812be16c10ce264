"""Serve many Wyoming clients in real time: the delay of their wake words, and what the server keeps of them.

Example: python scripts/benchmarks/serving.py --clients 20 --minutes 60

Each client sends the words of the bundled corpus as a satellite does, 64 ms at a time, leaves after some rounds and
comes back. The delay of a word is counted from when the last sound of the window in which it is detected was sent, to
when its detection has come. The exit status is 1 if the 99th percentile exceeds 100 ms, two rounds differ in their
number of words, or the server has grown: by 10 MB of memory, or by a thread or an open file.
"""

import asyncio
import math
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from benchmarking import parser, save
from sayso.model.shipped import bundled
from sayso.recognition import recognizer
from sayso.sound import audio

if TYPE_CHECKING:
    from wyoming.client import AsyncTcpClient

# Words of a round, with pauses between them; rounds that a client stays for; seconds of a chunk.
WORDS, STAYS, CHUNK = ("left", "right", "up", "yes", "no"), 3, 0.064
# Milliseconds of the 99th percentile, and megabytes that the server may grow by.
MOST_DELAY, MOST_GROWTH = 100.0, 10.0


class Kept(NamedTuple):
    """What the server holds: memory in MB, threads, and open files."""

    megabytes: float
    threads: int
    files: int

    @classmethod
    def by(cls, process: int) -> "Kept":
        """Measure a process of this machine."""
        folder = Path(f"/proc/{process}")
        status = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
        memory = int(status["VmRSS"].split()[0]) / 1e3
        return cls(memory, int(status["Threads"]), len(list((folder / "fd").iterdir())))


def round_of_words(rate: int) -> bytes:
    """Return one round as a client sends it."""
    parts = []
    for word in WORDS:
        parts += [np.zeros(rate, np.float32), audio.load(min((bundled("demo") / word).iterdir()), rate)]
    samples = np.concatenate([*parts, np.zeros(rate, np.float32)])
    return (samples * 32_767).astype("<i2").tobytes()


async def send(connected: "AsyncTcpClient", sound: bytes, rate: int, begun: float, every: float = CHUNK) -> None:
    """Send a chunk every some seconds, by default in real time, and ask for an answer that comes after all others."""
    from wyoming.audio import AudioChunk, AudioStart, AudioStop
    from wyoming.ping import Ping

    size = 2 * round(CHUNK * rate)
    await connected.write_event(AudioStart(rate, 2, 1).event())
    for number, start in enumerate(range(0, len(sound), size), 1):
        await asyncio.sleep(max(begun + number * every - time.monotonic(), 0))
        await connected.write_event(AudioChunk(rate, 2, 1, sound[start : start + size]).event())
    await connected.write_event(AudioStop().event())
    await connected.write_event(Ping().event())


async def client(port: int, sound: bytes, rate: int, end: float, delays: list[float], counts: list[int]) -> None:
    """Come, send some rounds, note when each word comes, leave, and come again."""
    from wyoming.client import AsyncTcpClient
    from wyoming.wake import Detection

    while time.monotonic() < end:
        async with AsyncTcpClient("127.0.0.1", port) as connected:
            for _ in range(STAYS):
                begun, words = time.monotonic(), 0
                sending = asyncio.create_task(send(connected, sound, rate, begun))
                while (event := await connected.read_event()) and event.type != "pong":
                    heard = (Detection.from_event(event).timestamp or 0) / 1e3
                    # The sample before that moment is sent with the end of its chunk.
                    delays.append(1e3 * (time.monotonic() - begun - math.ceil(heard / CHUNK) * CHUNK))
                    words += 1
                await sending
                counts.append(words)


async def measure(
    port: int, process: int, clients: int, minutes: float, rate: int
) -> tuple[list[float], list[int], list[Kept]]:
    """Let clients come and go, and look at the server while none is there and at its end."""
    sound, delays, counts = round_of_words(rate), list[float](), list[int]()
    # The first clients warm the server up.
    await asyncio.gather(*(client(port, sound, rate, time.monotonic() + 1, [], []) for _ in range(clients)))
    await asyncio.sleep(1)
    kept = [Kept.by(process)]
    end = time.monotonic() + 60 * minutes
    running = []
    for _ in range(clients):
        running.append(asyncio.create_task(client(port, sound, rate, end, delays, counts)))
        # Not all at the same moment.
        await asyncio.sleep(CHUNK / clients)
    await asyncio.gather(*running)
    await asyncio.sleep(1)
    return delays, counts, [*kept, Kept.by(process)]


def main() -> None:
    """Serve, measure, and print the results."""
    options = parser(__doc__)
    options.add_argument("model", nargs="?", default="commands", help="a model (default: commands)")
    options.add_argument("--clients", type=int, default=20, help="clients at a time (default: 20)")
    options.add_argument("--minutes", type=float, default=1.0, help="minutes to measure (default: 1)")
    arguments = options.parse_args()
    rate = recognizer.load(arguments.model).model.features.sample_rate
    command = [sys.executable, "-m", "sayso", "serve", "wyoming", "-m", arguments.model, "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr
        port = int(server.stderr.readline().rsplit(":", 1)[1])
        delays, counts, (before, after) = asyncio.run(
            measure(port, server.pid, arguments.clients, arguments.minutes, rate)
        )
        server.terminate()
    p50, p99 = np.quantile(delays, [0.5, 0.99])
    faults = [f"the 99th percentile is {p99:.0f} ms"] if p99 > MOST_DELAY else []
    if len(set(counts)) > 1:
        faults.append(f"rounds had {sorted(set(counts))} words")
    growth = after.megabytes - before.megabytes
    if growth > MOST_GROWTH or after.threads > before.threads or after.files > before.files:
        faults.append(f"the server has grown from {before} to {after}")
    print(
        f"{arguments.clients} clients, {len(counts)} rounds, {len(delays)} words: delay {p50:.0f} ms, "
        f"99 %: {p99:.0f} ms; "
        f"memory {before.megabytes:.1f} MB, {growth:+.1f} MB at the end, {after.threads} threads, {after.files} files"
    )
    for fault in faults:
        print(f"fault: {fault}")
    save({"delays_milliseconds": delays, "rounds": len(counts), "growth_megabytes": growth, "faults": faults},
         arguments.json)  # fmt: skip
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
