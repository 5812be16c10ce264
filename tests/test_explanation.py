"""What is shown of a clip are the true numbers of the network that classifies it."""

import html
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

import sounds
from nn_cases import CASES
from sayso.errors import AudioError, SettingsError
from sayso.explanation.clip import NUDGE, ClipExplanation, explain_clip
from sayso.explanation.formulas import FORMULAS, formulas_of
from sayso.model import model_file, shipped
from sayso.model.model_file import Model
from sayso.nn import Dense, Merging, softmax_cross_entropy
from sayso.nn.parameters import flatten
from sayso.nn.serialization import LAYERS
from sayso.recognition.recognizer import Recognizer
from sayso.report.mathml import mathml, prose


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recordings") / "clip.wav"
    soundfile.write(path, sounds.clip("yes"), sounds.RATE)
    return path


@pytest.fixture(scope="module")
def tdnn() -> Model:
    return model_file.load(shipped.find("commands-tiny"))


@pytest.fixture(scope="module")
def explanation(tdnn: Model, clip: Path) -> ClipExplanation:
    return explain_clip(tdnn, clip, "stop")


def test_it_is_the_network_that_classifies(tdnn: Model, clip: Path, explanation: ClipExplanation) -> None:
    heard = Recognizer(tdnn).probabilities(explanation.samples[None])[0]
    np.testing.assert_allclose(explanation.trace.probabilities, heard, atol=1e-5)


def test_the_gradient_of_the_features_and_of_the_energies_is_true(tdnn: Model, explanation: ClipExplanation) -> None:
    network, rng, step = explanation_network(tdnn), np.random.default_rng(0), 1e-5

    def loss(log_mel: np.ndarray) -> float:
        features = tdnn.standardizer.apply(log_mel @ tdnn.tables.cosine.T.astype(np.float64))
        return softmax_cross_entropy(network.logits(features[None]).T, explanation.trace.targets[:, None])[0]

    for _ in range(3):
        direction = rng.normal(size=explanation.log_mel.shape)
        slope = (loss(explanation.log_mel + step * direction) - loss(explanation.log_mel - step * direction)) / 2 / step
        size = np.linalg.norm(explanation.grad_log_mel)
        assert slope == pytest.approx(np.sum(explanation.grad_log_mel * direction), abs=1e-4 * size)
    assert explanation.grad_features.shape == explanation.features.shape


def explanation_network(model: Model):
    from sayso.nn import Network

    network = Network(model.network.chain.layers, model.network.input_shape, np.float64)
    network.parameters.vector[:] = model.network.parameters.vector
    return network


def test_a_step_lowers_the_loss_and_leaves_the_model_alone(tdnn: Model, explanation: ClipExplanation) -> None:
    descent = explanation.descent
    assert descent.loss == pytest.approx(-np.log(explanation.trace.probabilities[explanation.target]))
    assert descent.new_loss < descent.loss
    assert descent.linear_loss == pytest.approx(descent.loss - descent.learning_rate * descent.gradient_norm**2)
    assert descent.new_loss == pytest.approx(-np.log(descent.probabilities[explanation.target]))
    # The step is the one that plain gradient descent makes.
    network = explanation_network(tdnn)
    network.parameters.vector -= descent.learning_rate * explanation.trace.gradient
    np.testing.assert_allclose(network.probabilities(explanation.features[None])[0], descent.probabilities, rtol=1e-9)
    # A short part of it does nearly what the gradient promises.
    promised = descent.loss - descent.rates[1] * descent.gradient_norm**2
    assert descent.losses[1] - descent.loss == pytest.approx(promised - descent.loss, rel=0.5)
    fresh = model_file.load(shipped.find("commands-tiny"))
    np.testing.assert_array_equal(tdnn.network.parameters.vector, fresh.network.parameters.vector)


def test_one_weight_tried_out_gives_the_slope_that_was_found(explanation: ClipExplanation) -> None:
    weight = explanation.weight
    assert weight is not None
    assert weight.gradient == pytest.approx(weight.error * weight.signal)
    assert (weight.above - weight.below) / (2 * NUDGE) == pytest.approx(weight.gradient, rel=1e-5)


