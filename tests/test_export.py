"""Exported models compute what Python computes, whatever their layers, and hold whatever their labels are."""

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import exports
from cases import case
from command_line import Result, one_line_error
from sayso.config import FeatureSettings
from sayso.errors import ExportError
from sayso.export import c_header, json_file, onnx_graph
from sayso.export.exported import Exported
from sayso.features.filterbank import FeatureTables
from sayso.features.standardizer import Standardizer
from sayso.model import model_file, shipped
from sayso.model.model_file import Model
from sayso.nn import (
    BatchNorm,
    Convolution,
    Convolution2d,
    Dense,
    DepthwiseConvolution,
    Dropout,
    Flatten,
    Layer,
    Merging,
    Network,
    Pointwise,
    ReLU,
    Residual,
    Spectrum,
    Stack,
    StatisticsPooling,
    Tanh,
    TimeBlocks,
)
from sayso.nn.serialization import LAYERS
from sayso.sound import audio
from sayso.sound.high_pass import high_passed_clip
from sayso.sound.speech import fit_window
from sayso.sound.stream import Resampler

LABELS = ("yes", "no", "_unknown_")
# What the issue of the formats promises; they are a hundred times closer.
CLOSE = 1e-5
MFCC = FeatureSettings(clip=0.5, mel_bands=12, coefficients=8, high_pass=60)
# Frames that share no block of samples but a small one, and log-mel energies.
ENERGIES = FeatureSettings(clip=0.3, window=0.02, hop=0.0125, fft_size=512, mel_bands=10, coefficients=0)

TAUGHT = Residual((Dense(4), ReLU(), Dropout(0.5), Dense(6)), (Dense(6),))
NETWORKS: dict[str, tuple[FeatureSettings, list[Layer]]] = {
    "spectral": (
        MFCC,
        [
            Spectrum(),
            Convolution2d(channels=3, band_kernel=3, band_stride=2, kernel=3, padding=1, bias=False),
            BatchNorm(),
            ReLU(),
            Convolution2d(channels=2, band_kernel=2, kernel=2, stride=2, dilation=2, padding=2),
            BatchNorm(),
            Tanh(),
            BatchNorm(),
            Stack(),
            Convolution(channels=5, kernel=3, dilation=2, padding=1),
            ReLU(),
            Residual(
                (DepthwiseConvolution(kernel=5, stride=2, padding=2), Pointwise(4, bias=False), BatchNorm()),
                (Convolution(channels=4, kernel=1, stride=2, bias=False), BatchNorm()),
            ),
            Residual(()),
            Residual((DepthwiseConvolution(kernel=2, dilation=2, padding=1), BatchNorm())),
            Dropout(0.1),
            StatisticsPooling(),
            TAUGHT,
            Merging(into=2, parts=3),
        ],
    ),
    "dense": (ENERGIES, [Flatten(), Dense(7, bias=False), BatchNorm(), Tanh(), Dense(5), Merging(0, 1), Dense(3)]),
    # Both branches change the shape of the network's input, which they share.
    "branches": (MFCC, [Residual((Flatten(), Dense(3)), (Flatten(), Tanh(), Dense(3)))]),
    "flat branches": (
        MFCC,
        [Pointwise(3), Residual((Flatten(), ReLU(), Dense(3)), (StatisticsPooling(), Dense(3)))],
    ),
}


def model_of(features: FeatureSettings, layers: list[Layer], labels: tuple[str, ...] = LABELS) -> Model:
    """Return a model whose parameters all differ, for sound of ordinary loudness."""
    network, rng = Network(layers, (features.frames, features.width)), np.random.default_rng(0)
    for name, view in network.parameters.named().items():
        view[...] = rng.uniform(0.5, 2, view.shape) if name.endswith("variance") else rng.normal(0, 0.5, view.shape)
    deviation = rng.uniform(5, 20, features.width).astype(np.float32)
    standardizer = Standardizer(rng.normal(0, 5, features.width).astype(np.float32), deviation)
    return Model(labels, features, FeatureTables.from_settings(features), standardizer, network)


def exported(model: Model, int8: bool = False) -> Exported:
    return Exported.of(model, "zoo", "CC0", int8)


@lru_cache
def models() -> dict[str, Model]:
    """Return a model of each network; making their tables takes librosa, which is slow to import."""
    return {name: model_of(*parts) for name, parts in NETWORKS.items()}


