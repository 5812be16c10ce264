"""One clip through the network and back: features, activations, probabilities, error, gradients, one step of descent.

Every number comes from the layers' own forward and backward passes. The network is in inference, as when it is used,
and calculates in double precision, so that small losses and gradients keep their digits.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sayso.config import UNKNOWN
from sayso.errors import AudioError, SettingsError
from sayso.features.mfcc import MfccExtractor
from sayso.model.model_file import Model
from sayso.nn import SGD, Dense, Merging, Network, one_hot, softmax, softmax_cross_entropy
from sayso.nn.tracing import Trace, trace
from sayso.recognition.recognizer import LONGEST_CLIP
from sayso.sound import audio
from sayso.sound.high_pass import high_passed_clip
from sayso.sound.speech import fit_window

FloatArray = NDArray[np.floating[Any]]

# How the target was found: asked for, the name of the clip's folder, or the network's own best guess.
Chosen = Literal["asked", "folder", "guess"]

# The step is first made so long that a straight line along the gradient would take this part of the loss away.
SHARE = 0.5
# How often it is halved at most while the loss does not fall, and how many points are measured along the way.
HALVINGS, POINTS = 40, 21
# By how much one weight is moved to measure the slope of the loss.
NUDGE = 1e-4


@dataclass(frozen=True, eq=False)
class Descent:
    """What one step of gradient descent on this one clip changes.

    Attributes
    ----------
    learning_rate : float
        The length of the step in gradients; 0 if the loss could not be lowered.
    gradient_norm, weight_norm : float
        Euclidean norms of the gradient and of what the network has learned.
    loss, predicted, reached : float
        Cross-entropy in nats before the step, after it if the loss were a straight line (loss - rate |gradient|²), and
        as it really is.
    probabilities : ndarray, shape (labels,)
        What the network says after the step.
    rates, losses : ndarray, shape (POINTS,)
        The real loss along the way, up to twice the step.
    """

    learning_rate: float
    gradient_norm: float
    weight_norm: float
    loss: float
    predicted: float
    reached: float
    probabilities: FloatArray
    rates: FloatArray
    losses: FloatArray


@dataclass(frozen=True)
class Weight:
    """One weight of the last layer, with its gradient by the chain rule and by trying it out.

    Attributes
    ----------
    output, input : int
        Which output it leads to, and from which input.
    value : float
        The weight.
    error, signal : float
        Gradient of the loss by the output, and the input's value: the factors of the chain rule.
    gradient : float
        What backpropagation found.
    above, below : float
        The loss with the weight `NUDGE` larger and smaller.
    """

    output: int
    input: int
    value: float
    error: float
    signal: float
    gradient: float
    above: float
    below: float

    @property
    def slope(self) -> float:
        """The slope of the loss, measured."""
        return (self.above - self.below) / (2 * NUDGE)


@dataclass(frozen=True, eq=False)
class ClipExplanation:
    """All that is to be seen of one clip.

    Attributes
    ----------
    labels : tuple of str
        What the outputs stand for.
    target, chosen : int, str
        Index of the label that is taken as right, and how it was found.
    samples : ndarray of float32, shape (n,)
        The window that the network hears.
    sample_rate : int
        Samples a second.
    start, length : float
        Where the window starts in the file, and how long the file is, in seconds.
    log_mel : ndarray, shape (frames, mel_bands)
        Log-mel energies in decibels.
    features : ndarray, shape (frames, width)
        What the network is given: MFCC (or log-mel energies), standardised.
    cepstral : bool
        Whether the features are MFCC.
    trace : Trace
        The way through the network and back.
    grad_features, grad_log_mel : ndarray, of the shapes of features and log_mel
        Derivative of the loss by each.
    descent : Descent
        What one step changes.
    weight : Weight or None
        The weight of the last layer with the largest gradient, if that layer is dense.
    """

    labels: tuple[str, ...]
    target: int
    chosen: Chosen
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


def explain_clip(model: Model, path: Path, label: str | None = None) -> ClipExplanation:
    """Walk a clip through a network and back.

    Parameters
    ----------
    model : Model
        The model; it stays as it is.
    path : Path
        The clip.
    label : str, optional
        What is said in it. By default the name of its folder, if that is one of the labels, or else what the network
        thinks it is.

    Raises
    ------
    AudioError
        If the clip cannot be read or is too long.
    SettingsError
        If the model does not know the label.
    """
    if label is not None and label not in model.labels:
        hint = f" (any other word is {UNKNOWN})" if UNKNOWN in model.labels else ""
        raise SettingsError(f"the model does not know {label!r}; it tells apart {', '.join(model.labels)}{hint}")
    seconds = audio.info(path, only_files=True).seconds
    if seconds > LONGEST_CLIP:
        raise AudioError(
            f"{path} lasts {seconds:.1f} s; a clip that can be explained lasts at most {LONGEST_CLIP:g} s, "
            "as one word does; cut the word out"
        )
    settings = model.features
    samples = high_passed_clip(
        audio.load(path, settings.sample_rate, only_files=True), settings.high_pass, settings.sample_rate
    )
    window, start = fit_window(samples, settings.clip_samples)
    extractor = MfccExtractor(settings, model.tables)
    log_mel = extractor.log_mel(window[None])
    features = model.standardizer.apply(extractor.cepstra(log_mel))[0]
    network = _in_double_precision(model.network)
    target, chosen = _target(model.labels, label, path, network.logits(features[None])[0])
    targets = one_hot(np.array([target]), network.classes)[:, 0]
    way = trace(network, features, targets)
    # The first layer counts (width, frames).
    grad_features = way.passages[0].grad_x.T
    # One step further back: features = (log-mel cosineᵀ - mean) / deviation, so dL/dlog-mel = (dL/dfeatures /
    # deviation) cosine.
    grad_log_mel = grad_features / model.standardizer.deviation
    if settings.coefficients:
        grad_log_mel = grad_log_mel @ model.tables.cosine
    return ClipExplanation(
        labels=model.labels,
        target=target,
        chosen=chosen,
        samples=window,
        sample_rate=settings.sample_rate,
        start=start / settings.sample_rate,
        length=seconds,
        log_mel=log_mel[0],
        features=features,
        cepstral=bool(settings.coefficients),
        trace=way,
        grad_features=grad_features,
        grad_log_mel=grad_log_mel,
        descent=_descend(network, features, way),
        weight=_weight(network, features, way),
    )


def _in_double_precision(network: Network) -> Network:
    precise = Network(network.chain.layers, network.input_shape, np.float64)
    precise.parameters.vector[:] = network.parameters.vector
    return precise


def _target(labels: Sequence[str], label: str | None, path: Path, logits: FloatArray) -> tuple[int, Chosen]:
    folder = path.resolve().parent.name
    if label is not None:
        return labels.index(label), "asked"
    if folder in labels:
        return labels.index(folder), "folder"
    return int(logits.argmax()), "guess"


def _loss(network: Network, features: FloatArray, targets: FloatArray) -> tuple[float, FloatArray]:
    """Go forward only; return the loss and the probabilities."""
    logits = network.logits(features[None]).T
    return softmax_cross_entropy(logits, targets[:, None])[0], softmax(logits)[:, 0]


def _descend(network: Network, features: FloatArray, way: Trace) -> Descent:
    """Make one step of plain gradient descent on a copy of the network."""
    learned = network.parameters.count("weight", "bias")
    steepness = float(way.gradient[:learned] @ way.gradient[:learned])

    moved, rule = copy.deepcopy(network), SGD()
    moved.parameters.gradient[:] = way.gradient

    def after(rate: float) -> tuple[float, FloatArray]:
        moved.parameters.vector[:] = network.parameters.vector
        rule.step(moved.parameters, rule.start(moved.parameters), rate)
        return _loss(moved, features, way.targets)

    rate = SHARE * way.loss / steepness if steepness else 0.0
    reached, probabilities = after(rate)
    for _ in range(HALVINGS):
        if reached < way.loss or not rate:
            break
        rate /= 2
        reached, probabilities = after(rate)
    else:
        rate, (reached, probabilities) = 0.0, after(0.0)
    rates = np.linspace(0, 2 * rate, POINTS)
    return Descent(
        learning_rate=rate,
        gradient_norm=steepness**0.5,
        weight_norm=float(np.linalg.norm(network.parameters.vector[:learned])),
        loss=way.loss,
        predicted=way.loss - rate * steepness,
        reached=reached,
        probabilities=probabilities,
        rates=rates,
        losses=np.array([after(tried)[0] for tried in rates]),
    )


def _weight(network: Network, features: FloatArray, way: Trace) -> Weight | None:
    """Pick the last layer's weight with the largest gradient, and try it out on a copy of the network."""
    last, *behind = way.passages[network.last :]
    if type(last.layer) is not Dense:
        return None
    gradients = last.gradients["weight"]
    candidates = np.abs(gradients[: network.classes])
    for passage in behind:
        if isinstance(passage.layer, Merging):
            # One output of many that count as one label says little.
            candidates[passage.layer.into] = 0
    output, entry = (int(index) for index in np.unravel_index(candidates.argmax(), candidates.shape))
    nudged = copy.deepcopy(network)
    view = nudged.parameters.values[last.name]["weight"]
    value, losses = float(view[output, entry]), []
    for sign in (1, -1):
        view[output, entry] = value + sign * NUDGE
        losses.append(_loss(nudged, features, way.targets)[0])
    return Weight(
        output=output,
        input=entry,
        value=value,
        error=float(last.grad_y[output]),
        signal=float(last.x[entry]),
        gradient=float(gradients[output, entry]),
        above=losses[0],
        below=losses[1],
    )
