"""Measuring a model on recordings: the clips of a corpus or of a test archive, as they are and in noise."""

from collections.abc import Sequence

import numpy as np
from threadpoolctl import threadpool_limits

from sayso.corpus.clips import ClipSet, FloatArray, benchmark_set, labelled, load_clips, load_noises, whole_set
from sayso.corpus.corpus import Corpus, Skipped, Split
from sayso.errors import CorpusError
from sayso.evaluation.accuracy import Doubtful, Evaluation, doubtful
from sayso.evaluation.predictions import Predictions
from sayso.recognition.recognizer import Recognizer
from sayso.system.workers import cores, in_order
from sayso.training.preparation import Prepared

# Clips that are looked at together.
CHUNK = 256


def clips_to_measure(recognizer: Recognizer, corpus: Corpus, split: Split) -> tuple[ClipSet, list[Skipped]]:
    """Read one split of a corpus, or all clips of a test archive.

    Outside test archives, unknown words and silence get as many clips as a word has on average, as in the official
    benchmark; which ones is fixed.

    Parameters
    ----------
    recognizer : Recognizer
        What shall be measured.
    corpus : Corpus
        The recordings.
    split : {"training", "validation", "testing"}
        Which of them.

    Returns
    -------
    clips : ClipSet
        The clips.
    skipped : list of Skipped
        What could not be read, and why.

    Raises
    ------
    CorpusError
        If no clip of that split bears a label of the model.
    """
    features, threads = recognizer.model.features, cores()
    rows = labelled(corpus.by_split(split) if not corpus.is_test_archive else corpus.clips, recognizer.labels)
    store = load_clips(rows, features, threads)
    if not store.rows:
        raise CorpusError(
            f"{corpus.root} has no usable {split} clip of the model's labels ({', '.join(recognizer.labels)}); "
            "choose another split or other recordings"
        )
    skipped = list(store.skipped)
    if corpus.is_test_archive:
        return whole_set(store, recognizer.labels), skipped
    noises, unread = load_noises(corpus.noises, features)
    return benchmark_set(store, noises, recognizer.labels, seed=0), skipped + unread


def answer(recognizer: Recognizer, clips: ClipSet) -> Predictions:
    """Let a recogniser say what it hears in each clip."""
    return Predictions(recognizer.labels, clips.labels, recognizer.probabilities(clips.windows))


def evaluate(recognizer: Recognizer, clips: ClipSet) -> Evaluation:
    """Measure a recogniser on clips."""
    return answer(recognizer, clips).evaluation


def review(recognizer: Recognizer, prepared: Prepared) -> tuple[Evaluation, tuple[Doubtful, ...]]:
    """Look back at a training.

    Returns
    -------
    evaluation : Evaluation
        What the model says to the validation clips.
    doubtful : tuple of Doubtful
        The recordings that it learned from and was chosen by in which it hears something else, the most certain first.
    """
    clips, threads = prepared.clips, prepared.training.threads

    def said(start: int) -> FloatArray:
        return recognizer.probabilities(clips.windows(np.arange(start, min(start + CHUNK, len(clips.rows)))))

    with threadpool_limits(1, "blas"):
        probabilities = np.concatenate(list(in_order(said, range(0, len(clips.rows), CHUNK), threads)))
    validation = prepared.training.validation
    return evaluate(recognizer, validation), doubtful(clips.rows, probabilities, recognizer.labels)


def evaluate_in_noise(
    recognizer: Recognizer, clips: ClipSet, noises: Sequence[FloatArray], ratios: Sequence[float]
) -> dict[float, Evaluation]:
    """Measure a recogniser on clips in noise, the same always, at several signal-to-noise ratios in decibels."""
    return {snr: evaluate(recognizer, clips.with_noise(noises, snr, np.random.default_rng(0))) for snr in ratios}