def recordings(rate: int = 16_000) -> list[np.ndarray]:
    """Return some recordings of the demo corpus, with an offset as cheap microphones have it."""
    words = ("yes", "go", "seven", "left")
    return [audio.load(min((shipped.bundled("demo") / word).iterdir()), rate) + np.float32(0.02) for word in words]


def windows(model: Model) -> np.ndarray:
    """Return windows of recordings, and one without a sound."""
    length = model.features.clip_samples
    return np.stack([*(fit_window(clip, length)[0] for clip in recordings()), np.zeros(length, np.float32)])


def expected(exported: Exported, windows: np.ndarray) -> np.ndarray:
    """Return the probabilities that Python computes for windows."""
    features = exported.model.features
    heard = [high_passed_clip(window, features.high_pass, features.sample_rate) for window in windows]
    return exported.recognizer.probabilities(np.stack(heard))


def expected_steps(exported: Exported, sound: np.ndarray) -> tuple[np.ndarray, list[int]]:
    """Return the probabilities at each step of a stream, with those of the newest part, and where the windows end."""
    scores = list(exported.recognizer.scores([sound]))
    return np.stack([np.concatenate([each.probabilities, each.newest]) for each in scores]), [s.end for s in scores]


def needs_onnx() -> Any:
    return pytest.importorskip("onnx", reason="needs the package onnx, as in sayso[onnx]")


def javascript_of(request: pytest.FixtureRequest) -> exports.Run:
    """Return what runs JavaScript: Node if it is there, else a browser."""
    return exports.in_node if shutil.which("node") else exports.in_browser(request.getfixturevalue("browser"))


def test_the_zoo_has_every_kind_of_layer_that_can_be_exported() -> None:
    def kinds(layers: tuple[Layer, ...]) -> set[str]:
        inner = [kinds(part.layers) for each in layers if isinstance(each, Residual) for part in each.branches.values()]
        return {type(layer).__name__ for layer in layers}.union(*inner)

    assert kinds(tuple(layer for _, layers in NETWORKS.values() for layer in layers)) == set(LAYERS) - {"TimeBlocks"}


def test_an_onnx_graph_computes_what_python_computes() -> None:
    needs_onnx()
    # A transform of another length than a power of two, and a cutoff so low that all blocks are remembered.
    odd = replace(ENERGIES, fft_size=441, high_pass=1)
    zoo = models() | {"odd": model_of(odd, NETWORKS["dense"][1])}
    for name, model in zoo.items():
        for int8 in (False, True):
            with case(name, int8):
                parts = exported(model, int8)
                found = exports.onnx_rows(onnx_graph.write(parts), windows(model))
                np.testing.assert_allclose(found, expected(parts, windows(model)), atol=CLOSE)


def test_a_c_header_computes_what_python_computes(tmp_path: Path) -> None:
    for name, model in models().items():
        with case(name):
            parts = exported(model, int8=True)
            program = exports.c_program(tmp_path, c_header.write(parts))
            found = exports.c_rows(program, windows(model), len(LABELS))
            np.testing.assert_allclose(found, expected(parts, windows(model)), atol=CLOSE)


def test_a_c_header_is_valid_c_plus_plus(tmp_path: Path) -> None:
    header = c_header.write(exported(models()["spectral"], int8=True))
    exports.c_program(tmp_path, header, "g++", "-std=c++11")


def test_javascript_computes_what_python_computes(request: pytest.FixtureRequest) -> None:
    run = javascript_of(request)
    for name, int8 in [*((name, True) for name in models()), ("spectral", False)]:
        with case(name, int8):
            parts = exported(models()[name], int8)
            result = exports.javascript(run, json_file.write(parts), windows(parts.model))
            np.testing.assert_allclose(result["rows"], expected(parts, windows(parts.model)), atol=CLOSE)
            assert result["check"] < CLOSE


