"""What a new last layer learns from: examples of words, and of everything else that the model is to keep apart."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sayso.config import SILENCE, UNKNOWN, AugmentationSettings
from sayso.corpus.clips import Clips, FloatArray, Labels
from sayso.errors import ModelError
from sayso.evaluation.accuracy import Evaluation
from sayso.evaluation.false_alarms import Listened, Tail, listened, tail_of
from sayso.model.model_file import Model
from sayso.model.pack import Pack, Space
from sayso.model.phrases import Phrases, delayed
from sayso.model.rehearsal import Rehearsal
from sayso.nn import Network, one_hot
from sayso.nn.loss import softmax
from sayso.training import last_layer
from sayso.training.body import Body
from sayso.training.last_layer import Examples

# Number of examples of each word: of recordings at slightly different places, and of augmented ones.
PLAIN, AUGMENTED = 160, 400
# How much the examples of one new word count, both kinds alike, those of a word that the model knows, and speech
# without any word that the user gives, where all other sounds together count 1; the pack's part of that, and how many
# times as much unknown speech counts as a word in the rehearsal. In use, a new word is taken to be so many times as
# likely as among the examples.
SHARE, ADAPTED, SPEECH, PACKED, UNKNOWN_SHARE, IN_USE = 0.03, 0.01, 0.2, 0.8, 4.0, 12.0
# Fraction of the rehearsal examples that are held out to measure recall before and after.
HELD_OUT = 0.2
# Words are not shifted further than when the other layers were trained, since their outputs are unreliable there.
SHIFTED = AugmentationSettings(
    shift=0.1, speed=0, gain=0, reverberation_probability=0, noise_probability=0, time_masks=0, frequency_masks=0
)  # fmt: skip
# Speakers, rooms and microphones that the few recordings do not have, as in training. There are few clips, so half of
# them are renewed each epoch.
AUGMENTATION = AugmentationSettings(
    shift=0.1, speed=0.2, gain=6, faint_probability=0.33, faint=40, equalizer_probability=0.4, equalizer=4,
    band_probability=0.12, clipping_probability=0.1, clipping=24, reverberation_probability=0.35,
    reverberation_time=(0.1, 1.0), noise_probability=0.75, noise_snr=(-3, 30), time_masks=1, frequency_masks=1,
    renewal=2,
)  # fmt: skip


class Spoken(NamedTuple):
    """Examples of words.

    Attributes
    ----------
    inputs : ndarray of float32, shape (n, width or 2 x width)
        Inputs of the last layer, see `Body`.
    labels : ndarray of int, shape (n,)
        The label of each.
    augmented : ndarray of bool, shape (n,)
        Whether it is augmented.
    folds : ndarray of int, shape (n,)
        The part that its recording is held out in.
    """

    inputs: FloatArray
    labels: Labels
    augmented: NDArray[np.bool_]
    folds: Labels

    def chosen(self, which: NDArray[np.bool_]) -> "Spoken":
        """Return some of the examples."""
        return Spoken(self.inputs[which], self.labels[which], self.augmented[which], self.folds[which])

    def window(self, start: int, stop: int) -> "Spoken":
        """Return the examples with the inputs for one of two windows."""
        return self._replace(inputs=self.inputs[:, start:stop])


class Teacher:
    """Teaches words to the last layer of a model.

    Parameters
    ----------
    base : Model
        The model, with rehearsal examples.
    labels : sequence of str
        The labels of the new model.
    words : sequence of str
        The words that are taught.
    pack : Pack or None
        What the other layers make of hours of other sounds.
    speech : Clips or None
        Speech without any of the words.
    seed : int
        Source of randomness.
    phrases : sequence of str
        Those of the labels that are phrases. With any, recordings are clips of two windows.

    Attributes
    ----------
    base : Model
        The model.
    body : Body
        Its other layers.
    phrases : tuple of str
        As given.
    """

    def __init__(
        self, base: Model, labels: Sequence[str], words: Sequence[str], pack: Pack | None, speech: Clips | None,
        seed: int, phrases: Sequence[str] = (),
    ) -> None:  # fmt: skip
        assert base.rehearsal is not None
        self.body = Body(base)
        self.base, self._labels, self._words, self._pack, self._seed = base, tuple(labels), tuple(words), pack, seed
        self._last, self.phrases = base.network.head(), tuple(phrases)
        self._before = last_layer.extended(self._last, base.labels, labels)
        self._known, self._truth = base.rehearsal.inputs.astype(np.float32), base.rehearsal.labels.astype(np.int64)
        self._held_out = np.random.default_rng(seed).random(len(self._truth)) < HELD_OUT
        self._speech = None if speech is None else self.body.plain(speech)
        self._width = self._last.input_shape[0]
        if not np.isfinite(self._last.logits(self._known)).all():
            raise ModelError(
                "the model cannot be taught: its weights are too large for finite results; use one that comes with "
                "sayso"
            )

    @cached_property
    def _space(self) -> Space:
        """The coordinates of the pack, or those in which the rehearsal examples of words differ."""
        if self._pack:
            return self._pack.space
        special = [place for place, label in enumerate(self.base.labels) if label in (UNKNOWN, SILENCE)]
        of_words = ~np.isin(self._truth, special)
        return Space.fitted(self._known, self._known[of_words], self._truth[of_words])

    @cached_property
    def _others(self) -> Examples:
        """Everything that is none of the words, of which the model is to think as before."""
        learned = ~self._held_out & ~np.isin(self._truth, self._places(self._words))
        unknown = self.base.labels.index(UNKNOWN)
        if self._pack:
            # The pack has more kinds of unknown speech than the rehearsal, and it is known what is said.
            learned &= self._truth != unknown
        groups = [self._as_before(self._known[learned], self._shares(self._truth[learned]))]
        if self._pack:
            kept = self._pack.without(self._words)[self._pack.learned_in]
            inputs = self._space.inputs(self._pack.coordinates(self._pack.learned[kept]))
            groups.append(self._as_before(inputs, np.full(len(inputs), PACKED / len(inputs))))
        if self._speech is not None:
            truth = np.full(len(self._speech), self._labels.index(UNKNOWN))
            weights = np.full(len(truth), SPEECH / len(truth), np.float32)
            groups.append(Examples(self._speech, one_hot(truth, len(self._labels)), weights))
        return Examples.joined(groups)

    def _as_before(self, inputs: FloatArray, weights: NDArray[np.floating]) -> Examples:
        """Return examples of which the model is to think as the base does."""
        targets = last_layer.probabilities(self._last, inputs, self.base.labels, self._labels)
        return Examples(inputs, targets, weights.astype(np.float32))

    def _shares(self, truth: Labels) -> NDArray[np.floating]:
        """Return weights with which all labels of the base count alike, but unknown speech more."""
        shares = np.ones(len(self.base.labels))
        shares[self.base.labels.index(UNKNOWN)] = UNKNOWN_SHARE
        counts = np.bincount(truth, minlength=len(shares))
        each = shares / np.maximum(counts, 1)
        weights: NDArray[np.floating] = each[truth] / (shares * (counts > 0)).sum()
        return weights * ((1 - PACKED) if self._pack else 1)

    def _places(self, words: Iterable[str]) -> list[int]:
        """Return the labels of the base for those of some words that it knows."""
        return [self.base.labels.index(word) for word in words if word in self.base.labels]

    def examples(
        self, clips: Clips, folds: Labels, noises: Sequence[FloatArray], threads: int,
        progress: Callable[[float], None] = lambda done: None,
    ) -> Spoken:  # fmt: skip
        """Return examples of words.

        Parameters
        ----------
        clips : Clips
            Recordings of the words.
        folds : ndarray of int, shape (clips,)
            The part that each is held out in, or -1.
        noises : sequence of ndarray of float32
            Background noise.
        threads : int
            How many threads augment; the result does not depend on it.
        progress : callable
            Called with the fraction that is done, some examples at a time.
        """
        # Each part of the recordings of a word is augmented like a word of its own, to know which examples are its.
        named = [f"{fold} {row.word}" for fold, row in zip(folds.tolist(), clips.rows, strict=True)]
        parts = [
            (int(fold), self._labels.index(word)) for fold, word in (name.split(" ", 1) for name in sorted({*named}))
        ]
        fold_of, label_of = np.array(parts).T
        renamed = clips._replace(
            rows=tuple(replace(row, word=name) for row, name in zip(clips.rows, named, strict=True))
        )
        phrases = {name for name, row in zip(named, clips.rows, strict=True) if row.word in self.phrases}
        groups, total = [], PLAIN + AUGMENTED
        for augmentation, count, before in ((SHIFTED, PLAIN, 0), (AUGMENTATION, AUGMENTED, PLAIN)):

            def show(done: float, count: int = count, before: int = before) -> None:
                progress((before + done * count) / total)

            each = max(round(count * len(self._words) / len(parts)), 1)
            inputs, place = self.body.augmented(renamed, noises, augmentation, each, self._seed, threads, show, phrases)
            augmented = np.full(len(inputs), augmentation is AUGMENTATION)
            groups.append(Spoken(inputs, label_of[place], augmented, fold_of[place]))
        return Spoken(*(np.concatenate(arrays) for arrays in zip(*groups, strict=True)))

    def model(self, spoken: Spoken, without: int | None = None) -> Model:
        """Return the model that has learned from examples of words, possibly without one part of the recordings."""
        if without is not None:
            spoken = spoken.chosen(spoken.folds != without)
        now, phrases, before = spoken.window(0, self._width), None, self._before
        if not self.phrases:
            last = self._learned(before, now, self._words)
        else:
            places = [self._labels.index(phrase) for phrase in self.phrases]
            of_phrases = np.isin(spoken.labels, places)
            second, first = now.chosen(of_phrases), spoken.chosen(of_phrases).window(self._width, 2 * self._width)
            last = self._learned(before, now, self._words, first)
            # First halves are learned like words of their own, in place of the second ones.
            if self.base.phrases:
                before = last_layer.with_rows(before, places[: len(self.base.phrases.labels)], *self.base.phrases[1:])
            if taught := [phrase for phrase in self.phrases if phrase in self._words]:
                before = self._learned(before, first, taught, second)
            phrases = Phrases(self.phrases, *last_layer.rows(before, places))
        network = last_layer.replaced(self.base.network, last)
        return replace(self.base, labels=self._labels, network=network, phrases=phrases)

    def _learned(self, before: Network, spoken: Spoken, words: Sequence[str], halves: Spoken | None = None) -> Network:
        """Return a last layer that has learned words from examples, but not the other halves of those that are phrases.

        Each example is of one window.
        """
        groups = [self._others, Examples(spoken.inputs, one_hot(spoken.labels, len(self._labels)), self._takes(spoken))]
        if halves and len(halves.labels):
            other = self._as_before(halves.inputs, self._takes(halves))
            other.targets[halves.labels, np.arange(len(halves.labels))] = 0
            groups.append(other._replace(targets=other.targets / other.targets.sum(axis=0)))
        # Unknown speech is learned where the user gave some; else what the model says of it stays.
        rows = [self._labels.index(word) for word in words]
        if self._speech is not None or self._places(words):
            rows.append(self._labels.index(UNKNOWN))
        last = last_layer.fitted(before, self._space, Examples.joined(groups), rows)
        for word in words:
            if word not in self.base.labels:
                last.raise_logit(self._labels.index(word), float(np.log(IN_USE)))
        return last

    def _takes(self, spoken: Spoken) -> FloatArray:
        """Return weights with which all words count alike, those that the model knows less."""
        weights = np.zeros(len(spoken.labels), np.float32)
        for label in np.unique(spoken.labels):
            share = ADAPTED if self._labels[label] in self.base.labels else SHARE
            for kind in (False, True):
                chosen = (spoken.labels == label) & (spoken.augmented == kind)
                weights[chosen] = share / 2 / chosen.sum()
        return weights

    def tails(self, model: Model) -> dict[str, Tail]:
        """Return how often other sounds are taken for each word that is not one of the pack's own model."""
        new = [word for word in self._words if self._pack and word not in self._pack.labels]
        if not new:
            return {}
        recordings = self._heard(model)
        # Their thresholds are chosen on running speech, so these words need not stand alone.
        decision = replace(model.decision, anywhere=tuple(new))
        return {word: tail_of(recordings, word, model.labels, decision, model.features) for word in new}

    def _heard(self, model: Model) -> list[Listened]:
        """Return what a model says at every step of those recordings of the pack that hold none of the words."""
        assert self._pack is not None
        inputs = self._space.inputs(self._pack.coordinates(self._pack.heard))
        probabilities = probabilities_of_steps(model, inputs, self._pack.heard_in)
        silence = model.labels.index(SILENCE) if SILENCE in model.labels else None
        pauses = (self._pack.pauses / 255).astype(np.float32)
        kept = self._pack.without(self._words)
        return [
            listened(probabilities[chosen], pauses[chosen], silence, model.labels)
            for number in np.unique(self._pack.heard_in).tolist()
            if kept[number]
            for chosen in [self._pack.heard_in == number]
        ]

    def recall(self, model: Model) -> Evaluation:
        """Measure a model on the rehearsal examples that are held out."""
        places = np.array([self._labels.index(label) for label in self.base.labels])
        inputs, truth = self._known[self._held_out], self._truth[self._held_out]
        return Evaluation.of(self._labels, places[truth], predictions(model, inputs, self._labels))

    def rehearsal(self, spoken: Spoken) -> Rehearsal:
        """Return the rehearsal examples of the new model."""
        places = np.array([self._labels.index(label) for label in self.base.labels])
        # Of phrases there is no example: one window does not tell them.
        kept = spoken.augmented & ~np.isin(spoken.labels, [self._labels.index(phrase) for phrase in self.phrases])
        new = np.random.default_rng(self._seed).permutation(np.flatnonzero(kept))
        return Rehearsal.of(
            np.concatenate([self._known, spoken.inputs[new, : self._width]]),
            np.concatenate([places[self._truth], spoken.labels[new]]),
            self._labels,
        )


