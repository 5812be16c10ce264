"""A few damaged inputs with fixed seeds (`scripts/robustness/fuzz.py` makes many), and every check of its sandbox."""

import subprocess
import sys
from pathlib import Path

import pytest

from cases import case

SCRIPTS = Path(__file__).resolve().parent.parent / "scripts" / "robustness"

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs the alarms and limits of Unix")


def test_damaged_inputs_end_in_a_result_or_one_clear_line() -> None:
    run = subprocess.run([sys.executable, SCRIPTS / "fuzz.py", "--count", "40"], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.startswith("40 inputs in ")
    assert ": 0 faults" in run.stdout


PLANTED = """
import os, sys, time, subprocess, threading, warnings
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from fuzz_sandbox import Sandbox
from sayso.cli import main

sandbox = Sandbox(Path(sys.argv[2]).resolve(), seconds=0.2, megabytes=300)

def sleep():
    try:
        time.sleep(99)
    except Exception:
        pass

def thread():
    worker = threading.Thread(target=lambda: 1 / 0)
    worker.start()
    worker.join()

def outside():
    os.close(os.open(str(sandbox.root / "canary" / "x"), os.O_CREAT | os.O_WRONLY))

def fill():
    held = bytearray(400_000_000)
    held[::4096] = bytes(len(held[::4096]))

PLANTS = {
    "fine": lambda: print("fine"),
    "writes": lambda: (Path("file").write_text("x"), Path("file").rename("other")),
    "traceback": lambda: 1 / 0,
    "hang": sleep,
    "thread": thread,
    "escape": lambda: print("\\x1b[2J"),
    "silent": lambda: sys.exit(1),
    "status": lambda: (print("x"), sys.exit(3)),
    "warning": lambda: warnings.warn("overflow", RuntimeWarning),
    "outside": outside,
    "renamed": lambda: (Path("a").write_text("x"), Path("a").rename("../canary/y")),
    "program": lambda: subprocess.run(["true"]),
    "memory": fill,
}
for name, plant in PLANTS.items():
    main.main = plant
    print(name, *sandbox.run([]), sep=" | ", end="\\0")
    sandbox.clear()
"""


def test_the_sandbox_detects_every_kind_of_fault(tmp_path: Path) -> None:
    run = subprocess.run([sys.executable, "-c", PLANTED, SCRIPTS, tmp_path], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    found = dict(entry.split(" | ", 1) if " | " in entry else (entry, "") for entry in run.stdout.split("\0")[:-1])
    expected = {
        "fine": "",
        "writes": "",
        "traceback": "ZeroDivisionError",
        "hang": "took too long",
        "thread": "a thread ended with ZeroDivisionError",
        "escape": r"prints ['\x1b']",
        "silent": "status 1 without a message",
        "status": "ended with 3",
        "warning": "RuntimeWarning",
        "outside": "changed files outside its folder",
        "renamed": "os.rename '../canary/y'",
        "program": "subprocess.Popen",
        "memory": "memory of ",
    }
    if not Path("/proc/self/clear_refs").exists():
        del expected["memory"]
    for name, fault in expected.items():
        with case(name):
            assert fault in found[name]
            assert bool(found[name]) == bool(fault)
