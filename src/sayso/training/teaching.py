"""Adding words to a trained model from few recordings: the last layer learns, all others stay as they are.

What the trained layers make of sound tells new words apart well enough for few weights. The last layer goes on from
what it knew, as the shortcut of a residual connection whose other branch, one hidden layer, learns what is to be added.
Both are trained by the same backpropagation as any network, on the new words, varied many times over, beside the
examples that the model remembers of its own training; so it learns what is new without forgetting what it knew.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sayso.config import SILENCE, UNKNOWN, AugmentationSettings, Settings, TrainingSettings, check_labels
from sayso.corpus.clips import Clips, FloatArray, Labels, load_clips, load_negatives, load_noises
from sayso.corpus.corpus import Corpus
from sayso.corpus.skipped import Skipped
from sayso.errors import CorpusError, ModelError
from sayso.evaluation.accuracy import Doubtful, Evaluation, doubtful
from sayso.features.mfcc import MfccExtractor
from sayso.model.model_file import Model
from sayso.model.rehearsal import Rehearsal
from sayso.nn import AdamW, Dense, Dropout, Merging, Network, OneCycle, ReLU, Residual
from sayso.nn.folding import folded
from sayso.nn.parameters import Views
from sayso.nn.trainer import Trainer
from sayso.training.batches import TrainingSet

# Varied examples that are made of each new word.
VARIED = 400
# The hidden layer, and the part of its outputs that is silenced while it learns.
HIDDEN, DROPOUT = 96, 0.5
STEPS, BATCH, RATE = 1_500, 128, 0.003
# Unknown speech is many words, and comes so many times as often as a word. So much of it counts when the model is used:
# a word that is known from few recordings has to be surer than one that is known from many.
UNKNOWN_DRAWS, UNKNOWN_COUNTS = 4.0, 2.0
# Of what is remembered, this part is only measured on.
HELD_OUT = 0.2
FEWEST_CLIPS = 3
# How the recordings are varied: in noise and rooms, as for any word, but half of them anew each time, as there are few.
# Not farther from the middle than in the body's own training: what it makes of words beyond that is not to be trusted.
VARIATION = AugmentationSettings(shift=0.1, noise_probability=0.75, noise_snr=(0.0, 30.0), renewal=2)


@dataclass(frozen=True)
class Taught:
    """A model that has learned more words.

    Attributes
    ----------
    model : Model
        The model.
    before, after : Evaluation
        What the model says to remembered examples of the labels that it had, without and with the new words.
    clips : dict of str to int
        Recordings that each new word was learned from.
    doubtful : tuple of Doubtful
        The recordings that fit their word least, worst first.
    skipped : tuple of Skipped
        What could not be used, and why.
    """

    model: Model
    before: Evaluation
    after: Evaluation
    clips: dict[str, int]
    doubtful: tuple[Doubtful, ...]
    skipped: tuple[Skipped, ...]


class _Examples(NamedTuple):
    """Inputs of the last layer, shape (n, width), and the index of each one's label."""

    inputs: FloatArray
    labels: Labels


