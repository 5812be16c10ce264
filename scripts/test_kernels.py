"""Run the numeric tests with other kernels of OpenBLAS, the library with which NumPy multiplies matrices.

Each kind of processor has kernels of its own, which add up in different orders, so that the last bits of a result
differ. What is tested must not depend on them. `scripts/test.py` takes the kernels that this processor chooses by
itself, unless OPENBLAS_CORETYPE names others; `python3 scripts/test_kernels.py` takes those of most laptops, or else
the own ones. Others can be named, as in `python3 scripts/test_kernels.py Zen Prescott`.
"""

import os
import sys

import environment

# Tests of what is computed by matrix products, or compares such results.
NAMES = (
    "nn_*", "classifier", "features", "recognizer", "decision", "batch", "model_file", "accuracy", "predictions",
    "stream_scores", "streams", "evaluation", "augmentation", "augmented_clips", "training_batches", "training",
    "teaching", "explanation", "learning_course", "tutorial",
)  # fmt: skip
OWN, LAPTOPS = "", "Haswell"

if __name__ == "__main__":
    os.chdir(environment.ROOT)
    tests = [str(path) for name in NAMES for path in sorted(environment.ROOT.glob(f"tests/test_{name}.py"))]
    # It tunes a kernel, and means nothing to another.
    os.environ.pop("OPENBLAS_L2_SIZE", None)
    tested = os.environ.pop("OPENBLAS_CORETYPE", OWN)
    failed = []
    for kernel in sys.argv[1:] or [OWN if tested == LAPTOPS else LAPTOPS]:
        print(f"kernels: {kernel or 'the own ones of this processor'}", flush=True)
        os.environ.pop("OPENBLAS_CORETYPE", None)
        if kernel:
            os.environ["OPENBLAS_CORETYPE"] = kernel
        if environment.run_tests([*tests, "-q", "-p", "no:cacheprovider"]):
            failed.append(kernel or "own")
    sys.exit(f"error: tests failed with the kernels {', '.join(failed)}" if failed else 0)
