"""One clip, forward and backward: features, activations, probabilities, error, gradients, one step of descent.

Every number comes from the forward and backward passes of the layers themselves. The network is in inference mode, as
in use, and computes in double precision, so that small losses and gradients keep their digits.
"""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sayso.config import UNKNOWN
from sayso.errors import AudioError, ModelError, SettingsError
from sayso.explanation.by_hand import HiddenChain, Weight, hidden_chain, last_weight
from sayso.features.mfcc import MfccExtractor
from sayso.model.model_file import Model
from sayso.model.plain import LARGEST
from sayso.nn import SGD, Network, one_hot, softmax, softmax_cross_entropy
from sayso.nn.tracing import Passage, Trace, trace
from sayso.recognition.recognizer import LONGEST_CLIP
from sayso.sound import audio
from sayso.sound.high_pass import high_passed_clip
from sayso.sound.speech import fit_window
from sayso.system.suggestions import did_you_mean

FloatArray = NDArray[np.floating[Any]]

# Where the target label comes from: `--label`, the folder of the clip, or the prediction of the network.
TargetSource = Literal["label", "folder", "prediction"]

# The learning rate is first chosen such that, to first order, one step would remove this fraction of the loss.
FRACTION = 0.5
# How often it is halved at most until the loss falls, and at how many learning rates the loss is computed.
HALVINGS, POINTS = 40, 21


@dataclass(frozen=True, eq=False)
class Descent:
    """The effect of one step of gradient descent on this one clip.

    Attributes
    ----------
    learning_rate : float
        The learning rate; 0 if the loss could not be lowered.
    gradient_norm, weight_norm : float
        Euclidean norms of the gradient and of the weights.
    loss, linear_loss, new_loss : float
        Cross-entropy in nats before the step, after it in the linear approximation (loss - rate |gradient|²), and
        after it.
    probabilities : ndarray, shape (labels,)
        Probabilities of the labels after the step.
    rates, losses : ndarray, shape (POINTS,)
        Learning rates from 0 to twice that of the step, and the loss after a step with each of them.
    """

    learning_rate: float
    gradient_norm: float
    weight_norm: float
    loss: float
    linear_loss: float
    new_loss: float
    probabilities: FloatArray
    rates: FloatArray
    losses: FloatArray


@dataclass(frozen=True, eq=False)
class ClipExplanation:
    """All intermediate results for one clip.

    Attributes
    ----------
    labels : tuple of str
        The labels of the outputs.
    target, target_source : int, str
        Index of the label that is taken as true, and where it comes from.
    samples : ndarray of float32, shape (n,)
        The window that is the input.
    sample_rate : int
        Samples per second.
    start, length : float
        Start of the window in the file, and duration of the file, in seconds.
    log_mel : ndarray, shape (frames, mel_bands)
        Log-mel energies in decibels.
    features : ndarray, shape (frames, width)
        Input of the network: standardised MFCC (or log-mel energies).
    cepstral : bool
        Whether the features are MFCC.
    trace : Trace
        The forward and the backward pass.
    grad_features, grad_log_mel : ndarray, of the shapes of features and log_mel
        Gradient of the loss with respect to each.
    descent : Descent
        The effect of one step of gradient descent.
    weight : Weight or None
        The weight of the last layer with the largest gradient, if that layer is dense.
    hidden : HiddenChain or None
        The chain rule down to the weight of the last hidden layer with the largest gradient, if it can be followed.
    """

    labels: tuple[str, ...]
    target: int
    target_source: TargetSource
    samples: NDArray[np.float32]
    sample_rate: int
    start: float
    length: float
    log_mel: FloatArray
    features: FloatArray
    cepstral: bool
    trace: Trace
    grad_features: FloatArray
    grad_log_mel: FloatArray
    descent: Descent
    weight: Weight | None
    hidden: HiddenChain | None


def explain_clip(model: Model, path: Path, label: str | None = None, source: TargetSource = "label") -> ClipExplanation:
    """Run the forward and the backward pass of a network on one clip.

    Parameters
    ----------
    model : Model
        The model; it is not changed.
    path : Path
        The clip.
    label : str, optional
        The true label. By default the name of its folder if that is one of the labels, or else the label that the
        network predicts.
    source : {"label", "folder"}
        Where a given label comes from.

    Raises
    ------
    AudioError
        If the clip cannot be read or is too long.
    ModelError
        If its weights are so large that the numbers overflow, or it has phrases.
    SettingsError
        If the model does not have the label.
    """
    if model.phrases:
        raise ModelError(
            f"one window of the network is explained, and {', '.join(model.phrases.labels)} takes two; explain the "
            "model that was taught"
        )
    if label is not None and label not in model.labels:
        hint = f" ({UNKNOWN} is any other word)" if UNKNOWN in model.labels else ""
        raise SettingsError(
            f"the model has no label {label!r}; expected one of {', '.join(model.labels)}{hint}"
            f"{did_you_mean(label, model.labels)}"
        )
    settings = model.features
    seconds = audio.info(path, only_files=True).seconds
    if seconds > LONGEST_CLIP:
        raise AudioError(
            f"{path} lasts {seconds:.1f} s; expected a single word of at most {LONGEST_CLIP:g} s; cut the word out"
        )
    samples = audio.load(path, settings.sample_rate, only_files=True)
    samples = high_passed_clip(samples, settings.high_pass, settings.sample_rate)
    window, start = fit_window(samples, settings.clip_samples)
    # Weights from elsewhere may be so large that the numbers overflow; that is checked afterwards.
    with np.errstate(all="ignore"):
        explanation = _explained(model, path, (label, source), window, start / settings.sample_rate, seconds)
    _check(explanation)
    return explanation


