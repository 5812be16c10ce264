"""Run sayso from a fresh checkout, as in `python3 scripts/run.py quickstart`."""

import os
import shlex
import subprocess
import sys

import environment

if __name__ == "__main__":
    # Hints of sayso name commands in the form in which this script was called.
    called = sys.orig_argv[: len(sys.orig_argv) - len(sys.argv) + 1]
    os.environ["SAYSO_CALLED_AS"] = subprocess.list2cmdline(called) if os.name == "nt" else shlex.join(called)
    sys.exit(environment.run("sayso", sys.argv[1:], extra="train,report"))
