"""Adding words to a trained model from few recordings: the last layer is trained, all others stay as they are.

The outputs of the trained layers distinguish new words well enough for a small classifier. The last layer becomes the
shortcut of a residual connection whose other branch, one hidden layer, learns what has to be added. Both are trained by
backpropagation on many augmented versions of the new recordings and on the examples that the model has kept from its
own training (rehearsal), so that it learns the new words without forgetting the others.
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
from sayso.corpus.digests import digests, repeated
from sayso.corpus.skipped import Skipped, reasons_kept
from sayso.errors import CorpusError, ModelError
from sayso.evaluation.accuracy import Doubtful, Evaluation, doubtful
from sayso.features.mfcc import MfccExtractor
from sayso.model.model_file import Model
from sayso.model.parts import with_parts_among
from sayso.model.rehearsal import Rehearsal
from sayso.nn import AdamW, Dense, Dropout, Merging, Network, OneCycle, ReLU, Residual
from sayso.nn.folding import folded
from sayso.nn.parameters import Views
from sayso.nn.trainer import Trainer
from sayso.training.batches import TrainingSet
from sayso.training.holding_out import FEWEST_CLIPS, advice, held_out_of, record_of, word_in

# Number of augmented examples of each new word.
AUGMENTED = 400
# Units of the hidden layer, and its dropout rate.
HIDDEN, DROPOUT = 96, 0.5
STEPS, BATCH, RATE = 1_500, 128, 0.003
# Unknown speech stands for many words, so it is drawn this many times as often as a word. In use its prior is that many
# times that of a word: a word learned from few recordings needs stronger evidence than one learned from many.
UNKNOWN_DRAWS, UNKNOWN_PRIOR = 4.0, 2.0
# Fraction of the rehearsal examples that are held out to measure recall before and after.
HELD_OUT = 0.2
# Noise and reverberation are those of an ordinary training, but half of the clips are renewed each epoch, as there are
# few. Words are not shifted further than when the other layers were trained, since their outputs are unreliable there.
AUGMENTATION = AugmentationSettings(shift=0.1, noise_probability=0.75, noise_snr=(0.0, 30.0), renewal=2)


@dataclass(frozen=True)
class Taught:
    """A model that has learned more words.

    Attributes
    ----------
    model : Model
        The model.
    before, after : Evaluation
        Predictions for held-out rehearsal examples of the known labels, before and after the new words were added.
    tested_before, tested : Evaluation
        Predictions for recordings of the corpus by the base and by a model taught without them; no clips if there are
        too few recordings.
    clips : dict of str to int
        Number of recordings that each word was learned from.
    doubtful : tuple of Doubtful
        The recordings that fit their word least, worst first.
    skipped : tuple of Skipped
        Files that could not be used, and why.
    warnings : tuple of str
        What may spoil the result.
    """

    model: Model
    before: Evaluation
    after: Evaluation
    tested_before: Evaluation
    tested: Evaluation
    clips: dict[str, int]
    doubtful: tuple[Doubtful, ...]
    skipped: tuple[Skipped, ...]
    warnings: tuple[str, ...]


class _Examples(NamedTuple):
    """Inputs of the last layer, shape (n, width), and the index of the label of each."""

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
        A model with rehearsal examples.
    corpus : Corpus
        Recordings of the new words; the model learns from all of them. To measure it, another one is taught without
        those for testing, unless this leaves a word too few. Recordings of a word that the model already knows are used
        together with its rehearsal examples.
    noises : sequence of Path
        Background noise for augmentation, in addition to that of the corpus.
    negatives : sequence of Path
        Speech without any of the words.
    threads : int
        How many threads read and augment recordings; the result does not depend on it.
    seed : int
        The same seed gives the same model on the same machine.

    Raises
    ------
    ModelError
        If the model has no rehearsal examples or no label for unknown speech, or if its weights are absurdly large.
    CorpusError
        If there is no word, or a word has too few recordings.
    """
    # A word that the network knows within unknown speech would else compete with itself there.
    labelled, base = base.labels, with_parts_among(base, corpus.words)
    if base.rehearsal is None or UNKNOWN not in base.labels:
        raise ModelError(
            "the model cannot be taught: it has no examples of its training, or no label for unknown speech; "
            "use one that comes with sayso, or train one with --words so that other words become unknown speech"
        )
    rows = [replace(clip, word=word_in(clip.word, base.labels)) for clip in corpus.clips]
    words = sorted({row.word for row in rows} - {SILENCE, UNKNOWN})
    skipped = list(corpus.skipped)
    with reasons_kept(skipped, corpus.warnings):
        recordings = load_clips([row for row in rows if row.word in words], base.features, threads)
        backgrounds, unread = load_noises([*corpus.noises, *noises], base.features)
        skipped += [*recordings.skipped, *unread]
        rest, tests = held_out_of(recordings)
        counts = _counts(words, recordings)
        labels = _labels(base.labels, words)
        try:
            check_labels(labels)
        except ValueError as error:
            raise CorpusError(f"{error}; rename the folder in {corpus.root}") from error

    body = _Body(base)
    places = np.array([labels.index(label) for label in base.labels])
    known = _Examples(base.rehearsal.inputs.astype(np.float32), places[base.rehearsal.labels])
    rng = np.random.default_rng(seed)
    held_out = rng.random(len(known.labels)) < HELD_OUT
    others = [_Examples(known.inputs[~held_out], known.labels[~held_out])]
    if negatives:
        speech = load_negatives(negatives, base.features, threads)
        skipped += speech.skipped
        others.append(_Examples(body.plain(speech), np.full(len(speech.rows), labels.index(UNKNOWN))))

    def augmented(clips: Clips) -> _Examples:
        new = body.augmented(clips, backgrounds, words, seed, threads)
        return new._replace(labels=np.array([labels.index(word) for word in words])[new.labels])

    new = augmented(recordings)
    examples = _joined([others[0], new, *others[1:]])
    before = _initial_layer(base, labels, rng)
    last = _train(deepcopy(before), examples, labels.index(UNKNOWN), rng)
    # A linear classifier cannot memorise single recordings, so those that it contradicts may be mislabelled.
    linear = _train(_linear_part(before), examples, labels.index(UNKNOWN), rng)
    if not np.isfinite(last.parameters.vector).all():
        raise ModelError(
            "the model cannot be taught: its weights are too large for finite results; use one that comes with sayso"
        )

    inputs, truth = known.inputs[held_out], known.labels[held_out]
    after = Evaluation.of(labels, truth, last.logits(inputs).argmax(axis=1))
    answers = np.array([labels.index(row.word) for row in tests.rows], int)
    given, measured = inputs[:0], last
    if len(answers):
        given = body.plain(tests)
        measured = _train(deepcopy(before), _joined([*others, augmented(rest)]), labels.index(UNKNOWN), rng)
    tested = Evaluation.of(labels, answers, measured.logits(given).argmax(axis=1))
    values = digests(recordings.samples)
    name = corpus.root.resolve().name
    source = {"corpus": name, "clips": counts, "held_out": len(answers), "seed": seed}
    model = replace(
        base,
        labels=labels,
        network=_with_last_layer(base.network, last),
        training=record_of(base.training, source),
        # The scores of the base do not hold for the new model.
        scores={
            f"{kind} ({what})": score.to_dict()
            for kind, what, score in (
                ("held-out recordings", name, tested),
                ("examples of the known labels", "rehearsal", after),
            )
            if score.clips
        },
        digests=np.union1d(base.digests, values),
        rehearsal=Rehearsal.of(
            np.concatenate([known.inputs, new.inputs]), np.concatenate([known.labels, new.labels]), labels
        ),
    )
    return Taught(
        model,
        Evaluation.of(labels, truth, places[before.logits(inputs)[:, places].argmax(axis=1)]),
        after,
        Evaluation.of(labels, answers, places[before.logits(given)[:, places].argmax(axis=1)]),
        tested,
        counts,
        doubtful(recordings.rows, linear.probabilities(body.plain(recordings)), labels),
        tuple(skipped),
        (
            *corpus.warnings,
            *repeated(recordings.rows, values.tolist()),
            *advice(labelled, corpus, counts, {row.word for row in tests.rows}),
        ),
    )


