"""Compare the accuracy of a model in Python with that of its ONNX graphs, of single precision and of 8-bit weights.

The weights of 8 bits are the same in every format. Needs onnx and onnxruntime.

Example: python scripts/shipped_models/exports.py speech_commands_test_set_v0.02 -m commands
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sayso.corpus.corpus import scan
from sayso.evaluation.measure import clips_to_measure, predict
from sayso.evaluation.predictions import Predictions
from sayso.export import onnx_graph
from sayso.export.exported import Exported
from sayso.model import model_file, shipped
from sayso.recognition.recognizer import Recognizer
from sayso.sound.high_pass import high_passed_clip

# Clips in one run of a graph.
BATCH = 64


def graph_probabilities(exported: Exported, windows: NDArray[np.float32]) -> tuple[NDArray[np.float32], int]:
    """Return the probabilities that a graph computes for windows of sound, and the bytes of its file."""
    import onnxruntime

    content = onnx_graph.write(exported)
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    parts = [windows[start : start + BATCH] for start in range(0, len(windows), BATCH)]
    return np.concatenate([session.run(None, {"samples": part})[0] for part in parts]), len(content)


def main() -> None:
    """Print the accuracies, and how far the probabilities are from Python's."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path, help="a folder of test clips, one folder for each word")
    parser.add_argument("-m", "--model", default=shipped.DEFAULT, help="a model file, or the name of a shipped model")
    arguments = parser.parse_args()
    model = model_file.load(shipped.find(arguments.model))
    # The sound as it is recorded: a graph has the high-pass inside.
    recorded = Recognizer(replace(model, features=replace(model.features, high_pass=0)))
    clips = clips_to_measure(recorded, scan(arguments.directory), "testing").clips
    cutoff, rate = model.features.high_pass, model.features.sample_rate
    heard = np.stack([high_passed_clip(window, cutoff, rate) for window in clips.windows])
    python = predict(Recognizer(model), clips._replace(windows=heard))
    print(f"{len(clips.labels)} clips, {arguments.model}")
    print(f"Python         {python.evaluation.accuracy:7.2%}")
    for int8 in (False, True):
        exported = Exported.of(model, arguments.model, "not stated", int8)
        found, size = graph_probabilities(exported, clips.windows)
        accuracy = Predictions(python.labels, python.truth, found).evaluation.accuracy
        points = 100 * (accuracy - python.evaluation.accuracy)
        apart = np.abs(found - python.probabilities).max()
        name = "int8" if int8 else "float32"
        print(f"ONNX {name:9} {accuracy:7.2%} ({points:+.2f} points), {size:,} bytes; probabilities {apart:.1e} apart")


if __name__ == "__main__":
    main()
