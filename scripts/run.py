"""Run heed from a fresh checkout: `python3 scripts/run.py quickstart`; any command of heed and its options may follow."""

import sys

import environment

if __name__ == "__main__":
    sys.exit(environment.run("heed", sys.argv[1:]))