def _joined(parts: Sequence[_Examples]) -> _Examples:
    return _Examples(np.concatenate([part.inputs for part in parts]), np.concatenate([part.labels for part in parts]))


def _counts(words: Sequence[str], clips: Clips) -> dict[str, int]:
    """Count the usable recordings of each word; refuse a word that has too few."""
    counts = {word: sum(row.word == word for row in clips.rows) for word in words}
    for word, count in counts.items():
        if count < FEWEST_CLIPS:
            raise CorpusError(
                f"the word {word!r} has {count} usable recordings; expected at least {FEWEST_CLIPS}, better 10"
            )
    if not counts:
        raise CorpusError("no word to teach, only silence or unknown speech; add a folder with recordings of a word")
    return counts


def _labels(known: Sequence[str], words: Sequence[str]) -> tuple[str, ...]:
    """Return the labels of the new model: known words, new words, and finally unknown and silence, as always."""
    special = [label for label in known if label in (UNKNOWN, SILENCE)]
    return (*dict.fromkeys([*(label for label in known if label not in special), *words]), *special)


class _Body:
    """All layers of a model but the last."""

    def __init__(self, model: Model) -> None:
        self._model, self._network = model, folded(model.network)
        self._extractor = MfccExtractor(model.features, model.tables)

    def plain(self, clips: Clips) -> FloatArray:
        """Return the inputs of the last layer for clips without augmentation."""
        features = self._extractor(clips.windows(np.arange(len(clips.rows))))
        return self._inputs(self._model.standardizer.apply(features))

    def augmented(
        self, clips: Clips, noises: Sequence[FloatArray], words: Sequence[str], seed: int, threads: int
    ) -> _Examples:
        """Return the inputs of the last layer for augmented clips, evenly distributed over the words."""
        settings = Settings(
            features=self._model.features, augmentation=AUGMENTATION, training=TrainingSettings(seed=seed)
        )
        data = TrainingSet(clips, noises, words, settings, self._extractor)
        inputs, labels = [], []
        for epoch in range(-(-AUGMENTED * len(words) // (data.batches * data.batch_size))):
            for features, truth in data.epoch(epoch, self._model.standardizer, threads):
                inputs.append(self._inputs(features))
                labels.append(truth)
        return _Examples(np.concatenate(inputs), np.concatenate(labels))

    def _inputs(self, features: FloatArray) -> FloatArray:
        return self._network.last_inputs(features).astype(np.float32, copy=False)


def _initial_layer(base: Model, labels: Sequence[str], rng: np.random.Generator) -> Network:
    """Return a last layer with the same logits as that of the model, and logits of 0 for new labels."""
    chain, place = base.network.chain, base.network.last
    known, learned = chain.layers[place], base.network.parameters.values[chain.names[place]]
    # Unknown words that are separate classes stay so.
    parts = sum(layer.parts for layer in chain.layers[place:] if isinstance(layer, Merging))
    outputs = len(labels) + parts
    places = [*(labels.index(label) for label in base.labels), *range(len(labels), outputs)]
    merging = [Merging(labels.index(UNKNOWN), parts)] if parts else []
    already_taught = isinstance(known, Residual)
    width = learned["shortcut"]["0.Dense"]["weight"].shape[1] if already_taught else learned["weight"].shape[1]
    hidden_layers = known.layers[:3] if isinstance(known, Residual) else (Dense(HIDDEN), ReLU(), Dropout(DROPOUT))
    block = Residual((*hidden_layers, Dense(outputs)), (Dense(outputs),))
    last = Network([block, *merging], (width,)).initialise(rng)
    values = last.parameters.values["0.Residual"]
    hidden, added, direct = values["layers"]["0.Dense"], values["layers"]["3.Dense"], values["shortcut"]["0.Dense"]
    pairs = [(direct, learned["shortcut"]["0.Dense"] if already_taught else learned)]
    for name in ("weight", "bias"):
        added[name][...] = 0
    if already_taught:
        _copy(learned["layers"]["0.Dense"], hidden)
        pairs.append((added, learned["layers"]["3.Dense"]))
    for target, source in pairs:
        for name in ("weight", "bias"):
            target[name][...] = 0
            target[name][places] = source[name]
    return last


def _linear_part(last: Network) -> Network:
    """Return a network of only the shortcut of a last layer: a linear classifier."""
    learned = last.parameters.values["0.Residual"]["shortcut"]
    alone = Network([Dense(len(learned["0.Dense"]["bias"])), *last.chain.layers[1:]], last.input_shape)
    _copy(learned, alone.parameters.values)
    return alone


def _train(last: Network, examples: _Examples, unknown: int, rng: np.random.Generator) -> Network:
    """Train a last layer on examples drawn evenly from all labels, but more often from unknown speech."""
    pools = [np.flatnonzero(examples.labels == label) for label in range(last.classes)]
    shares = np.array([float(len(pool) > 0) for pool in pools])
    shares[unknown] *= UNKNOWN_DRAWS
    trainer = Trainer(last, AdamW(weight_decay=0.01), OneCycle(RATE, 0.1), label_smoothing=0.1, average_decay=0.99)
    for step in range(STEPS):
        labels = rng.choice(last.classes, BATCH, p=shares / shares.sum())
        chosen = np.array([pools[label][rng.integers(len(pools[label]))] for label in labels])
        trainer.step(examples.inputs[chosen], labels, step / STEPS, rng)
    last.parameters.vector[:] = trainer.averaged
    last.raise_logit(unknown, -np.log(UNKNOWN_DRAWS / UNKNOWN_PRIOR))
    return last


def _with_last_layer(network: Network, last: Network) -> Network:
    """Replace the last layer of a network."""
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
