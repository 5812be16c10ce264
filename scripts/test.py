"""Run the tests from a fresh checkout; options of pytest may follow, as in `python3 scripts/test.py -x`."""

import os
import sys

import environment

if __name__ == "__main__":
    os.chdir(environment.ROOT)
    sys.exit(environment.run("pytest", sys.argv[1:], extra="dev"))