def probabilities(model: Model, inputs: FloatArray) -> FloatArray:
    """Return the probabilities of a model for inputs of its last layer, for one window or for two, see `Body`."""
    last, (width,) = model.network.head(), model.network.last_input_shape
    found = last.probabilities(inputs[:, :width])
    if model.phrases:
        before = np.full((len(inputs), len(model.phrases.labels)), -np.inf, np.float32)
        if inputs.shape[1] > width:
            earlier = inputs[:, width:]
            before = model.phrases.first_halves(earlier, last.logits(earlier), model.labels)
        found = model.phrases.told(found, before, model.labels)
    return found


def probabilities_of_steps(model: Model, inputs: FloatArray, recordings: NDArray[np.integer]) -> FloatArray:
    """Return the probabilities of a model at the steps of recordings, for inputs of its last layer.

    Parameters
    ----------
    model : Model
        The model.
    inputs : ndarray of float32, shape (steps, width)
        For the window that ends at each step.
    recordings : ndarray of int, shape (steps,)
        The recording of each, one after the other.
    """
    logits = model.network.head().logits(inputs)
    found: FloatArray = softmax(logits.T).T
    if model.phrases:
        odds = model.phrases.first_halves(inputs, logits, model.labels)
        steps = round(model.features.clip / model.decision.step)
        found = model.phrases.told(found, delayed(odds, steps, recordings), model.labels)
    return found


def predictions(model: Model, inputs: FloatArray, labels: Sequence[str]) -> Labels:
    """Return the most probable label of a model for inputs of its last layer, as an index into other labels."""
    places = np.array([labels.index(label) for label in model.labels])
    predicted: Labels = places[probabilities(model, inputs).argmax(axis=1)]
    return predicted
