"""What the benchmarks share: their options, pinning to cores, peak memory, ratios, and measuring another program.

It imports little, so that a process that only measures another one stays small.
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
    """What a program took from start to end: wall seconds, and the most memory that it held, in MB."""

    seconds: float
    megabytes: float


def parser(description: str | None) -> argparse.ArgumentParser:
    """Return a parser with the option that all benchmarks have."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--json", type=Path, metavar="FILE", help="write the figures to this file, too")
    return made


def save(figures: Any, path: Path | None) -> None:
    """Write figures as JSON, if a file is asked for."""
    if path:
        path.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def pin(cores: int) -> None:
    """Keep this thread, and the threads and processes that it starts from now on, to that many cores.

    Only Linux can; elsewhere nothing but the number of threads holds a contender back.
    """
    if sys.platform == "linux":
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])


def peak_memory(who: int = resource.RUSAGE_SELF) -> float:
    """Return the most memory that this process, or the largest of those it started, has held at once, in MB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(who).ru_maxrss * unit / 1e6


def settings_of(name: str) -> Settings:
    """Return the settings of a recipe, given by its name or file."""
    from sayso.config import Settings, recipe

    return Settings.from_toml(recipe(name))


def ratio(theirs: Sequence[float], ours: Sequence[float]) -> float:
    """Return the median of the ratios round by round."""
    return statistics.median(other / own for other, own in zip(theirs, ours, strict=True))


def measure(command: Sequence[str]) -> Run:
    """Run a command and measure it.

    A small process starts it: what its parent holds at the start counts as memory of the command.
    """
    done = subprocess.run([sys.executable, __file__, *command], check=True, stdout=subprocess.PIPE)
    return Run(**json.loads(done.stdout))


def main() -> None:
    """Be the small process: run the command of the arguments and print what it took."""
    start = time.perf_counter()
    subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
    run = Run(time.perf_counter() - start, peak_memory(resource.RUSAGE_CHILDREN))
    print(json.dumps(run._asdict()))


if __name__ == "__main__":
    main()
