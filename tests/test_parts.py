"""Words inside unknown speech: any of them becomes a label without training, also of a model that was taught."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

import sounds
from cases import case
from sayso.config import UNKNOWN, FeatureSettings
from sayso.corpus.corpus import scan
from sayso.errors import ModelError
from sayso.features.filterbank import FeatureTables
from sayso.features.standardizer import Standardizer
from sayso.model import model_file
from sayso.model.model_file import Model
from sayso.model.parts import spelt, with_word
from sayso.model.rehearsal import Rehearsal
from sayso.nn import Dense, Dropout, Flatten, Merging, Network, ReLU, Residual
from sayso.nn.layer import Layer
from sayso.recognition.recognizer import Recognizer
from sayso.training import teaching
from sayso.training.teaching import teach

LABELS = ("yes", "no", UNKNOWN, "_silence_")
PARTS = {"bed": 0.1, "computer": 0.05, "tree": 0.2}
FEATURES = FeatureSettings(clip=0.13, mel_bands=6, coefficients=4)
INPUTS = np.random.default_rng(1).normal(size=(40, FEATURES.frames, FEATURES.width)).astype(np.float32)


def model_of(last: Layer) -> Model:
    """Return an untrained model with three parts, whose last layer with parameters is `last`."""
    layers = (Flatten(), Dense(5), last, Merging(LABELS.index(UNKNOWN), len(PARTS)))
    rng = np.random.default_rng(0)
    network = Network(layers, (FEATURES.frames, FEATURES.width)).initialise(rng)
    network.parameters.vector[:] = rng.normal(size=len(network.parameters.vector))
    inputs = network.last_inputs(INPUTS)
    truth = np.tile(np.arange(len(LABELS)), 10)
    truth[network.logits(INPUTS).argmax(axis=1) == LABELS.index(UNKNOWN)] = LABELS.index(UNKNOWN)
    return Model(
        labels=LABELS,
        features=FEATURES,
        tables=FeatureTables.from_settings(FEATURES),
        standardizer=Standardizer(np.zeros(4, np.float32), np.ones(4, np.float32)),
        network=network,
        rehearsal=Rehearsal(inputs.astype(np.float16), truth.astype(np.uint16)),
        parts=PARTS,
    )


def models() -> dict[str, Model]:
    """Return a model as it is trained, and one as it is taught."""
    outputs = len(LABELS) + len(PARTS)
    return {
        "trained": model_of(Dense(outputs)),
        "taught": model_of(Residual((Dense(3), ReLU(), Dropout(0.5), Dense(outputs)), (Dense(outputs),))),
    }


def separate(model: Model) -> np.ndarray:
    """Return the logits before parts are merged, shape (examples, labels and parts)."""
    chain, last = model.network.chain, model.network.last
    inputs = model.network.last_inputs(INPUTS).T
    return chain.layers[last].forward(model.network.parameters.values[chain.names[last]], inputs, None)[0].T


def test_a_part_becomes_a_label_as_likely_as_a_word() -> None:
    for name, model in models().items():
        with case(name):
            before = separate(model)
            changed = with_word(model, "computer")
            assert changed.labels == ("yes", "no", "computer", UNKNOWN, "_silence_")
            assert changed.parts == {"bed": 0.1, "tree": 0.2}
            assert changed.network.chain.layers[-1] == Merging(3, 2)
            after = separate(changed)
            # The others keep their logits: labels, then bed and tree.
            np.testing.assert_allclose(after[:, [0, 1, 3, 4, 5, 6]], before[:, [0, 1, 2, 3, 4, 6]], atol=1e-5)
            np.testing.assert_allclose(after[:, 2], before[:, 5] - np.log(0.05), atol=1e-4)
            # Nothing of the first model was changed.
            np.testing.assert_array_equal(separate(model), before)


def test_all_parts_can_be_labels_one_after_the_other() -> None:
    for name, model in models().items():
        with case(name):
            before = separate(model)
            for word in ("tree", "bed", "computer"):
                model = with_word(model, word)
            assert model.labels == ("yes", "no", "tree", "bed", "computer", UNKNOWN, "_silence_")
            assert not model.parts
            assert not isinstance(model.network.chain.layers[-1], Merging)
            raised = before - np.log([1, 1, 1, 1, *PARTS.values()])
            np.testing.assert_allclose(model.network.logits(INPUTS), raised[:, [0, 1, 6, 4, 5, 2, 3]], atol=1e-4)


def test_the_examples_of_a_part_become_those_of_its_label() -> None:
    for name, model in models().items():
        with case(name):
            assert model.rehearsal
            taken = np.flatnonzero(separate(model).argmax(axis=1) == 5)
            assert len(taken) >= 2
            # An example of a word that the network takes for the part stays that of the word.
            truth = model.rehearsal.labels.copy()
            truth[taken[0]] = 0
            model = replace(model, rehearsal=model.rehearsal._replace(labels=truth))
            changed = with_word(model, "computer")
            assert model.rehearsal
            assert changed.rehearsal
            expected = np.array(LABELS, object)[truth]
            expected[taken[1:]] = "computer"
            np.testing.assert_array_equal(np.array(changed.labels)[changed.rehearsal.labels], expected)
            np.testing.assert_array_equal(changed.rehearsal.inputs, model.rehearsal.inputs)


def test_labels_and_parts_are_found_in_any_case_and_others_refused() -> None:
    model = model_of(Dense(len(LABELS) + len(PARTS)))
    for word, found in (("yes", "yes"), ("NO", "no"), ("Computer", "computer"), ("bed", "bed")):
        with case(word):
            assert spelt(model, word) == found
    assert with_word(model, "Yes") is model
    for word, message in (
        ("alexa", "does not know the word 'alexa'; it knows yes, no and, within unknown speech, bed, computer, tree; "),
        ("computr", "did you mean computer?"),
        (UNKNOWN, "does not know the word '_unknown_'"),
        ("_silence_", "does not know the word '_silence_'"),
    ):
        with case(word), pytest.raises(ModelError) as caught:
            with_word(model, word)
        assert message in str(caught.value)
        assert str(caught.value).endswith("`sayso teach` adds any other word")
    many = replace(model, parts={f"word{number}": 0.01 for number in range(30)})
    with pytest.raises(ModelError, match="word11 and 18 more that `sayso info` lists"):
        spelt(many, "alexa")


def test_parts_are_kept_in_the_file_and_checked_there(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    for name, model in models().items():
        with case(name):
            model.save(path)
            assert list(model_file.load(path).parts.items()) == list(PARTS.items())
            with_word(model, "computer").save(path)
            assert model_file.load(path).labels == ("yes", "no", "computer", UNKNOWN, "_silence_")
    model = model_of(Dense(len(LABELS) + len(PARTS)))
    for parts, message in (
        ({"bed": 0.1}, "1 parts of unknown speech are named, but 3 are merged"),
        ({**PARTS, "yes": 0.1}, "4 parts of unknown speech are named"),
        ({"bed": 0.1, "tree": 0.1, "yes": 0.1}, "both a label and a part"),
        ({**PARTS, "tree": 0.0}, "not words with a fraction"),
        ({**PARTS, "tree": float("nan")}, "not words with a fraction"),
        ({**PARTS, "tree": "x"}, "not words with a fraction"),
        ({"bed": 0.1, "tree": 0.1, "a\x1b": 0.1}, "not words with a fraction"),
        (["bed"], "not words with a fraction"),
    ):
        with case(parts):
            replace(model, parts=parts).save(path)  # type: ignore[arg-type]
            with pytest.raises(ModelError, match=message):
                model_file.load(path)
    # Files of older versions name none.
    replace(model, parts={}).save(path)
    assert not model_file.load(path).parts


def clip(word: str, seed: int) -> np.ndarray:
    return sounds.clip(word, seed, float(1 + 0.05 * np.sin(seed)))


def recall(model: Model, word: str) -> float:
    recognizer = Recognizer(model)
    return float(np.mean([recognizer.classify(clip(word, seed), sounds.RATE).label == word for seed in range(50, 70)]))


def test_a_trained_part_is_recognised_as_a_label_and_can_be_taught(by_word_model: Model, tmp_path: Path) -> None:
    assert by_word_model.parts == {"zero": 1.0}
    changed = with_word(by_word_model, "zero")
    assert changed.labels == ("yes", "no", "up", "zero", UNKNOWN, "_silence_")
    for word in ("zero", "yes", "no", "up"):
        assert recall(changed, word) >= 0.9, word
    folder = tmp_path / "words" / "zero"
    folder.mkdir(parents=True)
    for number in range(5):
        soundfile.write(folder / f"{number}.wav", clip("zero", number), sounds.RATE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(teaching, "STEPS", 100)
        taught = teach(by_word_model, scan(tmp_path / "words"))
    assert taught.model.labels == changed.labels
    assert not taught.model.parts
    assert recall(taught.model, "zero") >= 0.9
    # No example of the word stands for unknown speech any more.
    assert taught.model.rehearsal
    assert np.bincount(taught.model.rehearsal.labels)[taught.model.labels.index("zero")] > 20
    # It was no label, so nothing advises to leave its folder out.
    assert not any("already" in warning for warning in taught.warnings)
