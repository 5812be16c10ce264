"""Run the tests from a fresh checkout, on all cores; options of pytest may follow, as in `python3 scripts/test.py -x`.

With `-n 0` all tests run in one process, as debuggers need it.
"""

import os
import sys

import environment

if __name__ == "__main__":
    os.chdir(environment.ROOT)
    sys.exit(environment.run_tests(sys.argv[1:]))