@np.errstate(over="ignore", invalid="ignore")
def teach(
    base: Model,
    corpus: Corpus,
    noises: Sequence[Path] = (),
    negatives: Sequence[Path] = (),
    threads: int = 1,
    seed: int = 0,
) -> Taught:
    """Add the words of a corpus to a model.

    Parameters
    ----------
    base : Model
        A model that remembers examples of its training.
    corpus : Corpus
        Recordings of the new words; all of them are learned from, whatever their split. A word that the model knows
        already learns from them beside what is remembered of it.
    noises : sequence of Path
        Background noise to vary the recordings with, beside the corpus's own.
    negatives : sequence of Path
        Speech without any of the words.
    threads : int
        How many threads read and vary recordings; the result does not depend on it.
    seed : int
        The same seed gives the same model on the same machine.

    Raises
    ------
    ModelError
        If the model remembers nothing, knows no unknown speech to tell the words from, or has absurdly large weights.
    CorpusError
        If there is nothing to learn, or too little of a word.
    """
    if base.rehearsal is None or UNKNOWN not in base.labels:
        raise ModelError(
            "the model cannot be taught, as it keeps no examples of its training or knows no unknown speech; "
            "take one that comes with sayso, or train one with other words beside"
        )
    words = [word for word in corpus.words if word not in (SILENCE, UNKNOWN)]
    store = load_clips([clip for clip in corpus.clips if clip.word in words], base.features, threads)
    backgrounds, unread = load_noises([*corpus.noises, *noises], base.features)
    clips = _counted(words, store)
    labels = _labels(base.labels, words)
    try:
        check_labels(labels)
    except ValueError as error:
        raise CorpusError(f"{error}; rename the folder in {corpus.root}") from error

    body = _Body(base)
    places = np.array([labels.index(label) for label in base.labels])
    known = _Examples(base.rehearsal.inputs.astype(np.float32), places[base.rehearsal.labels])
    rng = np.random.default_rng(seed)
    held = rng.random(len(known.labels)) < HELD_OUT
    new = body.varied(store, backgrounds, words, seed, threads)
    new = new._replace(labels=np.array([labels.index(word) for word in words])[new.labels])
    parts = [_Examples(known.inputs[~held], known.labels[~held]), new]
    skipped = [*store.skipped, *unread]
    if negatives:
        speech = load_negatives(negatives, base.features, threads)
        skipped += speech.skipped
        parts.append(_Examples(body.plain(speech), np.full(len(speech.rows), labels.index(UNKNOWN))))
    learn = _Examples(np.concatenate([part.inputs for part in parts]), np.concatenate([part.labels for part in parts]))
    before = _first_weights(base, labels, rng)
    last = _learned(deepcopy(before), learn, labels.index(UNKNOWN), rng)
    # One layer of weights cannot learn single recordings by heart: what it contradicts may be mislabelled.
    simple = _learned(_direct(before), learn, labels.index(UNKNOWN), rng)
    if not np.isfinite(last.parameters.vector).all():
        raise ModelError(
            "the model cannot be taught, as its numbers grow beyond all bounds; take one that comes with sayso"
        )

    source = {"corpus": corpus.root.resolve().name, "clips": clips, "seed": seed}
    model = replace(
        base,
        labels=labels,
        network=_joined(base.network, last),
        training={**base.training, "taught": [*base.training.get("taught", []), source]},
        # What was measured was another model.
        scores={},
        rehearsal=Rehearsal.of(
            np.concatenate([known.inputs, new.inputs]), np.concatenate([known.labels, new.labels]), labels
        ),
    )
    inputs, truth = known.inputs[held], known.labels[held]
    return Taught(
        model,
        Evaluation.of(labels, truth, places[before.logits(inputs)[:, places].argmax(axis=1)]),
        Evaluation.of(labels, truth, last.logits(inputs).argmax(axis=1)),
        clips,
        doubtful(store.rows, simple.probabilities(body.plain(store)), labels),
        tuple(skipped),
    )


def _counted(words: Sequence[str], store: Clips) -> dict[str, int]:
    """Count the usable recordings of each word, or refuse a word that has too few."""
    clips = {word: sum(row.word == word for row in store.rows) for word in words}
    for word, count in clips.items():
        if count < FEWEST_CLIPS:
            raise CorpusError(
                f"the word {word!r} has {count} usable recordings; expected at least {FEWEST_CLIPS}, better 10"
            )
    if not clips:
        raise CorpusError("there is no word to teach, only silence and unknown speech; add a folder of a word")
    return clips


def _labels(known: Sequence[str], words: Sequence[str]) -> tuple[str, ...]:
    """Return the labels of the taught model: known words, new ones, and then unknown and silence, as always."""
    special = [label for label in known if label in (UNKNOWN, SILENCE)]
    return (*dict.fromkeys([*(label for label in known if label not in special), *words]), *special)


