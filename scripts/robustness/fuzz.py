"""Run sayso on tens of thousands of damaged inputs: none may end in a traceback, hang, fill memory or write outside.

Example: python scripts/robustness/fuzz.py --count 20000

Sound files, models, what they tell of themselves, checkpoints, results of sweeps, settings, label lists, names and
archives are damaged at random, each with the seed of its number, and given to every command that reads them, in a
sandbox. A fault can be reproduced with: python scripts/robustness/fuzz.py --first NUMBER --count 1. The exit status is
1 if there was any.
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

# A process that does not react to the alarm is killed after this many times the time limit of a command.
PATIENCE = 12


def work(folder: Path, numbers: range, kind: str | None, limits: tuple[float, float], pipe: Connection) -> None:
    """Run cases, and send through the pipe when each begins, and its kind and faults when it ends."""
    import fuzz_cases
    from fuzz_material import Material
    from fuzz_sandbox import Sandbox

    sandbox = Sandbox(folder, *limits)
    sandbox.seconds = 120  # the first time, while modules are imported
    (folder / "material").mkdir()
    cases = fuzz_cases.Cases(Material.make(folder / "material"), sandbox.work)
    warm_up(sandbox, cases)
    sandbox.seconds = limits[0]
    for number in numbers:
        pipe.send((number, None, None, 0.0))
        name, case = cases.make(number, kind)
        before = time.monotonic()
        faults = list(sandbox.run(case.arguments, case.stdin))
        if any(fault.startswith("took too long") for fault in faults):
            # Other programs may have slowed it down; a real hang happens again.
            sandbox.clear()
            name, case = cases.make(number, kind)
            faults = list(sandbox.run(case.arguments, case.stdin))
        pipe.send((number, name, [" ".join(case.arguments), *faults] if faults else [], time.monotonic() - before))
        sandbox.clear()
    cases.close()
    pipe.send((None, None, None, 0.0))


def warm_up(sandbox: Any, cases: Any) -> None:
    """Run every kind of command, so that later cases are not charged for the imports."""
    import fuzz_cases

    # The first time, it runs programs to find the sound library.
    sandbox.run(["doctor", "-m", "commands-tiny"])
    for kind in fuzz_cases.KINDS:
        for number in range(2):
            _, case = cases.make(1_000_000_000 + number, kind)
            sandbox.run(case.arguments, case.stdin)
            sandbox.clear()


def main() -> None:
    """Run the cases in processes, and print the faults."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=20_000, help="number of inputs (default: 20000)")
    parser.add_argument("--first", type=int, default=0, help="number of the first input (default: 0)")
    parser.add_argument(
        "--kind", help="only this kind: audio, model, page, sweep, checkpoint, config, labels or archive"
    )
    parser.add_argument("--seconds", type=float, default=5.0, help="time limit of a command (default: 5)")
    parser.add_argument("--megabytes", type=float, default=500.0, help="memory limit of a command (default: 500)")
    parser.add_argument("--json", type=Path, help="also write the faults into this file")
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
    """Yield the results of the cases in a process; if it dies or hangs, that is a fault of its current case."""
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
