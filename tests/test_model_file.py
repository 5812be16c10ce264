"""Model files: what is saved is what is loaded, and anything else is refused with a clear message."""

import contextlib
import copy
import dataclasses
import json
import os
import resource
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from cases import case
from model_files import Header, changed, joined, parts, refused, set_to, small_model, with_arrays
from sayso.config import Settings
from sayso.corpus.corpus import scan
from sayso.errors import ModelError, StorageError
from sayso.model import model_file
from sayso.recognition.recognizer import Recognizer
from sayso.training.preparation import prepare


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The content of a valid file."""
    path = tmp_path_factory.mktemp("good") / "model.safetensors"
    small_model().save(path)
    return path.read_bytes()


def test_a_saved_model_is_loaded_bit_for_bit(tmp_path: Path) -> None:
    model, path = small_model(), tmp_path / "deep" / "model.safetensors"
    model.save(path)
    loaded = model_file.load(path)
    for name in ("labels", "features", "decision", "training", "scores"):
        assert getattr(loaded, name) == getattr(model, name), name
    np.testing.assert_array_equal(loaded.network.parameters.vector, model.network.parameters.vector)
    assert loaded.network.to_dict() == model.network.to_dict()
    for part in ("tables", "standardizer"):
        for name, array in dataclasses.asdict(getattr(model, part)).items():
            np.testing.assert_array_equal(getattr(getattr(loaded, part), name), array)


def test_a_loaded_model_gives_exactly_the_same_probabilities(
    tiny_corpus: Path, tiny_settings: Settings, tmp_path: Path
) -> None:
    training = prepare(scan(tiny_corpus), tiny_settings).training
    next(training.epochs())
    training.model().save(tmp_path / "model.safetensors")
    windows = training.validation.windows
    np.testing.assert_array_equal(
        Recognizer(model_file.load(tmp_path / "model.safetensors")).probabilities(windows),
        Recognizer(training.model()).probabilities(windows),
    )


def test_the_same_model_gives_the_same_bytes(tmp_path: Path, good: bytes) -> None:
    small_model().save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == good
    model_file.load(tmp_path / "again").save(tmp_path / "resaved")
    assert (tmp_path / "resaved").read_bytes() == good
    small_model(seed=1).save(tmp_path / "other")
    assert (tmp_path / "other").read_bytes() != good


def test_the_header_holds_the_versions_of_the_software(tmp_path: Path, good: bytes) -> None:
    path = tmp_path / "model"
    path.write_bytes(good)
    header = model_file.load_header(path)
    assert header["format"] == model_file.WITHOUT_PHRASES
    assert header["versions"] == model_file.versions()
    assert header["versions"]["numpy"] == np.__version__


def test_a_model_is_written_completely_or_not_at_all(tmp_path: Path, good: bytes) -> None:
    path = tmp_path / "model"
    path.write_bytes(good)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, before[1]))
    try:
        with pytest.raises(StorageError, match="cannot write"):
            small_model(seed=1).save(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert path.read_bytes() == good
    assert list(tmp_path.iterdir()) == [path]


def test_missing_files_and_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"cannot read model .*missing: No such file or directory"):
        model_file.load(tmp_path / "missing")
    with pytest.raises(ModelError, match="is a folder; expected a model file"):
        model_file.load(tmp_path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_refused(tmp_path: Path, good: bytes) -> None:
    path = tmp_path / "model"
    path.write_bytes(good)
    path.chmod(0)
    with pytest.raises(ModelError, match="Permission denied"):
        model_file.load(path)


def test_every_truncation_is_refused(tmp_path: Path, good: bytes) -> None:
    lengths = {0, 1, 7, 8, 9, len(good) - 1, len(good) - 4, *np.linspace(0, len(good) - 1, 60).astype(int).tolist()}
    for length in sorted(lengths):
        with case(length):
            refused(tmp_path / "model", good[:length], "is not a model file or is truncated|cannot read model")


def test_random_bytes_are_refused(tmp_path: Path) -> None:
    for size in (10, 1_000, 100_000):
        with case(size):
            refused(tmp_path / "model", np.random.default_rng(0).bytes(size), "is not a model file or is truncated")


def test_bytes_after_the_end_are_refused(tmp_path: Path, good: bytes) -> None:
    refused(tmp_path / "model", good + bytes(4), "is not a model file")


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "model"
    with path.open("wb") as file:
        file.truncate(model_file.MAX_BYTES + 1)  # takes no room on the disk
    with pytest.raises(ModelError, match=r"has \d+ bytes, a model has at most \d+"):
        model_file.load(path)


def test_a_safetensors_file_of_another_program_is_refused(tmp_path: Path) -> None:
    for metadata in (None, {"format": "pt"}):
        save_file({"weight": np.zeros(3, np.float32)}, tmp_path / "other", metadata)
        with case(metadata), pytest.raises(ModelError, match="is a safetensors file but not a model of sayso"):
            model_file.load(tmp_path / "other")


def test_headers_that_are_not_a_json_object_are_refused(tmp_path: Path, good: bytes) -> None:
    description, body = parts(good)
    for text, match in (
        ("", "is not a model file"),
        ("{", "is not a model file"),
        ("[]", "has no valid header"),
        ("3", "has no valid header"),
        ("{}", "damaged"),
        ("[" * 100_000, "is not a model file"),
        ('{"a":' * 100_000, "is not a model file"),
        ("1" * 5_000, "is not a model file"),
    ):
        with case(text[:10]):
            description["__metadata__"]["sayso"] = text
            refused(tmp_path / "model", joined(description, body), match)


def test_a_newer_format_asks_for_an_update(tmp_path: Path, good: bytes) -> None:
    newer = changed(good, lambda header: header.update(format=model_file.FORMAT + 1))
    refused(tmp_path / "model", newer, r"has model format 3, this sayso reads up to 2; update sayso")


WRONG: list[tuple[Callable[[Header], Any], str]] = [
    (lambda header: header.update(format="1"), "damaged"),
    (lambda header: header.update(format=None), "damaged"),
    (lambda header: header.pop("format"), "format"),
    (lambda header: header.pop("labels"), "labels"),
    (lambda header: header.pop("training"), "training"),
    (lambda header: header.update(training=3), "damaged"),
    (lambda header: header.update(scores="x"), "damaged"),
    (lambda header: header.update(labels=["yes", "no"]), "3 outputs for 2 labels"),
    (lambda header: header.update(labels=["yes"]), "2 to 1000 different words"),
    (lambda header: header.update(labels=["yes", "no", "yes"]), "2 to 1000 different words"),
    (lambda header: header.update(labels=["yes", "no", "a\nb"]), "not a printable word"),
    (lambda header: header.update(labels=["yes", "no", "\x1b[31m"]), "not a printable word"),
    (lambda header: header.update(labels=["yes", "no", "\u202e"]), "not a printable word"),
    (lambda header: header.update(labels=["yes", "no", "\ud800"]), "not a printable word"),
    (lambda header: header.update(labels=["yes", "no", ""]), "not a printable word"),
    (lambda header: header.update(labels=["yes", "no", "y" * 65]), "not a printable word of 1 to 64"),
    (lambda header: header.update(labels=[str(number) for number in range(1_001)]), "2 to 1000 different words"),
    (lambda header: header.update(labels=["yes", "no", 3]), "not a list of words"),
    (lambda header: header.update(labels="yes"), "not a list of words"),
    (lambda header: header["features"].update(window=0.5), "window is 0.5"),
    (lambda header: header["features"].update(colour=1), "unknown setting features.colour"),
    (lambda header: header["features"].update(sample_rate=10**9), "sample_rate is 1000000000"),
    (lambda header: header["features"].update(clip=float("inf")), "clip is inf"),
    (lambda header: header["features"].update(clip=10**400), "features.clip"),
    (lambda header: header["features"].update(clip=0.2), "the features give"),
    (lambda header: header["features"].update(fft_size=1024), "feature table window"),
    (lambda header: header["features"].update(mel_bands=7), "feature table mel"),
    (lambda header: header["features"].update(coefficients=5), "feature table cosine"),
    (lambda header: header.update(features=[]), "features is"),
    (lambda header: header["decision"].update(threshold=2), "threshold is 2"),
    (lambda header: header["decision"].update(rearms=0.1), "unknown setting decision.rearms"),
    (lambda header: header.update(network=None), "damaged"),
    (lambda header: header["network"].pop("layers"), "lacks its layers"),
    (lambda header: header["network"].update(layers="Dense"), "a layer is described by"),
    (lambda header: header["network"].update(layers=[]), "damaged"),
    (lambda header: header["network"].update(input_shape=[4, 4, 4]), "damaged"),
    (lambda header: header["network"].update(input_shape=[4, 4.0]), "whole numbers above 0"),
    (lambda header: header["network"].update(input_shape=[4, -4]), "whole numbers above 0"),
    (lambda header: header["network"].update(input_shape=[10**30, 10**30]), "numbers|parameters"),
    (lambda header: header["network"]["input_shape"].reverse(), "the network takes .* the features give"),
    (lambda header: header["network"]["layers"][0].update(kind="System"), "unknown layer 'System'"),
    (lambda header: header["network"]["layers"][0].pop("kind"), "unknown layer None"),
    (lambda header: header["network"]["layers"][0].update(depth=3), "does not take depth"),
    (lambda header: header["network"]["layers"][1].update(units=10**9), "parameters; expected at most"),
    (lambda header: header["network"]["layers"][1].update(units=10**30), r"has 10\^\d+ parameters"),
    (lambda header: header["network"]["layers"][1].update(units=99), r"expected \(99, "),
    (lambda header: header["network"]["layers"][1].update(units="3"), "does not take units"),
    (lambda header: header["network"]["layers"][1].update(units=-3), "-3 units"),
    (lambda header: header["network"]["layers"][1].pop("units"), "lacks a setting"),
    (lambda header: header["network"]["layers"][1].update(bias=True), "bias has shape None"),
    (lambda header: header["network"]["layers"].append({"kind": "Dense", "units": 3}), "has shape None"),
    (lambda header: header["network"]["layers"].pop(), "expected None"),
]


def test_headers_that_contradict_the_file_are_refused(tmp_path: Path, good: bytes) -> None:
    for number, (change, match) in enumerate(WRONG):
        with case(f"WRONG[{number}]", match):
            refused(tmp_path / "model", changed(good, change), match)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs to know how much memory is in use")
def test_absurd_sizes_ask_for_no_memory(tmp_path: Path, good: bytes) -> None:
    def change(header: Header) -> None:
        header["network"]["layers"][1]["units"] = 10**9

    (tmp_path / "model").write_bytes(changed(good, change))
    script = (
        "import resource, sys; from pathlib import Path; from sayso.model import model_file; import safetensors\n"
        "room = int(Path('/proc/self/statm').read_text().split()[0]) * resource.getpagesize() + 2**28\n"
        "resource.setrlimit(resource.RLIMIT_AS, (room, room))\n"
        "try: model_file.load(Path(sys.argv[1]))\n"
        "except model_file.ModelError as error: print(error)\n"
    )
    run = subprocess.run([sys.executable, "-c", script, tmp_path / "model"], capture_output=True, text=True)
    assert "parameters; expected at most" in run.stdout, run.stderr


def test_unknown_keys_of_the_header_are_ignored(tmp_path: Path, good: bytes) -> None:
    (tmp_path / "model").write_bytes(changed(good, lambda header: header.update(colour="red")))
    assert model_file.load(tmp_path / "model").labels == small_model().labels


def test_arrays_that_do_not_fit_are_refused(tmp_path: Path, good: bytes) -> None:
    wrong: list[tuple[Callable[[dict[str, np.ndarray]], Any], str]] = [
        (set_to("network.1.Dense.weight", np.nan), r"network\.1\.Dense\.weight is not an array of finite float32"),
        (set_to("tables.mel", np.inf), r"tables\.mel is not an array of finite float32"),
        (set_to("standardizer.mean", -np.inf), r"standardizer\.mean is not an array of finite float32"),
        (set_to("standardizer.deviation", 0), "divides by zero or less"),
        (set_to("standardizer.deviation", -1), "divides by zero or less"),
        (set_to("network.2.BatchNorm.variance", -1), "a variance is negative"),
        (lambda arrays: arrays.pop("network.1.Dense.weight"), r"weight 1\.Dense\.weight has shape None"),
        (lambda arrays: arrays.pop("tables.window"), "window"),
        (lambda arrays: arrays.pop("standardizer.mean"), "mean"),
        (lambda arrays: arrays.update({"network.9": np.zeros(3, np.float32)}), r"weight 9 has shape \(3,\)"),
        (lambda arrays: arrays.update({"tables.x": np.zeros(3, np.float32)}), "unexpected keyword argument 'x'"),
        (
            lambda arrays: arrays.update({"network.1.Dense.weight": arrays["network.1.Dense.weight"].T.copy()}),
            r"has shape \(\d+, 3\), expected \(3, \d+\)",
        ),
        (
            lambda arrays: arrays.update({"network.1.Dense.weight": np.float64(arrays["network.1.Dense.weight"])}),
            "not an array of finite float32",
        ),
        (lambda arrays: arrays.update({"tables.mel": np.int32(arrays["tables.mel"])}), "an array of finite float32"),
        (
            lambda arrays: arrays.update({"standardizer.mean": np.zeros(1, np.float32)}),
            "the standardisation does not fit",
        ),
    ]
    for number, (change, match) in enumerate(wrong):
        with case(f"wrong[{number}]", match), pytest.raises(ModelError, match=match):
            model_file.load(with_arrays(tmp_path, good, change))


def test_arrays_of_other_types_are_refused(tmp_path: Path, good: bytes) -> None:
    description, body = parts(good)
    array = description["standardizer.mean"]
    for kind, bytes_each in (("BF16", 2), ("F16", 2), ("I64", 8), ("BOOL", 1), ("F8_E4M3", 1), ("F8_E5M2", 1)):
        with case(kind):
            array["dtype"], array["shape"] = kind, [16 // bytes_each]
            refused(tmp_path / "model", joined(description, body), "damaged|is not a model file")


@settings(max_examples=300)
@given(data=st.data())
def test_flipped_bytes_load_or_are_refused(
    data: st.DataObject, good: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = bytearray(good)
    # Half of the flips are in the headers, which are the part that is interpreted.
    header_end = 8 + struct.unpack("<Q", good[:8])[0]
    place = st.integers(0, header_end - 1) | st.integers(0, len(good) - 1)
    for position, value in data.draw(st.lists(st.tuples(place, st.integers(0, 255)), min_size=1, max_size=5)):
        content[position] = value
    path = tmp_path_factory.getbasetemp() / "flipped"
    path.write_bytes(content)
    with contextlib.suppress(ModelError):
        model = model_file.load(path)
        assert len(model.labels) == model.network.classes == 3


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=300)
@given(data=st.data())
def test_any_value_anywhere_in_the_header_loads_or_is_refused(
    data: st.DataObject, good: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    def change(header: Header) -> None:
        node: Any = header
        while True:
            key = data.draw(st.sampled_from(list(node) if isinstance(node, dict) else range(len(node))))
            if not isinstance(node[key], dict | list) or not node[key] or data.draw(st.integers(0, 3)) == 0:
                node[key] = data.draw(PLAIN)
                return
            node = node[key]

    path = tmp_path_factory.getbasetemp() / "header"
    path.write_bytes(changed(good, change))
    with contextlib.suppress(ModelError):
        model_file.load(path)


def test_every_wrong_header_differs_from_the_valid_one(good: bytes) -> None:
    header = json.loads(parts(good)[0]["__metadata__"]["sayso"])
    for change, _ in WRONG:
        altered = copy.deepcopy(header)
        change(altered)
        assert altered != header