def _explained(
    model: Model,
    path: Path,
    given: tuple[str | None, TargetSource],
    window: NDArray[np.float32],
    start: float,
    length: float,
) -> ClipExplanation:
    """Compute the explanation of one window of sound; parameters as in `ClipExplanation`."""
    settings = model.features
    extractor = MfccExtractor(settings, model.tables)
    log_mel = extractor.log_mel(window[None])
    features = model.standardizer.apply(extractor.cepstra(log_mel))[0]
    network = _in_double_precision(model.network)
    target, target_source = _target(model.labels, given, path, network.logits(features[None])[0])
    targets = one_hot(np.array([target]), network.classes)[:, 0]
    traced = trace(network, features, targets)
    # The input of the first layer has the shape (width, frames).
    grad_features = traced.passages[0].grad_x.T

    def loss_of(changed: Network) -> float:
        return _loss(changed, features, traced.targets)[0]

    # One step further back: features = (log-mel cosineᵀ - mean) / deviation, so dL/dlog-mel = (dL/dfeatures /
    # deviation) cosine.
    grad_log_mel = grad_features / model.standardizer.deviation
    if settings.coefficients:
        grad_log_mel = grad_log_mel @ model.tables.cosine
    return ClipExplanation(
        labels=model.labels,
        target=target,
        target_source=target_source,
        samples=window,
        sample_rate=settings.sample_rate,
        start=start,
        length=length,
        log_mel=log_mel[0],
        features=features,
        cepstral=bool(settings.coefficients),
        trace=traced,
        grad_features=grad_features,
        grad_log_mel=grad_log_mel,
        descent=_descend(network, features, traced),
        weight=last_weight(network, traced, loss_of),
        hidden=hidden_chain(network, traced, loss_of),
    )


def _check(explanation: ClipExplanation) -> None:
    """Refuse numbers that are not finite, or too large to be drawn."""
    descent, traced = explanation.descent, explanation.trace
    arrays = [
        *_values(traced.passages), explanation.log_mel, explanation.features, explanation.grad_log_mel,
        traced.gradient, descent.losses, descent.rates, np.array([descent.gradient_norm, descent.weight_norm]),
    ]  # fmt: skip
    # NaN fails every comparison.
    if not all(float(np.abs(array).max(initial=0)) <= LARGEST for array in arrays):
        raise ModelError(
            "the weights of the model are so large that its numbers overflow on this clip; use another one"
        )


def _values(passages: Sequence[Passage]) -> Iterator[FloatArray]:
    for passage in passages:
        yield from (passage.y, passage.grad_x)
        for branch in passage.branches.values():
            yield from _values(branch)


def _in_double_precision(network: Network) -> Network:
    precise = Network(network.chain.layers, network.input_shape, np.float64)
    precise.parameters.vector[:] = network.parameters.vector
    return precise


def _target(
    labels: Sequence[str], given: tuple[str | None, TargetSource], path: Path, logits: FloatArray
) -> tuple[int, TargetSource]:
    label, source = given
    folder = path.resolve().parent.name
    if label is not None:
        return labels.index(label), source
    if folder in labels:
        return labels.index(folder), "folder"
    return int(logits.argmax()), "prediction"


def _loss(network: Network, features: FloatArray, targets: FloatArray) -> tuple[float, FloatArray]:
    """Return the loss and the probabilities, by a forward pass."""
    logits = network.logits(features[None]).T
    return softmax_cross_entropy(logits, targets[:, None])[0], softmax(logits)[:, 0]


def _descend(network: Network, features: FloatArray, traced: Trace) -> Descent:
    """Take one step of plain gradient descent on a copy of the network."""
    learned = network.parameters.count("weight", "bias")
    squared_norm = float(traced.gradient[:learned] @ traced.gradient[:learned])

    moved, rule = copy.deepcopy(network), SGD()
    moved.parameters.gradient[:] = traced.gradient

    def after(rate: float) -> tuple[float, FloatArray]:
        moved.parameters.vector[:] = network.parameters.vector
        rule.step(moved.parameters, rule.start(moved.parameters), rate)
        return _loss(moved, features, traced.targets)

    rate = FRACTION * traced.loss / squared_norm if squared_norm else 0.0
    new_loss, probabilities = after(rate)
    for _ in range(HALVINGS):
        if new_loss < traced.loss or not rate:
            break
        rate /= 2
        new_loss, probabilities = after(rate)
    else:
        rate, (new_loss, probabilities) = 0.0, after(0.0)
    rates = np.linspace(0, 2 * rate, POINTS)
    return Descent(
        learning_rate=rate,
        gradient_norm=squared_norm**0.5,
        weight_norm=float(np.linalg.norm(network.parameters.vector[:learned])),
        loss=traced.loss,
        linear_loss=traced.loss - rate * squared_norm,
        new_loss=new_loss,
        probabilities=probabilities,
        rates=rates,
        losses=np.array([after(tried)[0] for tried in rates]),
    )
