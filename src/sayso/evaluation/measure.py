"""Measure a model on the clips of a corpus or of a test archive, as they are and in noise."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from sayso.corpus.clip_sets import ClipSet, benchmark_set, whole_set
from sayso.corpus.clips import Clips, FloatArray, labelled, load_clips, load_noises
from sayso.corpus.corpus import Corpus
from sayso.corpus.skipped import Skipped
from sayso.corpus.splits import Split
from sayso.errors import CorpusError
from sayso.evaluation.accuracy import Doubtful, Evaluation, doubtful
from sayso.evaluation.predictions import Predictions
from sayso.recognition.recognizer import Recognizer
from sayso.sound.noise import pink_noise
from sayso.system.workers import cores, in_order

# Clips in one batch of `review`.
CHUNK = 256
# Signal-to-noise ratios of `measure`, in decibels.
RATIOS = (20.0, 10.0, 5.0, 0.0, -5.0)
# Length of the noise that is generated where there are no recordings of any, in seconds.
GENERATED = 60
# Repetitions of `seconds_per_clip`.
TIMED = 50

CHOSEN_BY = "the epoch whose weights were kept was chosen by these clips"


def clips_to_measure(recognizer: Recognizer, corpus: Corpus, split: Split) -> tuple[ClipSet, list[Skipped]]:
    """Read one split of a corpus, or all clips of a test archive.

    Outside test archives, unknown words and silence get as many clips as a word has on average, as in the official
    benchmark; the choice is fixed.

    Parameters
    ----------
    recognizer : Recognizer
        The recogniser to measure.
    corpus : Corpus
        The recordings.
    split : {"training", "validation", "testing"}
        The split to read.

    Returns
    -------
    clips : ClipSet
        The clips.
    skipped : list of Skipped
        The files that could not be read, and why.

    Raises
    ------
    CorpusError
        If no clip of the split has a label of the model.
    """
    features, threads = recognizer.model.features, cores()
    rows = labelled(corpus.by_split(split) if not corpus.is_test_archive else corpus.clips, recognizer.labels)
    clips = load_clips(rows, features, threads)
    if not clips.rows:
        raise CorpusError(
            f"{corpus.root} has no usable {split} clip of the model's labels ({', '.join(recognizer.labels)}); "
            "choose another split or other recordings"
        )
    skipped = list(clips.skipped)
    if corpus.is_test_archive:
        return whole_set(clips, recognizer.labels), skipped
    noises, unread = load_noises(corpus.noises, features)
    return benchmark_set(clips, noises, recognizer.labels, seed=0), skipped + unread


def predict(recognizer: Recognizer, clips: ClipSet) -> Predictions:
    """Compute a recogniser's probabilities for clips."""
    return Predictions(recognizer.labels, clips.labels, recognizer.probabilities(clips.windows))


def evaluate(recognizer: Recognizer, clips: ClipSet) -> Evaluation:
    """Compute a recogniser's confusion matrix on clips."""
    return predict(recognizer, clips).evaluation


def review(
    recognizer: Recognizer, clips: Clips, validation: ClipSet, threads: int
) -> tuple[Evaluation, tuple[Doubtful, ...]]:
    """Evaluate a model after its training, and find doubtful recordings.

    Parameters
    ----------
    recognizer : Recognizer
        The trained model.
    clips : Clips
        The training and validation clips.
    validation : ClipSet
        The validation clips.
    threads : int
        Number of threads; the result does not depend on it.

    Returns
    -------
    evaluation : Evaluation
        The result on the validation clips.
    doubtful : tuple of Doubtful
        The recordings for which the model predicts another label, those with the largest loss first.
    """

    def probabilities_from(start: int) -> FloatArray:
        return recognizer.probabilities(clips.windows(np.arange(start, min(start + CHUNK, len(clips.rows)))))

    with threadpool_limits(1, "blas"):
        probabilities = np.concatenate(list(in_order(probabilities_from, range(0, len(clips.rows), CHUNK), threads)))
    return evaluate(recognizer, validation), doubtful(clips.rows, probabilities, recognizer.labels)