def test_the_shipped_model_gives_the_same_probabilities_everywhere(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    model = model_file.load(shipped.find(shipped.DEFAULT))
    # The high-pass, whether the model has one or not.
    model = replace(model, features=replace(model.features, high_pass=60))
    parts, sound = exported(model, int8=True), windows(model)
    truth = expected(parts, sound)
    # Not a whole number of steps.
    sentence = np.concatenate(recordings())[:-777]
    steps, ends = expected_steps(parts, sentence)
    # In C, a stream has no end; elsewhere it ends with silence.
    full = sum(end <= len(sentence) for end in ends)
    assert full > 20
    with case("onnx"):
        needs_onnx()
        np.testing.assert_allclose(exports.onnx_rows(onnx_graph.write(parts), sound), truth, atol=CLOSE)
    with case("javascript"):
        content, run = json_file.write(parts), javascript_of(request)
        np.testing.assert_allclose(exports.javascript(run, content, sound)["rows"], truth, atol=CLOSE)
        rows = np.array(exports.javascript(run, content, sentence, stream=True)["rows"])
        np.testing.assert_allclose(rows[:, :-1], steps, atol=CLOSE)
        assert rows[:, -1].tolist() == ends
    with case("c"):
        program = exports.c_program(tmp_path, c_header.write(parts))
        np.testing.assert_allclose(exports.c_rows(program, sound, len(model.labels)), truth, atol=CLOSE)
        rows = exports.c_rows(program, sentence, len(model.labels), stream=True)
        words = [place for place, label in enumerate(model.labels) if not label.startswith("_")]
        # Where there is no word, Python does not score the newest part.
        rows[:, len(model.labels) :] = np.where(
            rows[:, words].sum(axis=1, keepdims=True) < 0.2, rows[:, : len(model.labels)], rows[:, len(model.labels) :]
        )
        np.testing.assert_allclose(rows, steps[:full], atol=CLOSE)


def test_javascript_changes_the_rate_of_a_stream_without_adding_to_it(request: pytest.FixtureRequest) -> None:
    run, rng = javascript_of(request), np.random.default_rng(0)
    for rate, wanted in ((44_100, 16_000), (48_000, 16_000), (22_050, 16_000), (8_000, 16_000)):
        # Noise up to nine tenths of the highest frequency that both rates can hold, and silence around it.
        length = rate // 5
        spectrum = np.fft.rfft(rng.normal(0, 0.1, length))
        spectrum[int(0.45 * min(rate, wanted) / 5) :] = 0
        sound = np.pad(np.fft.irfft(spectrum, length), 1_001).astype(np.float32)
        tone = np.sin(2 * np.pi * 0.55 * wanted * np.arange(length) / rate).astype(np.float32)
        found, again, passed = (
            np.array(
                run(
                    "resample",
                    library=exports.library(),
                    samples=exports.in_base64(signal),
                    rates=(rate, wanted),
                    length=size,
                )
            )
            for signal, size in ((sound, 128), (sound, 4_097), (tone, length))
        )
        with case(rate):
            np.testing.assert_array_equal(found, again)
            truth = Resampler(rate, wanted).push(sound, last=True)
            # The length may be rounded in either way.
            assert abs(len(found) - len(truth)) <= 1
            shared = min(len(found), len(truth))
            np.testing.assert_allclose(found[:shared], truth[:shared], atol=1e-3)
            if rate > wanted:
                assert np.abs(passed[100:-100]).max() < 1e-4


def test_the_library_runs_in_a_browser(request: pytest.FixtureRequest) -> None:
    run = exports.in_browser(request.getfixturevalue("browser"))
    parts = exported(models()["spectral"])
    result = exports.javascript(run, json_file.write(parts), windows(parts.model))
    np.testing.assert_allclose(result["rows"], expected(parts, windows(parts.model)), atol=CLOSE)


def test_eight_bits_change_little() -> None:
    model = model_file.load(shipped.find(shipped.DEFAULT))
    whole, rounded = (expected(exported(model, int8), windows(model)) for int8 in (False, True))
    np.testing.assert_allclose(rounded, whole, atol=0.05)
    assert len(json_file.write(exported(model, int8=True))) < 0.5 * len(json_file.write(exported(model)))


def test_labels_of_any_characters_reach_their_programs(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    hostile = ('quote"', "*/ int evil; /*", "line\nbreak \\", "??/ ??' %s </script>", "später 走", "\\", "/*", "'")
    labels = (*hostile, "9", "_unknown_")
    model = model_of(MFCC, [Flatten(), Dense(len(labels))], labels)
    clean = [label.replace("\n", "\\n") for label in labels]
    name = "*/ \\\n??/ \"' <b> #error"
    parts = Exported.of(model, name, name, int8=True)
    content = json_file.write(parts)
    # So that it may stand inside of a page.
    assert b"<" not in content
    assert exports.javascript(javascript_of(request), content, windows(model))["labels"] == clean
    graph = needs_onnx().load_from_string(onnx_graph.write(parts))
    facts = {entry.key: entry.value for entry in graph.metadata_props}
    assert json.loads(facts["labels"]) == clean
    program = exports.c_program(tmp_path, c_header.write(parts))
    shown = exports.subprocess.run([program], input=b"", capture_output=True, check=True).stderr.decode()
    assert shown.splitlines() == clean


def test_the_metadata_of_a_graph_say_how_to_use_it() -> None:
    model = models()["spectral"]
    parts = exported(model)
    graph = needs_onnx().load_from_string(onnx_graph.write(parts))
    facts = {entry.key: entry.value for entry in graph.metadata_props}
    assert (facts["sample_rate"], facts["window_samples"], facts["high_pass"]) == ("16000", "8000", "60")
    assert facts["licence"] == "CC0"
    assert facts["weights"] == "float32"
    assert json.loads(facts["decision"])["threshold"] == model.decision.threshold


def test_what_a_format_cannot_hold_is_refused() -> None:
    needs_onnx()
    blocks = TimeBlocks(frames=24, block=4, span=6, step=4)
    power = replace(MFCC, fft_size=500)
    for features, layers, writer, message in (
        (MFCC, [blocks, StatisticsPooling(), Dense(3)], onnx_graph.write, "TimeBlocks at this place"),
        (MFCC, [Tanh(), Spectrum(), Stack(), StatisticsPooling(), Dense(3)], json_file.write, "Spectrum at this place"),
        (power, [Flatten(), Dense(3)], c_header.write, "fft_size = 500.*power of two"),
        (power, [Flatten(), Dense(3)], json_file.write, "fft_size = 500.*power of two"),
    ):
        with case(message), pytest.raises(ExportError, match=message):
            writer(exported(model_of(features, layers)))
    network = model_of(MFCC, [Flatten(), Dense(3)])
    network.network.parameters.vector[:] = np.inf
    with pytest.raises(ExportError, match="beyond all bounds"):
        exported(network)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ExportError, match=r'pip install "sayso\[onnx\]"'):
        onnx_graph.write(exported(models()["dense"]))


def test_the_command_writes_what_the_suffix_says(sayso: Callable[..., Result], tmp_path: Path) -> None:
    needs_onnx()
    for file, beginning in (
        ("a.H", b"/* "),
        ("a.json", b'{"format":1'),
        ("a.onnx", b"\x08\x07\x12\x05sayso"),
        ("a.html", b"<!doctype html>"),
    ):
        with case(file):
            result = sayso("export", "commands-tiny", "-o", tmp_path / file, "--licence", "mine")
            assert result.status == 0, result.err
            assert f"saved {tmp_path / file} (" in result.err
            content = (tmp_path / file).read_bytes()
            assert content.startswith(beginning)
            assert b"mine" in content
    assert (tmp_path / "sayso.mjs").read_bytes() == json_file.library()
    assert len(list(tmp_path.iterdir())) == 5
    assert sayso("export", "commands-tiny", "-o", tmp_path / "b.h").status == 0
    assert "* Licence: MIT; the model card" in (tmp_path / "b.h").read_text()


def test_the_command_refuses_in_one_line_and_writes_nothing(sayso: Callable[..., Result], tmp_path: Path) -> None:
    needs_onnx()
    (tmp_path / "sayso.mjs").write_text("// my own work\n")
    (tmp_path / "folder.onnx").mkdir()
    (tmp_path / "no.safetensors").write_text("no model")
    before = sorted(tmp_path.rglob("*"))
    for model, file, message in (
        ("commands-tiny", "model.tflite", "ends in .onnx, .h, .json or .html"),
        ("commands-tiny", "model", "ends in .onnx, .h, .json or .html"),
        ("commands-tiny", "model.json", "is not the library of sayso"),
        ("commands-tiny", "folder.onnx", "it is a folder"),
        ("commnds", "a.onnx", "did you mean commands"),
        (tmp_path / "no.safetensors", "a.onnx", "not a model file"),
    ):
        with case(model, file):
            assert message in one_line_error(sayso("export", model, "-o", tmp_path / file))
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "sayso.mjs").read_text() == "// my own work\n"
