"""What a stream costs in the servers, in processor time, compared with `sayso listen` in the same process.

Example: python scripts/benchmarks/serving_cost.py --seconds 60

The words of the bundled corpus are sent in chunks as a satellite sends them, faster than real time but with a pause
after each chunk, so that the server wakes up for each. The client is a process of its own, and so is the broker; they
do not count. Rounds of each kind alternate, and the median of the ratios counts. The exit status is 1 if one of them
exceeds 1.2.
"""

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from statistics import median
from typing import NamedTuple

import numpy as np

from benchmarking import parser, ratio, save
from sayso.live.listening import Listening
from sayso.recognition import recognizer
from sayso.recognition.recognizer import Recognizer
from sayso.serve.wyoming import information, serving
from sayso.sound.stream import Samples
from serving import CHUNK, round_of_words, send

MOST_RATIO = 1.2
# How much faster than real time sound comes.
SPEED = 5.0


class Case(NamedTuple):
    """What all rounds have in common."""

    recognizer: Recognizer
    rate: int
    sound: bytes

    @classmethod
    def of(cls, model: str, seconds: float) -> "Case":
        """Load a model, and repeat the words for about so many seconds."""
        loaded = recognizer.load(model)
        rate = loaded.model.features.sample_rate
        one = round_of_words(rate)
        return cls(loaded, rate, one * max(round(2 * seconds * rate / len(one)), 1))

    @property
    def seconds(self) -> float:
        """Return how long the sound is."""
        return len(self.sound) / 2 / self.rate


def listened(case: Case) -> float:
    """Return the processor seconds of `Listening` for the sound."""
    samples = np.frombuffer(case.sound, "<i2").astype(np.float32) / np.float32(32_768)
    size = round(CHUNK * case.rate)

    def chunks() -> Iterator[Samples]:
        begun = time.monotonic()
        for number, start in enumerate(range(0, len(samples), size), 1):
            time.sleep(max(begun + number * CHUNK / SPEED - time.monotonic(), 0))
            yield samples[start : start + size]

    before = time.process_time()
    words = [step.detection.label for step in Listening(case.recognizer, chunks()).scores() if step.detection]
    assert words
    return time.process_time() - before


def served(case: Case) -> float:
    """Return those of a Wyoming service with one client."""

    async def run() -> float:
        info = information(case.recognizer.model, "any", ["en"])
        async with serving(lambda: case.recognizer, info, "127.0.0.1", 0, print) as service:
            await service.recognizer
            options = ("--client", str(service.port), "--seconds", str(case.seconds))
            client = await asyncio.create_subprocess_exec(
                sys.executable, __file__, *options, stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
            assert client.stdin
            assert client.stdout
            # It is connected; the end of its standard input is the sign to begin.
            await client.stdout.readline()
            before = time.process_time()
            client.stdin.close()
            assert await client.wait() == 0
            return time.process_time() - before

    return asyncio.run(run())


async def client(port: int, sound: bytes, rate: int) -> None:
    """Send the sound to a Wyoming service and wait for its end; this runs in a process of its own."""
    from wyoming.client import AsyncTcpClient

    async with AsyncTcpClient("127.0.0.1", port) as connected:
        print(flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        sending = asyncio.create_task(send(connected, sound, rate, time.monotonic(), CHUNK / SPEED))
        while (event := await connected.read_event()) and event.type != "pong":
            pass
        await sending


def main() -> None:
    """Measure and print."""
    options = parser(__doc__)
    options.add_argument("model", nargs="?", default="commands", help="a model (default: commands)")
    options.add_argument("--seconds", type=float, default=30.0, help="seconds of sound in a round (default: 30)")
    options.add_argument("--rounds", type=int, default=5, help="rounds of each kind (default: 5)")
    options.add_argument("--client", type=int, metavar="PORT", help="be the client of a service")
    arguments = options.parse_args()
    case = Case.of(arguments.model, arguments.seconds)
    if arguments.client:
        asyncio.run(client(arguments.client, case.sound, case.rate))
        return
    kinds: dict[str, Callable[[Case], float]] = {"listen": listened, "serve wyoming": served}
    costs: dict[str, list[float]] = {name: [] for name in kinds}
    for number in range(arguments.rounds + 1):
        for name, measured in kinds.items():
            seconds = measured(case)
            # The first round warms up.
            costs[name] += [seconds] if number else []
    faults = []
    for name, own in costs.items():
        times = ratio(own, costs["listen"])
        print(f"{name:14} {median(own) / case.seconds:6.2%} of a core, {times:.2f} times that of listen")
        faults += [name] if times > MOST_RATIO else []
    save({"seconds": case.seconds, "costs": costs, "faults": faults}, arguments.json)
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
