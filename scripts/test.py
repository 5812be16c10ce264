"""Run the tests from a fresh checkout: `python3 scripts/test.py`; options of pytest may follow."""

import os
import sys

import environment

if __name__ == "__main__":
    os.chdir(environment.ROOT)
    sys.exit(environment.run("pytest", sys.argv[1:], extra="dev"))
