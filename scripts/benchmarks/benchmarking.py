"""Helpers of the benchmarks: options, pinning to cores, peak memory, ratios, and measuring another program.

This module imports little, so that a process that only measures another one stays small.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from sayso.config import Settings


class Run(NamedTuple):
    """Wall time of a program in seconds, and its peak memory in MB."""

    seconds: float
    megabytes: float


def parser(description: str | None) -> argparse.ArgumentParser:
    """Return a parser with the option that all benchmarks share."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--json", type=Path, metavar="FILE", help="also write the results to this file")
    return made


def save(results: Any, path: Path | None) -> None:
    """Write results as JSON if a file is given."""
    if path:
        path.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


def pin(cores: int) -> None:
    """Restrict this thread, and the threads and processes that it starts later, to a number of cores.

    This has an effect on Linux only; elsewhere only the number of threads limits a contender.
    """
    if sys.platform == "linux":
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])


def peak_memory(who: int = resource.RUSAGE_SELF) -> float:
    """Return the peak memory of this process, or of the largest child process, in MB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(who).ru_maxrss * unit / 1e6


def settings_of(name: str) -> Settings:
    """Return the settings of a recipe, given by its name or file."""
    from sayso.config import Settings, recipe

    return Settings.from_toml(recipe(name))


def ratio(theirs: Sequence[float], ours: Sequence[float]) -> float:
    """Return the median of the ratios of all rounds."""
    return statistics.median(other / own for other, own in zip(theirs, ours, strict=True))


def measure(command: Sequence[str]) -> Run:
    """Run a command and measure it.

    It is started from a small process, as the memory of the parent counts as memory of the command.
    """
    done = subprocess.run([sys.executable, __file__, *command], check=True, stdout=subprocess.PIPE)
    return Run(**json.loads(done.stdout))


def main() -> None:
    """Run the command in the arguments and print its time and memory; this is the small process of `measure`."""
    start = time.perf_counter()
    subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
    run = Run(time.perf_counter() - start, peak_memory(resource.RUSAGE_CHILDREN))
    print(json.dumps(run._asdict()))


if __name__ == "__main__":
    main()
