"""The Python API takes what people have in their hands, tells them what it cannot take, and shows what it holds."""

import array
import io
import os
import typing
from pathlib import Path, PurePath

import numpy as np
import pytest
import soundfile

import sayso
import sounds
from cases import case
from sayso.errors import ArgumentError, SaysoError
from sayso.model.model_file import Model
from sayso.nn import Dense, Network
from sayso.recognition.recognizer import Recognizer


class Somewhere(os.PathLike[str]):
    """A path of another kind than pathlib's, such as those of test libraries."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __fspath__(self) -> str:
        return str(self.path)


def test_a_clip_is_a_path_its_bytes_a_file_or_samples(tiny_recognizer: Recognizer, tmp_path: Path) -> None:
    path, samples = tmp_path / "yes.wav", sounds.clip("yes")
    soundfile.write(path, samples, sounds.RATE, subtype="FLOAT")
    content = path.read_bytes()
    expected = tiny_recognizer.classify(path)
    assert expected.label == "yes"
    for source in (
        str(path), Somewhere(path), content, bytearray(content), memoryview(content), io.BytesIO(content),
    ):  # fmt: skip
        with case(type(source).__name__):
            assert tiny_recognizer.classify(source) == expected
    for given in (samples, samples.tolist(), tuple(samples.tolist()), array.array("f", samples), samples[:, None]):
        for rate in (sounds.RATE, float(sounds.RATE), np.int64(sounds.RATE)):
            with case(type(given).__name__, type(rate).__name__):
                assert tiny_recognizer.classify(given, rate).label == "yes"


def test_what_cannot_be_taken_is_told(tiny_recognizer: Recognizer) -> None:
    classify, detect = tiny_recognizer.classify, lambda chunks: list(tiny_recognizer.detect(chunks))
    for function, arguments, message in (
        (classify, (None,), "sound cannot be read from None; give a path, the bytes of a sound file"),
        (classify, (7,), "from an object of type int"),
        (classify, ({"path": "x.wav"},), "from an object of type dict"),
        (classify, ([0.1, 0.2],), "samples need their sample_rate in Hz"),
        (classify, (np.zeros(9), "16 kHz"), "not an object of type str"),
        (detect, (None,), "a stream is an iterable of arrays of samples"),
        (detect, ("clip.wav",), "a path to classify"),
        (detect, (np.zeros(9, np.float32),), "pass [samples] for one array"),
        (detect, ([np.zeros((9, 2), np.float32)],), "not an array of shape (9, 2)"),
        (detect, ([None],), "a chunk of a stream is an array"),
        (sayso.load, (None,), "a model is loaded by its path or its name, not from None"),
        (sayso.load, (b"commands",), "an object of type bytes"),
        (Recognizer, ("commands",), "sayso.load takes a path or a name"),
    ):
        with case(message):
            with pytest.raises(TypeError) as raised:
                function(*arguments)  # type: ignore[operator]
            assert isinstance(raised.value, SaysoError)
            assert isinstance(raised.value, ArgumentError)
            assert message in str(raised.value)


def test_a_model_is_loaded_and_saved_by_any_path(tiny_model: Model, tmp_path: Path) -> None:
    for place in (tmp_path / "a.safetensors", str(tmp_path / "b.safetensors"), Somewhere(tmp_path / "c.safetensors")):
        with case(type(place).__name__):
            tiny_model.save(place)
            assert sayso.load(place).labels == tiny_model.labels


def test_types_accept_paths() -> None:
    for function, argument in (
        (sayso.load, "model"), (sayso.listen, "model"), (sayso.BackgroundListener.__init__, "model"),
        (Recognizer.classify, "source"), (Model.save, "path"),
    ):  # fmt: skip
        with case(function.__qualname__):
            assert {str, os.PathLike[str]} <= set(typing.get_args(typing.get_type_hints(function)[argument]))


def test_recognizers_models_and_networks_show_what_they_are(tiny_recognizer: Recognizer) -> None:
    for shown in (repr(tiny_recognizer), repr(tiny_recognizer.model)):
        for part in (
            *tiny_recognizer.labels,
            f"{tiny_recognizer.model.network.parameter_count:,} parameters",
            "16000 Hz",
        ):
            assert part in shown
        assert len(shown) < 250
    assert repr(Network([Dense(3)], (4,))) == "<Network: 4 inputs, 3 classes, 15 parameters; Dense>"


def test_a_pure_path_is_a_path(tiny_recognizer: Recognizer, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "no.wav", sounds.clip("no"), sounds.RATE)
    assert tiny_recognizer.classify(PurePath(tmp_path / "no.wav")).label == "no"
