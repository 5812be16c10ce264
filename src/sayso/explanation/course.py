"""A small dense network while it learns: how it told the clips apart after each epoch, and what its weights were like.

Its last hidden layer has two units, so what it thinks of a clip is a point in the plane, and what it would answer at
each point is a map.
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
from sayso.features.filterbank import FeatureTables
from sayso.features.mfcc import MfccExtractor
from sayso.features.standardizer import Standardizer
from sayso.nn import SGD, CosineWithWarmup, Dense, Flatten, Network, ReLU, one_hot, softmax_cross_entropy
from sayso.nn.trainer import Trainer
from sayso.system.workers import cores

FloatArray = NDArray[np.floating[Any]]

# Words that sound differently enough for a plane to have room for all of them.
WORDS = ("yes", "no", "up", "down", "left", "right", "stop", "go")
# Epochs after which the network is kept: much happens at first, little at the end.
KEPT = (0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 14, 17, 20, 24, 28, 33, 38, 44, 52, 60)

# Energies in fewer bands and frames than for recognition, so that the weights of a unit make a picture.
FEATURES = FeatureSettings(hop=0.025, mel_bands=24, coefficients=0)
HIDDEN, BATCH, RATE, MOMENTUM = 24, 16, 0.01, 0.9
# The first layer starts near nought: what is seen in its weights later was learned.
FIRST_SCALE = 0.1
# Points of the map along each side, and the margin around the clips.
GRID, MARGIN = 160, 0.06


@dataclass(frozen=True, eq=False)
class Snapshot:
    """The network after some epochs.

    Attributes
    ----------
    epoch : int
        How many.
    points : ndarray, shape (clips, 2)
        Where the network puts each clip.
    low, high : ndarray, shape (2,)
        Corners of a square that holds all clips: the map.
    regions : ndarray of int, shape (GRID, GRID)
        Which word it would answer at each point of the map; the first row is the lowest.
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
    """The course of a training.

    Attributes
    ----------
    words : tuple of str
        What is learned.
    labels : ndarray of int, shape (clips,)
        Which word each clip is.
    learned : ndarray of bool, shape (clips,)
        Whether the network learns from the clip; the others are of voices that it never hears in training.
    losses, accuracies : ndarray, shape (epochs + 1, 2)
        Before the first epoch and after each: mean cross-entropy in nats and part of the clips told rightly, of the
        clips that are learned from and of the others.
    snapshots : list of Snapshot
        The network at some of these moments.
    parameter_count : int
        Count of learned numbers.
    """

    words: tuple[str, ...]
    labels: NDArray[np.integer]
    learned: NDArray[np.bool_]
    losses: FloatArray
    accuracies: FloatArray
    snapshots: list[Snapshot]
    parameter_count: int


def watch_learning(root: Path, words: Sequence[str] = WORDS, kept: Sequence[int] = KEPT, seed: int = 0) -> Course:
    """Train a small network on a corpus and keep what it was like on the way.

    Parameters
    ----------
    root : Path
        The corpus.
    words : sequence of str
        The words that are learned.
    kept : sequence of int
        After which epochs the network is kept; the last of them ends the training.
    seed : int
        The same seed gives the same course on the same machine.

    Raises
    ------
    CorpusError
        If the corpus lacks a word or has a clip that cannot be read.
    """
    from threadpoolctl import threadpool_limits

    windows, labels, learned = _clips(root, words)
    energies = MfccExtractor(FEATURES, FeatureTables.from_settings(FEATURES))(windows)
    examples = Standardizer.fit(energies[learned]).apply(energies)
    layers = [Flatten(), Dense(HIDDEN), ReLU(), Dense(2), Dense(len(words))]
    rng = np.random.default_rng(seed)
    network = Network(layers, examples.shape[1:]).initialise(rng)
    first = network.parameters.values[network.chain.names[1]]["weight"]
    first *= FIRST_SCALE
    trainer = Trainer(network, SGD(MOMENTUM), CosineWithWarmup(RATE, 0.1))
    scores, vectors = [_scores(network, examples, labels, learned)], {0: network.parameters.vector.copy()}
    mine, epochs = np.flatnonzero(learned), max(kept)
    with threadpool_limits(1, "blas"):
        for epoch in range(1, epochs + 1):
            order = rng.permutation(mine)
            for start in range(0, len(order), BATCH):
                batch = order[start : start + BATCH]
                trainer.step(examples[batch], labels[batch], (epoch - 1 + start / len(order)) / epochs, rng)
            scores.append(_scores(network, examples, labels, learned))
            vectors[epoch] = network.parameters.vector.copy()
    losses, accuracies = np.array(scores).transpose(1, 0, 2)
    snapshots = []
    for epoch in kept:
        network.parameters.vector[:] = vectors[epoch]
        points = network.last_inputs(examples)
        low, high = _corners(points)
        weights = first.reshape(HIDDEN, *examples.shape[1:]).copy()
        snapshots.append(Snapshot(epoch, points, low, high, _regions(network, low, high), weights))
    return Course(tuple(words), labels, learned, losses, accuracies, snapshots, network.parameter_count)


def _clips(root: Path, words: Sequence[str]) -> tuple[NDArray[np.float32], NDArray[np.integer], NDArray[np.bool_]]:
    """Read the clips of some words: windows of samples, labels, and whether they are to be learned from."""
    corpus = scan(root)
    rows = [clip for clip in corpus.clips if clip.word in words]
    if missing := [word for word in words if word not in {clip.word for clip in rows}]:
        raise CorpusError(f"{root} has no clip of {missing[0]!r}; give a corpus that has {', '.join(words)}")
    store = load_clips(rows, FEATURES, cores())
    if store.skipped:
        raise CorpusError(
            f"{store.skipped[0].path} cannot be learned from: {store.skipped[0].reason}; mend or remove it"
        )
    labels = np.array([words.index(clip.word) for clip in store.rows])
    learned = np.array([clip.split == "training" for clip in store.rows])
    return store.windows(np.arange(len(labels))), labels, learned


def _scores(
    network: Network, examples: FloatArray, labels: NDArray[np.integer], learned: NDArray[np.bool_]
) -> tuple[list[float], list[float]]:
    """Measure loss and accuracy of the clips that are learned from, and of the others."""
    losses, accuracies = [], []
    for part in (learned, ~learned):
        logits = network.logits(examples[part])
        losses.append(softmax_cross_entropy(logits.T, one_hot(labels[part], network.classes))[0])
        accuracies.append(float(np.mean(logits.argmax(axis=1) == labels[part])))
    return losses, accuracies


def _corners(points: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the corners of a square that holds all points."""
    low, high = points.min(axis=0), points.max(axis=0)
    half = (0.5 + MARGIN) * (high - low).max()
    middle = (low + high) / 2
    return middle - half, middle + half


def _regions(network: Network, low: FloatArray, high: FloatArray) -> NDArray[np.integer]:
    """Ask the last layer what it would answer at each point of the map."""
    steps = (np.arange(GRID) + 0.5) / GRID
    across, upward = np.meshgrid(*(low[:, None] + steps * (high - low)[:, None]))
    name, layer = network.chain.names[-1], network.chain.layers[-1]
    grid = np.stack([across.ravel(), upward.ravel()]).astype(network.parameters.vector.dtype)
    logits, _ = layer.forward(network.parameters.values[name], grid, None)
    regions: NDArray[np.integer] = logits.argmax(axis=0).reshape(GRID, GRID)
    return regions