def evaluate_in_noise(
    recognizer: Recognizer, clips: ClipSet, noises: Sequence[FloatArray], ratios: Sequence[float]
) -> dict[float, Evaluation]:
    """Evaluate a recogniser on clips with noise at several signal-to-noise ratios in decibels; the noise is fixed."""
    return {snr: evaluate(recognizer, clips.with_noise(noises, snr, np.random.default_rng(0))) for snr in ratios}


@dataclass(frozen=True, eq=False)
class Measured:
    """The results of `measure`.

    Attributes
    ----------
    data : str
        Description of the clips.
    clips : ClipSet
        The clips.
    predictions : Predictions
        The model's predictions for them.
    root : Path or None
        The folder that paths are shown relative to.
    in_noise : dict of float to Evaluation
        Results for the same clips in noise, by signal-to-noise ratio in decibels.
    noise : str
        Description of the noise.
    skipped : tuple of Skipped
        The files that could not be read, and why.
    warnings : tuple of str
        Reasons why the figures may mislead.
    """

    data: str
    clips: ClipSet
    predictions: Predictions
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
    progress: Callable[[str], None] = lambda step: None,
) -> Measured:
    """Measure a recogniser on one split of a corpus, or on a whole test archive.

    Parameters
    ----------
    recognizer : Recognizer
        The recogniser to measure.
    corpus : Corpus
        The recordings.
    split : {"training", "validation", "testing"}
        The split to use, see `clips_to_measure`.
    noises : sequence of Path
        Recordings of noise. By default those of the corpus are used; if it has none, pink noise is generated.
    progress : callable
        Called with the name of each step, `len(RATIOS) + 2` times.

    Raises
    ------
    CorpusError
        If there is no clip to measure on, or none of `noises` can be read.
    """
    progress("reading clips")
    clips, skipped = clips_to_measure(recognizer, corpus, split)
    paths = list(noises) or list(corpus.noises)
    sounds, unread = load_noises(paths, recognizer.model.features)
    if noises and not sounds:
        raise CorpusError(f"none of the {len(noises)} recordings of noise can be used: {unread[0].reason}")
    source = f"{len(sounds)} recordings given with --noise"
    if not noises:
        source = f"the corpus's own {len(sounds)} recordings, which training may have used too"
    if not sounds:
        sounds, source = [pink_noise(GENERATED * recognizer.model.features.sample_rate)], "generated pink noise"
    progress("evaluating")
    predictions = predict(recognizer, clips)
    in_noise: dict[float, Evaluation] = {}
    for ratio in RATIOS:
        progress(f"evaluating in noise, {ratio:g} dB")
        in_noise |= evaluate_in_noise(recognizer, clips, sounds, [ratio])
    name = corpus.root.resolve().name
    return Measured(
        data=name if corpus.is_test_archive else f"the {split} clips of {name}",
        clips=clips,
        predictions=predictions,
        root=corpus.root,
        in_noise=in_noise,
        noise=source,
        # Noise of the corpus that cannot be read is in both lists.
        skipped=tuple(dict.fromkeys([*skipped, *unread])),
        warnings=(*corpus.warnings, *_bias(recognizer, name, split)),
    )


def _bias(recognizer: Recognizer, corpus: str, split: Split) -> list[str]:
    """Return a warning if the training used the clips, so that the figures are too good."""
    trained_on = recognizer.model.training.get("data", {}).get("corpus")
    reasons = {"training": "the model was trained on these clips", "validation": CHOSEN_BY}
    return [f"{reasons[split]}, so the figures are too optimistic"] if corpus == trained_on and split in reasons else []


def seconds_per_clip(recognizer: Recognizer) -> float:
    """Measure the median time from the samples of one window to its probabilities, on one thread of this machine."""
    window = pink_noise(recognizer.model.features.clip_samples)[None]
    times = []
    with threadpool_limits(1):
        for _ in range(TIMED):
            start = time.perf_counter()
            recognizer.probabilities(window)
            times.append(time.perf_counter() - start)
    return float(np.median(times))
