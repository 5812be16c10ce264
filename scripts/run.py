"""Run sayso from a fresh checkout, as in `python3 scripts/run.py quickstart`."""

import sys

import environment

if __name__ == "__main__":
    sys.exit(environment.run("sayso", sys.argv[1:]))
