"""Run the tests that lean on other libraries with the oldest versions of them that pyproject.toml allows.

Options of pytest may follow, as in `python3 scripts/test_oldest.py -x`.
"""

import os
import sys

import environment

# Where sayso meets other libraries. What is our own arithmetic gives the same with any of them.
NAMES = (
    "audio", "batch", "cli", "cli_data", "classifier", "download", "evaluation", "explain", "features", "http",
    "inputs", "listening", "model_file", "nn_trainer", "outputs", "page", "pipe", "recognizer", "report", "security",
    "sources", "stream_scores", "streams", "teaching", "training",
)  # fmt: skip

if __name__ == "__main__":
    os.chdir(environment.ROOT)
    tests = [f"tests/test_{name}.py" for name in NAMES]
    # Old libraries are out of date in their own way; their warnings are not ours.
    quiet = ["-p", "no:cacheprovider", "--disable-warnings"]
    sys.exit(environment.run("pytest", [*tests, *quiet, *sys.argv[1:]], extra="test", oldest=True))
