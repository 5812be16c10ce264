"""The explanation of a clip: all numbers are those of the network that classifies it, and all formulas are complete."""

import html
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

import sounds
from cases import case
from nn_cases import CASES
from sayso.errors import AudioError, SettingsError
from sayso.explanation.by_hand import NUDGE
from sayso.explanation.clip import ClipExplanation, explain_clip
from sayso.explanation.formulas import FORMULAS, formulas_of
from sayso.model import model_file, shipped
from sayso.model.model_file import Model
from sayso.nn import Dense, Merging, Network, softmax_cross_entropy
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


def test_the_window_is_that_of_the_recogniser(tdnn: Model, tmp_path: Path) -> None:
    # A word near the beginning, and one near the end of a longer recording.
    for name, before, after in (("early", 0, 8_000), ("late", 12_000, 0)):
        with case(name):
            path = tmp_path / f"{name}.wav"
            word = sounds.clip("yes")[3_000:13_000]
            soundfile.write(path, np.concatenate([np.zeros(before), word, np.zeros(after)]), sounds.RATE)
            explained, detection = explain_clip(tdnn, path), Recognizer(tdnn).classify(path)
            assert explained.length == (len(word) + before + after) / sounds.RATE
            assert max(explained.start, 0) == detection.start
            assert explained.start + 1 == pytest.approx(detection.end, abs=0.3)


def test_the_probabilities_are_those_of_the_recogniser(tdnn: Model, clip: Path, explanation: ClipExplanation) -> None:
    expected = Recognizer(tdnn).probabilities(explanation.samples[None])[0]
    np.testing.assert_allclose(explanation.trace.probabilities, expected, atol=1e-5)


def test_the_gradients_of_features_and_energies_agree_with_finite_differences(
    tdnn: Model, explanation: ClipExplanation
) -> None:
    network, rng, step = double_precision(tdnn), np.random.default_rng(0), 1e-5

    def loss(log_mel: np.ndarray) -> float:
        features = tdnn.standardizer.apply(log_mel @ tdnn.tables.cosine.T.astype(np.float64))
        return softmax_cross_entropy(network.logits(features[None]).T, explanation.trace.targets[:, None])[0]

    for _ in range(3):
        direction = rng.normal(size=explanation.log_mel.shape)
        slope = (loss(explanation.log_mel + step * direction) - loss(explanation.log_mel - step * direction)) / 2 / step
        size = np.linalg.norm(explanation.grad_log_mel)
        assert slope == pytest.approx(np.sum(explanation.grad_log_mel * direction), abs=1e-4 * size)
    assert explanation.grad_features.shape == explanation.features.shape


def double_precision(model: Model) -> Network:
    network = Network(model.network.chain.layers, model.network.input_shape, np.float64)
    network.parameters.vector[:] = model.network.parameters.vector
    return network


def test_a_step_lowers_the_loss_and_does_not_change_the_model(tdnn: Model, explanation: ClipExplanation) -> None:
    descent = explanation.descent
    assert descent.loss == pytest.approx(-np.log(explanation.trace.probabilities[explanation.target]))
    assert descent.new_loss < descent.loss
    assert descent.linear_loss == pytest.approx(descent.loss - descent.learning_rate * descent.gradient_norm**2)
    assert descent.new_loss == pytest.approx(-np.log(descent.probabilities[explanation.target]))
    # The step is that of plain gradient descent.
    network = double_precision(tdnn)
    network.parameters.vector -= descent.learning_rate * explanation.trace.gradient
    np.testing.assert_allclose(network.probabilities(explanation.features[None])[0], descent.probabilities, rtol=1e-9)
    # For a short step the linear approximation is good.
    linear = descent.loss - descent.rates[1] * descent.gradient_norm**2
    assert descent.losses[1] - descent.loss == pytest.approx(linear - descent.loss, rel=0.5)
    fresh = model_file.load(shipped.find("commands-tiny"))
    np.testing.assert_array_equal(tdnn.network.parameters.vector, fresh.network.parameters.vector)


def test_the_gradient_of_a_weight_agrees_with_a_finite_difference(explanation: ClipExplanation) -> None:
    weight = explanation.weight
    assert weight is not None
    assert weight.gradient == pytest.approx(weight.error * weight.signal)
    assert (weight.above - weight.below) / (2 * NUDGE) == pytest.approx(weight.gradient, rel=1e-5)