def test_the_weight_leads_to_one_label_where_others_are_merged(by_word_model: Model, tmp_path: Path) -> None:
    assert isinstance(by_word_model.network.chain.layers[-1], Merging)
    soundfile.write(tmp_path / "clip.wav", sounds.clip("zero"), sounds.RATE)
    weight = explain_clip(by_word_model, tmp_path / "clip.wav", "_unknown_").weight
    assert weight is not None
    assert by_word_model.labels[weight.output] in ("yes", "no", "up", "_silence_")
    assert weight.gradient == pytest.approx(weight.error * weight.signal)
    assert (weight.above - weight.below) / (2 * NUDGE) == pytest.approx(weight.gradient, rel=1e-5)


def test_the_right_answer_is_asked_for_or_named_by_the_folder_or_guessed(tiny_model: Model, tmp_path: Path) -> None:
    (tmp_path / "no").mkdir()
    for path in (tmp_path / "clip.wav", tmp_path / "no" / "clip.wav"):
        soundfile.write(path, sounds.clip("yes"), sounds.RATE)
    found = [
        explain_clip(tiny_model, tmp_path / path, label)
        for path, label in (("clip.wav", None), ("no/clip.wav", None), ("no/clip.wav", "up"))
    ]
    assert [(tiny_model.labels[one.target], one.target_source) for one in found] == [
        ("yes", "prediction"), ("no", "folder"), ("up", "label"),
    ]  # fmt: skip


def test_a_word_that_the_model_does_not_know_is_refused(tiny_model: Model, clip: Path) -> None:
    with pytest.raises(SettingsError, match=r"has no label 'maybe'; expected one of yes, no, up.*_unknown_"):
        explain_clip(tiny_model, clip, "maybe")


def test_a_clip_too_long_for_a_word_is_refused(tiny_model: Model, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "long.wav", np.zeros(3 * sounds.RATE), sounds.RATE)
    with pytest.raises(
        AudioError, match=r"long.wav lasts 3.0 s; expected a single word of at most 2 s; cut the word out"
    ):
        explain_clip(tiny_model, tmp_path / "long.wav")


def test_a_network_that_is_quite_sure_has_nothing_to_learn(tiny_model: Model, clip: Path) -> None:
    sure = model_file.load(shipped.find("commands-tiny"))
    last = sure.network.parameters.values[sure.network.chain.names[sure.network.last]]
    last["bias"][0] = 1e4
    found = explain_clip(sure, clip, "yes")
    assert found.descent.loss == found.descent.new_loss == found.descent.learning_rate == 0


def test_every_kind_of_layer_has_its_formulas() -> None:
    assert set(FORMULAS) == set(LAYERS.values())


@pytest.mark.parametrize("kind", CASES)
def test_every_learned_number_has_the_formula_of_its_gradient(kind: str) -> None:
    for layer, shape in CASES[kind]:
        if kind != "Residual":
            learned = {name for name, spec in flatten(layer.parameters(shape)) if spec.role != "statistic"}
            assert set(formulas_of(layer).parameters) == learned


def test_a_bias_that_is_not_there_is_not_spoken_of() -> None:
    assert formulas_of(Dense(3)).forward == "y = W x + b"
    assert formulas_of(Dense(3, bias=False)).forward == "y = W x"


@pytest.mark.parametrize("kind", FORMULAS.values(), ids=lambda kind: kind.title)
def test_no_sign_of_a_formula_is_lost(kind) -> None:
    for formula in (kind.forward, kind.backward, *kind.parameters.values()):
        shown = html.unescape(re.sub("<[^>]*>", "", mathml(formula))).replace("\xa0", "")
        assert shown.replace("∂L∂", "dL/d") == re.sub("[ _^]", "", formula)


def test_a_formula_has_fractions_indices_and_exponents() -> None:
    assert "<mfrac><mrow><mo>∂</mo><mi>L</mi></mrow><mrow><mo>∂</mo><mi>x</mi></mrow></mfrac>" in mathml("dL/dx")
    assert "<msubsup><mi>W</mi><mrow><mi>i</mi></mrow><mrow><mi>T</mi></mrow></msubsup>" in mathml("W_i^T")


def test_variables_in_a_sentence_are_marked_and_nothing_is_markup() -> None:
    assert prose("a < b, as A is") == "a &lt; <var>b</var>, as A is"
