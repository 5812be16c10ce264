"""Measuring a model on recordings: the clips of a corpus or of a test archive, as they are and in noise."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from sayso.corpus.clip_sets import ClipSet, benchmark_set, whole_set
from sayso.corpus.clips import Clips, FloatArray, labelled, load_clips, load_noises
from sayso.corpus.corpus import Corpus, Skipped
from sayso.corpus.splits import Split
from sayso.errors import CorpusError
from sayso.evaluation.accuracy import Doubtful, Evaluation, doubtful
from sayso.evaluation.predictions import Predictions
from sayso.recognition.recognizer import Recognizer
from sayso.sound.noise import pink_noise
from sayso.system.workers import cores, in_order

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


def review(
    recognizer: Recognizer, clips: Clips, validation: ClipSet, threads: int
) -> tuple[Evaluation, tuple[Doubtful, ...]]:
    """Look back at a training.

    Parameters
    ----------
    recognizer : Recognizer
        The trained model.
    clips : Clips
        The recordings that it learned from and was chosen by.
    validation : ClipSet
        The validation clips.
    threads : int
        How many threads share the work; the result does not depend on it.

    Returns
    -------
    evaluation : Evaluation
        The predictions for the validation clips.
    doubtful : tuple of Doubtful
        The recordings in which the model hears something else, the most certain first.
    """

    def probabilities_from(start: int) -> FloatArray:
        return recognizer.probabilities(clips.windows(np.arange(start, min(start + CHUNK, len(clips.rows)))))

    with threadpool_limits(1, "blas"):
        probabilities = np.concatenate(list(in_order(probabilities_from, range(0, len(clips.rows), CHUNK), threads)))
    return evaluate(recognizer, validation), doubtful(clips.rows, probabilities, recognizer.labels)


def evaluate_in_noise(
    recognizer: Recognizer, clips: ClipSet, noises: Sequence[FloatArray], ratios: Sequence[float]
) -> dict[float, Evaluation]:
    """Measure a recogniser on clips in noise, the same always, at several signal-to-noise ratios in decibels."""
    return {snr: evaluate(recognizer, clips.with_noise(noises, snr, np.random.default_rng(0))) for snr in ratios}


RATIOS = (20.0, 10.0, 5.0, 0.0, -5.0)


# Length of the noise that is made where there are no recordings of any, in seconds.
GENERATED = 60


TIMED = 50


CHOSEN_BY = "by these clips the epoch was chosen whose weights were kept"


@dataclass(frozen=True, eq=False)
class Measured:
    """What was measured.

    Attributes
    ----------
    data : str
        What the clips are, in words.
    clips : ClipSet
        The clips.
    answers : Predictions
        What the model says to them.
    root : Path or None
        The folder that their paths are shown within.
    in_noise : dict of float to Evaluation
        The same clips in noise, by the signal-to-noise ratio in decibels.
    noise : str
        What noise it is, in words.
    skipped : tuple of Skipped
        What could not be read, and why.
    warnings : tuple of str
        What should be known before the figures are trusted.
    """

    data: str
    clips: ClipSet
    answers: Predictions
    root: Path | None = None
    in_noise: dict[float, Evaluation] = field(default_factory=dict)
    noise: str = ""
    skipped: tuple[Skipped, ...] = ()
    warnings: tuple[str, ...] = ()


def measure(
    recognizer: Recognizer,
    corpus: Corpus,
    split: Split,
    noises: Sequence[Path] = (),
    tell: Callable[[str], None] = lambda doing: None,
) -> Measured:
    """Measure a recogniser on one split of a corpus, or on a whole test archive.

    Parameters
    ----------
    recognizer : Recognizer
        What is measured.
    corpus : Corpus
        The recordings.
    split : {"training", "validation", "testing"}
        Which of them, see `clips_to_measure`.
    noises : sequence of Path
        Recordings of noise; without any, those of the corpus are used, or else pink noise is generated.
    tell : callable
        Called with what is being done, `len(RATIOS) + 2` times.

    Raises
    ------
    CorpusError
        If there is no clip to measure on, or none of `noises` can be read.
    """
    tell("reading clips")
    clips, skipped = clips_to_measure(recognizer, corpus, split)
    paths = list(noises) or list(corpus.noises)
    sounds, unread = load_noises(paths, recognizer.model.features)
    if noises and not sounds:
        raise CorpusError(f"none of the {len(noises)} recordings of noise can be used: {unread[0].reason}")
    source = f"{len(sounds)} recordings given with --noise"
    if not noises:
        source = f"the corpus's own {len(sounds)} recordings, which training may have used, too"
    if not sounds:
        sounds, source = [pink_noise(GENERATED * recognizer.model.features.sample_rate)], "generated, pink"
    tell("listening")
    answers = answer(recognizer, clips)
    in_noise: dict[float, Evaluation] = {}
    for ratio in RATIOS:
        tell(f"listening in noise, {ratio:g} dB")
        in_noise |= evaluate_in_noise(recognizer, clips, sounds, [ratio])
    name = corpus.root.resolve().name
    return Measured(
        data=name if corpus.is_test_archive else f"the {split} clips of {name}",
        clips=clips,
        answers=answers,
        root=corpus.root,
        in_noise=in_noise,
        noise=source,
        # A noise that cannot be read was already named if it is the corpus's own.
        skipped=tuple(dict.fromkeys([*skipped, *unread])),
        warnings=(*corpus.warnings, *_flattery(recognizer, name, split)),
    )


def _flattery(recognizer: Recognizer, corpus: str, split: Split) -> list[str]:
    """Tell whether the training had a part in the choice of the clips."""
    trained_on = recognizer.model.training.get("data", {}).get("corpus")
    reasons = {"training": "the model learned from these clips", "validation": CHOSEN_BY}
    return [f"{reasons[split]}, so they flatter it"] if corpus == trained_on and split in reasons else []


def seconds_per_clip(recognizer: Recognizer) -> float:
    """Measure how long one window of sound takes on one thread of this machine, from samples to probabilities."""
    from threadpoolctl import threadpool_limits

    window = pink_noise(recognizer.model.features.clip_samples)[None]
    times = []
    with threadpool_limits(1):
        for _ in range(TIMED):
            start = time.perf_counter()
            recognizer.probabilities(window)
            times.append(time.perf_counter() - start)
    return float(np.median(times))