def test_the_weight_belongs_to_a_label_that_is_not_merged(by_word_model: Model, tmp_path: Path) -> None:
    assert isinstance(by_word_model.network.chain.layers[-1], Merging)
    soundfile.write(tmp_path / "clip.wav", sounds.clip("zero"), sounds.RATE)
    weight = explain_clip(by_word_model, tmp_path / "clip.wav", "_unknown_").weight
    assert weight is not None
    assert by_word_model.labels[weight.output] in ("yes", "no", "up", "_silence_")
    assert weight.gradient == pytest.approx(weight.error * weight.signal)
    assert (weight.above - weight.below) / (2 * NUDGE) == pytest.approx(weight.gradient, rel=1e-5)


def test_the_target_is_the_given_label_or_the_folder_or_the_prediction(tiny_model: Model, tmp_path: Path) -> None:
    (tmp_path / "no").mkdir()
    for path in (tmp_path / "clip.wav", tmp_path / "no" / "clip.wav"):
        soundfile.write(path, sounds.clip("yes"), sounds.RATE)
    explanations = [
        explain_clip(tiny_model, tmp_path / path, label)
        for path, label in (("clip.wav", None), ("no/clip.wav", None), ("no/clip.wav", "up"))
    ]
    assert [(tiny_model.labels[one.target], one.target_source) for one in explanations] == [
        ("yes", "prediction"), ("no", "folder"), ("up", "label"),
    ]  # fmt: skip


def test_a_label_that_the_model_does_not_have_is_refused(tiny_model: Model, clip: Path) -> None:
    with pytest.raises(SettingsError, match=r"has no label 'maybe'; expected one of yes, no, up.*_unknown_"):
        explain_clip(tiny_model, clip, "maybe")


def test_a_clip_that_is_too_long_for_a_word_is_refused(tiny_model: Model, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "long.wav", np.zeros(3 * sounds.RATE), sounds.RATE)
    with pytest.raises(
        AudioError, match=r"long.wav lasts 3.0 s; expected a single word of at most 2 s; cut the word out"
    ):
        explain_clip(tiny_model, tmp_path / "long.wav")


def test_a_network_that_is_certain_has_nothing_to_learn(clip: Path) -> None:
    certain = model_file.load(shipped.find("commands-tiny"))
    last = certain.network.parameters.values[certain.network.chain.names[certain.network.last]]
    last["bias"][0] = 1e4
    descent = explain_clip(certain, clip, "yes").descent
    assert descent.loss == descent.new_loss == descent.learning_rate == 0


def test_every_kind_of_layer_has_its_formulas() -> None:
    assert set(FORMULAS) == set(LAYERS.values())


def test_every_parameter_has_the_formula_of_its_gradient() -> None:
    for kind, examples in CASES.items():
        for layer, shape in examples if kind != "Residual" else ():
            with case(layer):
                learned = {name for name, spec in flatten(layer.parameters(shape)) if spec.role != "statistic"}
                assert set(formulas_of(layer).parameters) == learned


def test_the_formula_of_a_layer_without_bias_has_none() -> None:
    assert formulas_of(Dense(3)).forward == "y = W x + b"
    assert formulas_of(Dense(3, bias=False)).forward == "y = W x"


def test_no_symbol_of_a_formula_is_lost() -> None:
    for kind in FORMULAS.values():
        for formula in (kind.forward, kind.backward, *kind.parameters.values()):
            shown = html.unescape(re.sub("<[^>]*>", "", mathml(formula))).replace("\xa0", "")
            assert shown.replace("∂L∂", "dL/d") == re.sub("[ _^]", "", formula), kind.title


def test_a_formula_has_fractions_indices_exponents_functions_and_text() -> None:
    assert "<mfrac><mrow><mo>∂</mo><mi>L</mi></mrow><mrow><mo>∂</mo><mi>x</mi></mrow></mfrac>" in mathml("dL/dx")
    strut = '<mspace depth="0.25em"></mspace>'
    both = f"<mrow><mi>W</mi>{strut}</mrow><mrow><mi>i</mi></mrow><mrow><mi>T</mi></mrow>"
    assert f"<msubsup>{both}</msubsup>" in mathml("W_i^T")
    assert '<mi>log</mi><mspace width="0.17em"></mspace><msub>' in mathml("log p_k")
    words = "<mrow><mtext>&nbsp;over&nbsp;</mtext></mrow><mrow><mtext>the&nbsp;</mtext></mrow>"
    assert words in mathml("x_k over the class")


def test_parentheses_are_tall_only_around_fractions() -> None:
    assert mathml("f(x)").count('<mo stretchy="false">') == 2
    assert "stretchy" not in mathml("(dL/dy)^T")
    assert mathml("(dL/dy (x − m) / s)").count('<mo stretchy="false">') == 2


def test_variables_in_a_sentence_are_marked_and_nothing_is_markup() -> None:
    assert prose("a < b, as A is") == "a &lt; <var>b</var>, as A is"
