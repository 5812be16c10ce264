"""Run the tests that depend on other libraries with the oldest versions of them that pyproject.toml allows.

Options of pytest may follow, as in `python3 scripts/test_oldest.py -x`.
"""

import os
import sys

import environment

# The tests of code that calls other libraries; sayso's own arithmetic does not depend on their versions.
NAMES = (
    "annotations", "arguments", "audio", "batch", "cli", "cli_classify", "cli_corpus", "cli_data", "cli_evaluate",
    "cli_listen", "cli_train", "classifier", "download", "evaluation", "explain", "export", "features", "ffmpeg",
    "http", "inputs", "listening", "model_file", "nn_trainer", "page", "recognizer", "report", "security",
    "sound_table", "sources", "stream_scores", "streams", "teaching", "training", "uncompressed", "web",
)  # fmt: skip

if __name__ == "__main__":
    os.chdir(environment.ROOT)
    tests = [f"tests/test_{name}.py" for name in NAMES]
    # Old libraries give deprecation warnings of their own.
    options = ["-p", "no:cacheprovider", "--disable-warnings", *sys.argv[1:]]
    sys.exit(environment.run_tests([*tests, *options], extra="test", oldest=True))
