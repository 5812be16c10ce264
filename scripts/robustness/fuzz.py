"""Run sayso on tens of thousands of spoiled inputs: none may end in a traceback, hang, fill memory or write outside.

Example: python scripts/robustness/fuzz.py --count 20000

Sound files, models, checkpoints, settings, label lists, names and archives are spoiled, each by the random numbers of
its own number, and given to every command that reads them, in processes that are watched. What is found can be run
again with: python scripts/robustness/fuzz.py --first NUMBER --count 1. The exit status is 1 if anything was found.
"""

import argparse
import json
import multiprocessing
import sys
import tempfile
import time
from collections import Counter
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

# A process that is deaf to the alarm is killed after so many times the time that a command may take.
PATIENCE = 12


def work(folder: Path, numbers: range, kind: str | None, limits: tuple[float, float], pipe: Connection) -> None:
    """Run cases and tell of each: that it begins, and what it was and was wrong with it."""
    import fuzz_cases
    from fuzz_sandbox import Sandbox

    sandbox = Sandbox(folder, *limits)
    sandbox.seconds = 120  # the first time, while modules are imported
    (folder / "material").mkdir()
    cases = fuzz_cases.Cases(fuzz_cases.Material.make(folder / "material"), sandbox.work)
    warm_up(sandbox, cases)
    sandbox.seconds = limits[0]
    for number in numbers:
        pipe.send((number, None, None, 0.0))
        name, case = cases.make(number, kind)
        before = time.monotonic()
        faults = list(sandbox.run(case.arguments, case.stdin))
        if any(fault.startswith("took too long") for fault in faults):
            # Another program may have held up this one; what hangs, hangs again.
            sandbox.clear()
            name, case = cases.make(number, kind)
            faults = list(sandbox.run(case.arguments, case.stdin))
        pipe.send((number, name, [" ".join(case.arguments), *faults] if faults else [], time.monotonic() - before))
        sandbox.clear()
    cases.close()
    pipe.send((None, None, None, 0.0))


def warm_up(sandbox: Any, cases: Any) -> None:
    """Let every kind of command import what it needs, which counts for none of them."""
    import fuzz_cases

    # Looks for the sound library by running programs, the first time.
    sandbox.run(["doctor", "-m", "commands-tiny"])
    for kind in fuzz_cases.KINDS:
        for number in range(2):
            _, case = cases.make(1_000_000_000 + number, kind)
            sandbox.run(case.arguments, case.stdin)
            sandbox.clear()


def main() -> None:
    """Start processes, watch over them, and say what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=20_000, help="how many inputs (default: 20000)")
    parser.add_argument("--first", type=int, default=0, help="number of the first (default: 0)")
    parser.add_argument("--kind", help="make all of one kind: audio, model, checkpoint, config, labels or archive")
    parser.add_argument("--seconds", type=float, default=5.0, help="what a command may take (default: 5)")
    parser.add_argument("--megabytes", type=float, default=500.0, help="memory that it may take (default: 500)")
    parser.add_argument("--json", type=Path, help="write what was found into this file, too")
    arguments = parser.parse_args()
    limits = (arguments.seconds, arguments.megabytes)
    end = arguments.first + arguments.count
    done: Counter[str] = Counter()
    found: dict[int, list[str]] = {}
    slowest = (0.0, 0)
    begun, number = time.monotonic(), arguments.first
    while number < end:
        for seen, name, faults, seconds in watched(range(number, end), arguments.kind, limits):
            number = seen + 1
            done[name] += 1
            slowest = max(slowest, (seconds, seen))
            if faults:
                found[seen] = faults
                print(f"{seen}: {'; '.join(faults)}", flush=True)
            if sum(done.values()) % 1_000 == 0:
                print(f"{sum(done.values())} inputs, {len(found)} faults", file=sys.stderr, flush=True)
    print(
        f"{sum(done.values())} inputs in {time.monotonic() - begun:.0f} s "
        f"({', '.join(f'{count} {name}' for name, count in sorted(done.items()))}): {len(found)} faults; "
        f"the slowest, {slowest[1]}, took {slowest[0]:.1f} s"
    )
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    sys.exit(1 if found else 0)


def watched(numbers: range, kind: str | None, limits: tuple[float, float]) -> Any:
    """Yield what a process tells of its cases; one that dies or hangs is a fault of the case that it was at."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    with tempfile.TemporaryDirectory(prefix="sayso-fuzz-") as folder:
        process = context.Process(
            target=work, args=(Path(folder).resolve(), numbers, kind, limits, theirs), daemon=True
        )
        process.start()
        theirs.close()
        current: int | None = None
        try:
            while True:
                if not ours.poll(300 if current is None else PATIENCE * limits[0]):
                    yield current, "hung", ["the process hung and was killed"], PATIENCE * limits[0]
                    return
                number, name, faults, seconds = ours.recv()
                if number is None:
                    return
                if name is None:
                    current = number
                else:
                    yield number, name, faults, seconds
        except EOFError:
            process.join()
            if current is None:
                sys.exit("error: the process that runs the cases cannot start")
            yield current, "died", [f"the process died: {process.exitcode}"], 0.0
        finally:
            process.kill()
            process.join()


if __name__ == "__main__":
    main()
