"""A model as JSON for the JavaScript library `sayso.mjs`, which recognises in a browser or in Node."""

import base64
import json
from dataclasses import fields
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sayso.config import SILENCE, UNKNOWN
from sayso.export.exported import Exported
from sayso.export.operations import Convolve, ConvolveDepthwise, Operation
from sayso.export.quantization import quantized
from sayso.model import shipped
from sayso.sound import audio
from sayso.sound.high_pass import high_passed_clip
from sayso.sound.speech import fit_window

FORMAT = 1
LIBRARY = "sayso.mjs"


def library() -> bytes:
    """Return the JavaScript library."""
    return (resources.files("sayso.export") / LIBRARY).read_bytes()


def is_library(path: Path) -> bool:
    """Return whether a file is the library, perhaps of another version."""
    with path.open("rb") as file:
        return file.readline() == library().splitlines(keepends=True)[0]


def write(exported: Exported) -> bytes:
    """Return the content of a JSON file, all of it ASCII.

    It holds the facts about the model, its tables and weights (arrays of numbers as base64 of little-endian bytes), and
    a test: the samples of a window with the probabilities that Python computes for them.

    Raises
    ------
    ExportError
        If the length of the Fourier transform is not a power of two.
    """
    front_end, labels = exported.front_end, exported.model.labels
    front_end.check_transform()
    filters = front_end.filters
    high_pass = front_end.high_pass
    decision, words = exported.model.decision, [label for label in labels if label not in (SILENCE, UNKNOWN)]
    content = {
        "format": FORMAT,
        **exported.facts,
        "words": list(map(labels.index, words)),
        "thresholds": [decision.words.get(word, decision.threshold) for word in words],
        "silence": labels.index(SILENCE) if SILENCE in labels else None,
        "step": exported.step,
        "margin": exported.margin,
        "newest": exported.newest,
        "frontEnd": {
            "fftSize": front_end.fft_size,
            "hop": front_end.hop,
            "frames": front_end.frames,
            "floor": front_end.floor,
            "window": _array(front_end.window),
            "melFirst": [first for first, _ in filters],
            "melCount": [len(weights) for _, weights in filters],
            "mel": _array(np.concatenate([weights for _, weights in filters])),
            "matrix": _array(front_end.matrix),
            "offset": _array(front_end.offset),
            "highPass": high_pass and {
                "transition": high_pass.transition.tolist(),
                "input": high_pass.input.tolist(),
                "output": high_pass.output.tolist(),
                "direct": high_pass.direct,
            },
        },
        "operations": [_operation(operation, exported.int8) for operation in exported.operations],
        "test": _test(exported),
    }  # fmt: skip
    # In this form the text may also stand inside of a script of a page.
    return json.dumps(content, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c").encode()


def _operation(operation: Operation, int8: bool) -> dict[str, Any]:
    """Describe an operation by its kind and its fields."""
    described: dict[str, Any] = {"kind": type(operation).__name__}
    for part in fields(operation):
        value = getattr(operation, part.name)
        described[part.name] = _array(value) if isinstance(value, np.ndarray) else value
    if isinstance(operation, Convolve | ConvolveDepthwise):
        described["kernel"] = operation.weight.shape[isinstance(operation, Convolve)]
        if int8:
            integers, scales = quantized(operation.weight, axis=0 if isinstance(operation, Convolve) else 1)
            described["weight"] = _array(integers)
            described["scale"] = _array(scales)
    if isinstance(operation, Convolve):
        described["band_kernel"] = operation.weight.shape[3]
    return described


def _array(array: NDArray[Any]) -> dict[str, str]:
    """Return the numbers of an array in base64, under the name of their type."""
    little = array.astype(array.dtype.newbyteorder("<"))
    return {array.dtype.name: base64.b64encode(little.tobytes()).decode("ascii")}


def _test(exported: Exported) -> dict[str, Any]:
    """Return a test: a word of the demo corpus, and its probabilities."""
    front_end = exported.front_end
    clip = min((shipped.bundled("demo") / "yes").iterdir())
    window, _ = fit_window(audio.load(clip, front_end.sample_rate), front_end.samples)
    integers = np.rint(window.clip(-1, 1) * 32767).astype(np.int16)
    samples = integers.astype(np.float32) / 32768
    heard = high_passed_clip(samples, exported.model.features.high_pass, front_end.sample_rate)
    probabilities = exported.recognizer.probabilities(heard[None])[0]
    return {"samples": _array(integers), "probabilities": probabilities.tolist()}
