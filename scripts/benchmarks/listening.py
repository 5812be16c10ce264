"""Benchmark of live recognition: processor time, time per step, start-up, and memory over hours of sound.

Example: python scripts/benchmarks/listening.py --device "USB Desk"

`sayso listen` runs on a real microphone, and its processor time is measured over a minute after start-up; then it runs
on noise from a pipe, faster than real time. Linux only, as it reads /proc.
"""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from benchmarking import parser, save

SAYSO = (sys.executable, "-m", "sayso", "listen", "--format", "jsonl")
RATE = 16_000
# Seconds after which imports and the first blocks are done.
SETTLED = 5.0
_SUMMARY = re.compile(r"(?P<steps>\d+) steps of (?P<typical>[\d.]+) ms \(99 %: (?P<worst>[\d.]+) ms\)")


def start(model: str) -> dict[str, float]:
    """Time sayso on one second from a pipe, from start to end."""
    walls = []
    for _ in range(5):
        before = time.perf_counter()
        subprocess.run([*SAYSO, "-m", model, "--input", "-"], input=bytes(2 * RATE), capture_output=True, check=True)
        walls.append(time.perf_counter() - before)
    return {"wall_seconds": float(np.median(walls))}


def live(model: str, device: str | None, seconds: float) -> dict[str, float]:
    """Listen to a microphone."""
    chosen = ["--device", device] if device else []
    process = subprocess.Popen(
        [*SAYSO, "-m", model, *chosen], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    time.sleep(SETTLED)
    before = processor_seconds(process.pid)
    time.sleep(seconds)
    cost = processor_seconds(process.pid) - before
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate()
    if not (found := _SUMMARY.search(errors)):
        sys.exit(f"error: sayso could not listen: {errors.strip()}")
    return {
        "seconds": seconds,
        "processor_seconds": cost,
        "steps": int(found["steps"]),
        "step_ms": float(found["typical"]),
        "step_99_ms": float(found["worst"]),
    }


def soak(model: str, hours: float) -> dict[str, float]:
    """Listen to noise from a pipe; measure the memory after five minutes and at the end."""
    process = subprocess.Popen(
        [*SAYSO, "-m", model, "--input", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdin
    rng = np.random.default_rng(0)
    minute = rng.normal(0, 300, 60 * RATE).astype("<i2").tobytes()
    sizes, before = [], time.perf_counter()
    for _ in range(round(60 * hours)):
        process.stdin.write(minute)
        sizes.append(resident(process.pid))
    process.stdin.close()
    process.wait()
    took = time.perf_counter() - before
    return {
        "hours": hours,
        "times_real_time": 3600 * hours / took,
        "megabytes_after_5_minutes": sizes[5],
        "megabytes_at_the_end": sizes[-1],
        "megabytes_at_most": max(sizes),
    }


def processor_seconds(pid: int) -> float:
    """Return the processor time of all threads of a process so far, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident(pid: int) -> float:
    """Return the current memory of a process in MB; Linux only."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def main() -> None:
    """Measure and print."""
    options = parser(__doc__)
    options.add_argument("model", nargs="?", default="commands", help="a model (default: commands)")
    options.add_argument("--device", help="the microphone (default: that of the system)")
    options.add_argument(
        "--seconds", type=float, default=60.0, help="duration of the measurement with it (default: 60)"
    )
    options.add_argument("--hours", type=float, default=1.0, help="hours of sound from the pipe (default: 1)")
    arguments = options.parse_args()
    begin = start(arguments.model)
    print(f"one second from a pipe, from start to end: {begin['wall_seconds']:.2f} s, median of 5")
    minute = live(arguments.model, arguments.device, arguments.seconds)
    print(
        f"microphone, {minute['seconds']:g} s: {minute['processor_seconds']:.2f} s of processor time, "
        f"{minute['processor_seconds'] / minute['seconds']:.1%} of one core; a step takes {minute['step_ms']} ms, "
        f"99 % within {minute['step_99_ms']} ms"
    )
    long = soak(arguments.model, arguments.hours)
    print(
        f"{long['hours']:g} h from a pipe, {long['times_real_time']:.0f} times as fast as real time: memory "
        f"{long['megabytes_after_5_minutes']:.1f} MB after 5 minutes, {long['megabytes_at_the_end']:.1f} at the end, "
        f"{long['megabytes_at_most']:.1f} at most"
    )
    save({"start": begin, "microphone": minute, "pipe": long}, arguments.json)


if __name__ == "__main__":
    main()
