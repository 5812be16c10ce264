"""A small dense network while it learns: its loss, accuracy, weights and decision regions after each epoch.

Its last hidden layer has two units, so that each clip becomes a point in a plane, and the word predicted at each point
of the plane makes a map.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sayso.config import FeatureSettings
from sayso.corpus.clips import load_clips
from sayso.corpus.corpus import scan
from sayso.errors import CorpusError
from sayso.explanation.surface import Surface, loss_surface
from sayso.features.filterbank import FeatureTables
from sayso.features.mfcc import MfccExtractor
from sayso.features.standardizer import Standardizer
from sayso.nn import SGD, CosineWithWarmup, Dense, Flatten, Network, ReLU, one_hot, softmax_cross_entropy
from sayso.nn.trainer import Trainer
from sayso.system.workers import cores

FloatArray = NDArray[np.floating[Any]]

# Words that sound different enough to be separated in a plane.
WORDS = ("yes", "no", "up", "down", "left", "right", "stop", "go")
# Epochs after which a snapshot is taken: most of the change happens early.
EPOCHS = (0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 14, 17, 20, 24, 28, 33, 38, 44, 52, 60)

# Fewer bands and frames than for recognition, so that the weights of a unit make a readable picture.
FEATURES = FeatureSettings(hop=0.025, mel_bands=24, coefficients=0)
HIDDEN, BATCH, RATE, MOMENTUM = 24, 16, 0.01, 0.9
# The weights of the first layer start near zero, so that what they show later was learned.
FIRST_SCALE = 0.1
# Points of the map along each side, and its margin around the clips as a fraction of their extent.
GRID, MARGIN = 160, 0.06


@dataclass(frozen=True, eq=False)
class Snapshot:
    """The network after some epochs.

    Attributes
    ----------
    epoch : int
        The number of epochs.
    points : ndarray, shape (clips, 2)
        Outputs of the last hidden layer for each clip.
    low, high : ndarray, shape (2,)
        Corners of a square that contains all points: the map.
    regions : ndarray of int, shape (GRID, GRID)
        Index of the word predicted at each point of the map; the first row is the lowest.
    weights : ndarray, shape (units, frames, mel_bands)
        Weights of the first layer.
    """

    epoch: int
    points: FloatArray
    low: FloatArray
    high: FloatArray
    regions: NDArray[np.integer]
    weights: FloatArray


@dataclass(frozen=True, eq=False)
class Course:
    """A training, epoch by epoch.

    Attributes
    ----------
    words : tuple of str
        The words.
    labels : ndarray of int, shape (clips,)
        Index of the word in each clip.
    in_training : ndarray of bool, shape (clips,)
        Whether the clip is used for training; the others are for validation, by speakers who are not in training.
    losses, accuracies : ndarray, shape (epochs + 1, 2)
        Mean cross-entropy in nats and accuracy, before the first epoch and after each, on the clips for training and on
        those for validation.
    snapshots : list of Snapshot
        The network after some of these epochs.
    parameter_count : int
        Number of weights and biases.
    surface : Surface
        The loss on the clips for training in a plane through the weights, with the path of the training.
    """

    words: tuple[str, ...]
    labels: NDArray[np.integer]
    in_training: NDArray[np.bool_]
    losses: FloatArray
    accuracies: FloatArray
    snapshots: list[Snapshot]
    parameter_count: int
    surface: Surface


def watch_learning(root: Path, words: Sequence[str] = WORDS, epochs: Sequence[int] = EPOCHS, seed: int = 0) -> Course:
    """Train a small network on a corpus and record how it changes.

    Parameters
    ----------
    root : Path
        The corpus.
    words : sequence of str
        The words to learn.
    epochs : sequence of int
        Epochs after which a snapshot is taken; the training ends after the last of them.
    seed : int
        The same seed gives the same result on the same machine.

    Raises
    ------
    CorpusError
        If the corpus lacks a word or has a clip that cannot be read.
    """
    from threadpoolctl import threadpool_limits

    windows, labels, in_training = _clips(root, words)
    energies = MfccExtractor(FEATURES, FeatureTables.from_settings(FEATURES))(windows)
    examples = Standardizer.fit(energies[in_training]).apply(energies)
    layers = [Flatten(), Dense(HIDDEN), ReLU(), Dense(2), Dense(len(words))]
    rng = np.random.default_rng(seed)
    network = Network(layers, examples.shape[1:]).initialise(rng)
    first = network.parameters.values[network.chain.names[1]]["weight"]
    first *= FIRST_SCALE
    trainer = Trainer(network, SGD(MOMENTUM), CosineWithWarmup(RATE, 0.1))
    results, vectors = [_evaluate(network, examples, labels, in_training)], {0: network.parameters.vector.copy()}
    positions, last = np.flatnonzero(in_training), max(epochs)
    with threadpool_limits(1, "blas"):
        for epoch in range(1, last + 1):
            order = rng.permutation(positions)
            for start in range(0, len(order), BATCH):
                batch = order[start : start + BATCH]
                trainer.step(examples[batch], labels[batch], (epoch - 1 + start / len(order)) / last, rng)
            results.append(_evaluate(network, examples, labels, in_training))
            vectors[epoch] = network.parameters.vector.copy()

        def loss_of(vector: FloatArray) -> float:
            network.parameters.vector[:] = vector
            return _loss_and_accuracy(network, examples[in_training], labels[in_training])[0]

        surface = loss_surface(np.stack(list(vectors.values())), loss_of)
    losses, accuracies = np.array(results).transpose(1, 0, 2)
    snapshots = []
    for epoch in epochs:
        network.parameters.vector[:] = vectors[epoch]
        points = network.last_inputs(examples)
        low, high = _corners(points)
        weights = first.reshape(HIDDEN, *examples.shape[1:]).copy()
        snapshots.append(Snapshot(epoch, points, low, high, _regions(network, low, high), weights))
    return Course(tuple(words), labels, in_training, losses, accuracies, snapshots, network.parameter_count, surface)


def _clips(root: Path, words: Sequence[str]) -> tuple[NDArray[np.float32], NDArray[np.integer], NDArray[np.bool_]]:
    """Read the clips of some words: windows of samples, labels, and whether they are for training."""
    corpus = scan(root)
    rows = [clip for clip in corpus.clips if clip.word in words]
    if missing := [word for word in words if word not in {clip.word for clip in rows}]:
        raise CorpusError(f"{root} has no clip of {missing[0]!r}; expected a corpus with {', '.join(words)}")
    clips = load_clips(rows, FEATURES, cores())
    if clips.skipped:
        raise CorpusError(f"{clips.skipped[0].path} cannot be used: {clips.skipped[0].reason}; repair or remove it")
    labels = np.array([words.index(clip.word) for clip in clips.rows])
    in_training = np.array([clip.split == "training" for clip in clips.rows])
    return clips.windows(np.arange(len(labels))), labels, in_training


def _evaluate(
    network: Network, examples: FloatArray, labels: NDArray[np.integer], in_training: NDArray[np.bool_]
) -> tuple[list[float], list[float]]:
    """Compute loss and accuracy on the clips for training and on those for validation."""
    results = [_loss_and_accuracy(network, examples[part], labels[part]) for part in (in_training, ~in_training)]
    losses, accuracies = zip(*results, strict=True)
    return list(losses), list(accuracies)


def _loss_and_accuracy(network: Network, examples: FloatArray, labels: NDArray[np.integer]) -> tuple[float, float]:
    logits = network.logits(examples)
    loss, _ = softmax_cross_entropy(logits.T, one_hot(labels, network.classes))
    return loss, float(np.mean(logits.argmax(axis=1) == labels))


def _corners(points: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the corners of a square that contains all points, with a margin."""
    low, high = points.min(axis=0), points.max(axis=0)
    half = (0.5 + MARGIN) * (high - low).max()
    middle = (low + high) / 2
    return middle - half, middle + half


def _regions(network: Network, low: FloatArray, high: FloatArray) -> NDArray[np.integer]:
    """Return the index of the word that the last layer predicts at each point of the map."""
    steps = (np.arange(GRID) + 0.5) / GRID
    across, upward = np.meshgrid(*(low[:, None] + steps * (high - low)[:, None]))
    name, layer = network.chain.names[-1], network.chain.layers[-1]
    grid = np.stack([across.ravel(), upward.ravel()]).astype(network.parameters.vector.dtype)
    logits, _ = layer.forward(network.parameters.values[name], grid, None)
    regions: NDArray[np.integer] = logits.argmax(axis=0).reshape(GRID, GRID)
    return regions
