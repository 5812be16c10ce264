"""A small model, and files of it with changes, for the tests of model files."""

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from sayso.config import FeatureSettings
from sayso.errors import ModelError
from sayso.features.filterbank import FeatureTables
from sayso.features.standardizer import Standardizer
from sayso.model import model_file
from sayso.model.model_file import Model
from sayso.nn import Network
from sayso.nn.architectures import DenseArchitecture

Header = dict[str, Any]
FEATURES = FeatureSettings(clip=0.13, mel_bands=6, coefficients=4)


def small_model(seed: int = 0) -> Model:
    """Return an untrained model with a few hundred parameters."""
    shape = (FEATURES.frames, FEATURES.width)
    network = Network(DenseArchitecture(hidden=(3,)).layers(3), shape).initialise(np.random.default_rng(seed))
    return Model(
        labels=("yes", "später", "_silence_"),
        features=FEATURES,
        tables=FeatureTables.from_settings(FEATURES),
        standardizer=Standardizer(np.arange(4, dtype=np.float32), np.ones(4, np.float32)),
        network=network,
        training={"note": "by hand", "history": [1, 2.5]},
        scores={"demo": 0.5},
    )


def parts(content: bytes) -> tuple[Header, bytes]:
    """Split a file into its description of the arrays and their bytes."""
    (size,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + size]), content[8 + size :]


def joined(description: Header, body: bytes) -> bytes:
    text = json.dumps(description).encode()
    return struct.pack("<Q", len(text)) + text + body


def changed(content: bytes, change: Callable[[Header], Any]) -> bytes:
    """Return the content of a file with a change in sayso's header."""
    description, body = parts(content)
    header = json.loads(description["__metadata__"]["sayso"])
    change(header)
    description["__metadata__"]["sayso"] = json.dumps(header)
    return joined(description, body)


def with_arrays(tmp_path: Path, content: bytes, change: Callable[[dict[str, np.ndarray]], Any]) -> Path:
    """Write a file with a change in its arrays."""
    from safetensors.numpy import load

    arrays = {name: array.copy() for name, array in load(content).items()}
    change(arrays)
    path = tmp_path / "changed.safetensors"
    save_file(arrays, path, parts(content)[0]["__metadata__"])
    return path


def refused(path: Path, content: bytes, match: str) -> None:
    path.write_bytes(content)
    with pytest.raises(ModelError, match=match) as caught:
        model_file.load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def set_to(name: str, value: float) -> Callable[[dict[str, np.ndarray]], None]:
    def change(arrays: dict[str, np.ndarray]) -> None:
        arrays[name].flat[0] = value

    return change