class _Body:
    """All layers of a model but the last."""

    def __init__(self, model: Model) -> None:
        self._model, self._network = model, folded(model.network)
        self._extractor = MfccExtractor(model.features, model.tables)

    def plain(self, store: Clips) -> FloatArray:
        """Return what the last layer is given for clips as they are."""
        features = self._extractor(store.windows(np.arange(len(store.rows))))
        return self._inputs(self._model.standardizer.apply(features))

    def varied(
        self, store: Clips, noises: Sequence[FloatArray], words: Sequence[str], seed: int, threads: int
    ) -> _Examples:
        """Return what the last layer is given for clips that are varied as in training, evenly over the words."""
        settings = Settings(features=self._model.features, augmentation=VARIATION, training=TrainingSettings(seed=seed))
        data = TrainingSet(store, noises, words, settings, self._extractor)
        inputs, labels = [], []
        for epoch in range(-(-VARIED * len(words) // (data.batches * data.batch_size))):
            for features, truth in data.epoch(epoch, self._model.standardizer, threads):
                inputs.append(self._inputs(features))
                labels.append(truth)
        return _Examples(np.concatenate(inputs), np.concatenate(labels))

    def _inputs(self, features: FloatArray) -> FloatArray:
        return self._network.last_inputs(features).astype(np.float32, copy=False)


def _first_weights(base: Model, labels: Sequence[str], rng: np.random.Generator) -> Network:
    """Return a last layer that says just what the model's does, and nothing for labels that it does not know."""
    chain, place = base.network.chain, base.network.last
    known, learned = chain.layers[place], base.network.parameters.values[chain.names[place]]
    # Words of unknown speech may be classes of their own; they stay so.
    parts = sum(layer.parts for layer in chain.layers[place:] if isinstance(layer, Merging))
    outputs = len(labels) + parts
    places = [*(labels.index(label) for label in base.labels), *range(len(labels), outputs)]
    merging = [Merging(labels.index(UNKNOWN), parts)] if parts else []
    taught = isinstance(known, Residual)
    width = learned["shortcut"]["0.Dense"]["weight"].shape[1] if taught else learned["weight"].shape[1]
    hidden_layers = known.layers[:3] if isinstance(known, Residual) else (Dense(HIDDEN), ReLU(), Dropout(DROPOUT))
    block = Residual((*hidden_layers, Dense(outputs)), (Dense(outputs),))
    last = Network([block, *merging], (width,)).initialise(rng)
    values = last.parameters.values["0.Residual"]
    hidden, added, direct = values["layers"]["0.Dense"], values["layers"]["3.Dense"], values["shortcut"]["0.Dense"]
    pairs = [(direct, learned["shortcut"]["0.Dense"] if taught else learned)]
    for name in ("weight", "bias"):
        added[name][...] = 0
    if taught:
        _copy(learned["layers"]["0.Dense"], hidden)
        pairs.append((added, learned["layers"]["3.Dense"]))
    for ours, theirs in pairs:
        for name in ("weight", "bias"):
            ours[name][...] = 0
            ours[name][places] = theirs[name]
    return last


def _direct(last: Network) -> Network:
    """Return the shortcut of a last layer alone: one layer of weights."""
    learned = last.parameters.values["0.Residual"]["shortcut"]
    alone = Network([Dense(len(learned["0.Dense"]["bias"])), *last.chain.layers[1:]], last.input_shape)
    _copy(learned, alone.parameters.values)
    return alone


def _learned(last: Network, examples: _Examples, unknown: int, rng: np.random.Generator) -> Network:
    """Train a last layer on examples that are drawn evenly from the labels, unknown speech more often."""
    pools = [np.flatnonzero(examples.labels == label) for label in range(last.classes)]
    shares = np.array([float(len(pool) > 0) for pool in pools])
    shares[unknown] *= UNKNOWN_DRAWS
    trainer = Trainer(last, AdamW(weight_decay=0.01), OneCycle(RATE, 0.1), label_smoothing=0.1, average_decay=0.99)
    for step in range(STEPS):
        labels = rng.choice(last.classes, BATCH, p=shares / shares.sum())
        chosen = np.array([pools[label][rng.integers(len(pools[label]))] for label in labels])
        trainer.step(examples.inputs[chosen], labels, step / STEPS, rng)
    last.parameters.vector[:] = trainer.averaged
    last.raise_logit(unknown, -np.log(UNKNOWN_DRAWS / UNKNOWN_COUNTS))
    return last


def _joined(network: Network, last: Network) -> Network:
    """Put a new last layer behind the other layers of a network."""
    joined = Network([*network.chain.layers[: network.last], *last.chain.layers], network.input_shape)
    for name in joined.chain.names[: network.last]:
        _copy(network.parameters.values[name], joined.parameters.values[name])
    _copy(last.parameters.values["0.Residual"], joined.parameters.values[joined.chain.names[network.last]])
    return joined


def _copy(source: Views, target: Views) -> None:
    for name, value in source.items():
        if isinstance(value, Mapping):
            _copy(value, target[name])
        else:
            target[name][...] = value
