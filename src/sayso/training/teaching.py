"""Adding words to a trained model from few recordings, and adapting it to a voice: only the last layer learns.

The outputs of the trained layers distinguish new words well enough for one more row of the last layer each. A row is
learned from many augmented versions of the recordings, against what the network makes of hours of other sounds (a
`Pack`) or at least of the examples that the model has kept from its own training (rehearsal). The pack also tells how
often other sounds are taken for the word, from which its threshold follows. Recordings of words that the model knows
change the rows of these words; on everything else the model is held to what it said before.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sayso.config import SILENCE, UNKNOWN, FeatureSettings, check_labels
from sayso.config.odds import shifted
from sayso.config.tables import SENSITIVITY_RANGE
from sayso.corpus.clips import Clips, FloatArray, Labels, load_clips, load_negatives, load_noises, read_sound
from sayso.corpus.corpus import Clip, Corpus
from sayso.corpus.digests import digests, repeated
from sayso.corpus.skipped import Skipped, reasons_kept
from sayso.errors import CorpusError, ModelError
from sayso.evaluation.accuracy import Doubtful, Evaluation, doubtful
from sayso.evaluation.false_alarms import Tail
from sayso.model.model_file import Model
from sayso.model.pack import Pack
from sayso.model.parts import with_parts_among
from sayso.recognition.recognizer import TOGETHER, Recognizer
from sayso.sound import audio
from sayso.sound.noise import generated_noises
from sayso.sound.speech import speech_bounds
from sayso.training import last_layer
from sayso.training.holding_out import FEWEST_CLIPS, advice, folds_of, record_of, word_in
from sayso.training.teacher import Spoken, Teacher, predictions, probabilities

# A word is a phrase if its median length, over so many recordings, exceeds this fraction of a window, as many of its
# recordings then do not fit in; and it is too long if it exceeds two windows so many times.
LOOKED_AT, MOST_OF, LONGER = 20, 0.9, 1.1
# The lowest threshold of a phrase, in log-odds. Other sounds are so seldom taken for it that they would allow a lower
# one, but its own words in another order are not among them.
LEAST = 0.0
# Fractions of the whole time after which the recordings are augmented, and after which words are learned from them.
AUGMENTED, LEARNED = 0.65, 0.75

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Expected:
    """What to expect of a new word.

    Attributes
    ----------
    takes : int
        Recordings that were held out in turn.
    heard : int
        How many of them were detected in a stream, by models taught without them.
    false_alarms_per_hour : float or None
        How often other sounds are expected to be taken for the word; None without a pack.
    threshold : float
        The probability with which it is detected.
    """

    takes: int
    heard: int
    false_alarms_per_hour: float | None
    threshold: float


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
        Predictions for the recordings by the base and, for each of them, by a model taught without it; no clips if
        there are too few recordings.
    expected : dict of str to Expected
        What to expect of each new word.
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
    expected: dict[str, Expected]
    clips: dict[str, int]
    doubtful: tuple[Doubtful, ...]
    skipped: tuple[Skipped, ...]
    warnings: tuple[str, ...]


@np.errstate(over="ignore", invalid="ignore")
def teach(
    base: Model,
    corpus: Corpus,
    noises: Sequence[Path] = (),
    negatives: Sequence[Path] = (),
    threads: int = 1,
    seed: int = 0,
    pack: Pack | None = None,
    false_alarms_per_hour: float = 0.5,
    progress: Progress = lambda step, done: None,
) -> Taught:
    """Add the words of a corpus to a model, and adapt it to recordings of words that it knows.

    Parameters
    ----------
    base : Model
        A model with rehearsal examples.
    corpus : Corpus
        Recordings of the words; the model learns from all of them. To measure it, others are taught without some of
        the recordings, in turn, unless this leaves a word too few.
    noises : sequence of Path
        Background noise for augmentation, in addition to that of the corpus.
    negatives : sequence of Path
        Speech without any of the words.
    threads : int
        How many threads read and augment recordings; the result does not depend on it.
    seed : int
        The same seed gives the same model on the same machine.
    pack : Pack, optional
        What the layers below the last make of hours of other sounds. Without it new words keep the threshold of the
        model.
    false_alarms_per_hour : float
        How often other sounds may be taken for the new words, all together, where there is a pack.
    progress : callable
        Called repeatedly with what is being done, and the fraction of the whole that is done.

    Raises
    ------
    ModelError
        If the model has no rehearsal examples or no label for unknown speech, or if its weights are absurdly large.
    CorpusError
        If there is no word, or a word has too few recordings.
    """
    progress("reading recordings", 0.0)
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
        backgrounds += generated_noises(base.features.sample_rate)
        skipped += [*recordings.skipped, *unread]
        counts = _counts(words, recordings)
        labels = last_layer.labels_with(base.labels, words)
        try:
            check_labels(labels)
        except ValueError as error:
            raise CorpusError(f"{error}; rename the folder in {corpus.root}") from error
    values, lengths = digests(recordings.samples), _lengths(recordings, base.features)
    known = base.phrases.labels if base.phrases else ()
    new = [word for word in words if word not in base.labels and lengths[word] > MOST_OF * base.features.clip]
    phrases = (*known, *new)
    if phrases:
        recordings = load_clips(recordings.rows, replace(base.features, clip=2 * base.features.clip), threads)
    speech = load_negatives(negatives, base.features, threads) if negatives else None
    skipped += speech.skipped if speech else ()

    teacher = Teacher(base, labels, words, pack, speech, seed, phrases)
    folds = folds_of(recordings.rows)
    spoken = teacher.examples(
        recordings, folds, backgrounds, threads, lambda done: progress("augmenting them", AUGMENTED * done)
    )
    progress("learning", AUGMENTED)
    model = teacher.model(spoken)
    progress("choosing thresholds", LEARNED)
    tails = teacher.tails(model)
    odds = {word: tail.threshold(false_alarms_per_hour / len(tails)) for word, tail in tails.items()}
    odds |= {word: max(odds[word], LEAST) for word in phrases if word in odds}
    thresholds = {word: round(shifted(0.5, nats), 5) for word, nats in odds.items()}
    decision = replace(
        base.decision,
        words={**base.decision.words, **thresholds},
        anywhere=tuple(dict.fromkeys((*base.decision.anywhere, *tails))),
    )
    model = replace(model, decision=decision, alarms=_alarms(base, tails, odds))

    held_out = _held_out(teacher, recordings, folds, spoken, model, progress)
    progress("done", 1.0)
    expected = {
        word: Expected(
            takes=int((held_out.answers == labels.index(word)).sum()),
            heard=int(held_out.heard[held_out.answers == labels.index(word)].sum()),
            false_alarms_per_hour=tails[word].rate(odds[word]) if word in tails else None,
            threshold=decision.words.get(word, decision.threshold),
        )
        for word in words
        if word not in labelled or word in tails
    }
    tested = Evaluation.of(labels, held_out.answers, held_out.predicted)
    before, after = teacher.recall(base), teacher.recall(model)
    name = corpus.root.resolve().name
    source: dict[str, Any] = {
        "corpus": name, "clips": counts, "held_out": tested.clips, "seed": seed,
        "expected": {word: vars(entry) for word, entry in expected.items()},
    }  # fmt: skip
    scores = {f"held-out recordings ({name})": tested, "examples of the known labels (rehearsal)": after}
    model = replace(
        model,
        training=record_of(base.training, source),
        # The scores of the base do not hold for the new model.
        scores={what: score.to_dict() for what, score in scores.items() if score.clips},
        digests=np.union1d(base.digests, values),
        rehearsal=teacher.rehearsal(spoken),
    )
    return Taught(
        model,
        before,
        after,
        Evaluation.of(labels, held_out.answers, held_out.predicted_before),
        tested,
        expected,
        counts,
        doubtful(recordings.rows, probabilities(model, held_out.plain), labels),
        tuple(skipped),
        (
            *corpus.warnings,
            *repeated(recordings.rows, values.tolist()),
            *_too_long(lengths, base.features.clip),
            *advice(labelled, corpus, counts, {labels[label] for label in np.unique(held_out.answers)}),
        ),
    )


def _alarms(base: Model, tails: Mapping[str, Tail], odds: Mapping[str, float]) -> tuple[tuple[float, float], ...]:
    """Return the false alarms per hour at each sensitivity: those of the base and those expected of the new words."""
    return tuple(
        (sensitivity, round(rate + sum(tail.rate(odds[word] + nats) for word, tail in tails.items()), 2))
        for sensitivity, rate in base.alarms
        for nats in [SENSITIVITY_RANGE * (0.5 - sensitivity)]
    )


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


def _lengths(recordings: Clips, features: FeatureSettings) -> dict[str, float]:
    """Return the median length of the speech in recordings of each word, in seconds."""
    lengths = {}
    for word in sorted({row.word for row in recordings.rows}):
        paths = [row.path for row in recordings.rows if row.word == word][:LOOKED_AT]
        bounds = [speech_bounds(read_sound(path, features), features.sample_rate) for path in paths]
        lengths[word] = float(np.median([end - start for start, end in bounds])) / features.sample_rate
    return lengths


def _too_long(lengths: Mapping[str, float], window: float) -> list[str]:
    """Warn of phrases of which even two windows do not hold all."""
    return [
        f"{word} takes {length:.1f} s to say, but a phrase is at most {2 * window:g} s long: only the loudest part is "
        "learned, and other phrases with that part are taken for it; a shorter one is better"
        for word, length in lengths.items()
        if length > 2 * window * LONGER
    ]


class _HeldOut(NamedTuple):
    """What models say of recordings that they were taught without.

    Attributes
    ----------
    answers, predicted_before, predicted : ndarray of int, shape (held out,)
        The label of each, and those that are predicted by the base and by a model that was taught without it.
    heard : ndarray of bool, shape (held out,)
        Whether that model detects it in a stream.
    plain : ndarray of float32, shape (recordings, width)
        The inputs of the last layer for all recordings.
    """

    answers: Labels
    predicted_before: Labels
    predicted: Labels
    heard: NDArray[np.bool_]
    plain: FloatArray


def _held_out(
    teacher: Teacher, recordings: Clips, folds: Labels, spoken: Spoken, model: Model, progress: Progress
) -> _HeldOut:
    """Hold out each part of the recordings in turn, and measure a model taught the others, with the same thresholds."""
    plain = teacher.body.plain(recordings, teacher.phrases)
    predicted, heard = np.zeros(len(folds), np.int64), np.zeros(len(folds), bool)
    parts = sorted({*folds.tolist()} - {-1})
    for number, fold in enumerate(parts):
        progress("testing on held-out recordings", LEARNED + (1 - LEARNED) * number / len(parts))
        without = teacher.model(spoken, without=fold)
        places = np.flatnonzero(folds == fold)
        predicted[places] = predictions(without, plain[places], model.labels)
        recognizer = Recognizer(replace(without, decision=model.decision))
        heard[places] = [_is_heard(recognizer, recordings.rows[place]) for place in places.tolist()]
    measured = np.flatnonzero(folds >= 0)
    answers = np.array([model.labels.index(recordings.rows[place].word) for place in measured], np.int64)
    before = predictions(teacher.base, plain[measured], model.labels)
    return _HeldOut(answers, before, predicted[measured], heard[measured], plain)


def _is_heard(recognizer: Recognizer, clip: Clip) -> bool:
    """Return whether the word of a recording is detected in it."""
    samples = audio.load(clip.path, recognizer.model.features.sample_rate)
    return any(found.label == clip.word for found in recognizer.detect([samples], TOGETHER))
