"""Measure a model on the clips of a corpus or of a test archive, as they are and in noise."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from sayso.config import SILENCE
from sayso.config.labels import label_of, strangers
from sayso.corpus.clip_sets import ClipSet, benchmark_set, whole_set
from sayso.corpus.clips import Clips, FloatArray, fitted, labelled, load_clips, load_noises
from sayso.corpus.corpus import Clip, Corpus
from sayso.corpus.digests import digests, repeated
from sayso.corpus.skipped import Skipped, reasons_kept
from sayso.corpus.splits import Split
from sayso.errors import CorpusError
from sayso.evaluation.accuracy import Doubtful, Evaluation, doubtful
from sayso.evaluation.predictions import Predictions
from sayso.model.metadata import training_of
from sayso.recognition.recognizer import Recognizer
from sayso.sound.noise import coloured_noise
from sayso.system.workers import cores, in_order

# Clips in one batch of `review`.
CHUNK = 256
# Signal-to-noise ratios of `measure`, in decibels.
RATIOS = (20.0, 10.0, 5.0, 0.0, -5.0)
# Length of the noise that is generated where there are no recordings of any, in seconds.
GENERATED = 60
# Words of a corpus that an error names.
NAMED = 12
# Repetitions of `seconds_per_clip`.
TIMED = 50

CHOSEN_BY = "the epoch whose weights were kept was chosen by these clips"


class ToMeasure(NamedTuple):
    """The clips that a model is measured on.

    Attributes
    ----------
    clips : ClipSet
        The clips.
    skipped : list of Skipped
        The files that are not used, and why.
    warnings : list of str
        What should be known before the figures are trusted.
    notes : list of str
        Which words are not labels of the model, and what they count as.
    """

    clips: ClipSet
    skipped: list[Skipped]
    warnings: list[str]
    notes: list[str]


def clips_to_measure(recognizer: Recognizer, corpus: Corpus, split: Split) -> ToMeasure:
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

    Raises
    ------
    CorpusError
        If no clip of the split has a label of the model.
    """
    features, labels = recognizer.model.clips, recognizer.labels
    asked = corpus.clips if corpus.is_test_archive else corpus.by_split(split)
    notes = strangers((row.word for row in asked), labels)
    skipped = list(corpus.skipped)
    with reasons_kept(skipped, [*corpus.warnings, *notes]):
        clips = load_clips(labelled(asked, labels), features, cores())
        skipped += clips.skipped
        if not clips.rows:
            counts = Counter(clip.split for clip in corpus.clips)
            raise CorpusError(
                f"{corpus.root} has no usable {split} clip of the model's labels ({', '.join(labels)}); choose another "
                f"split or other recordings; it has {', '.join(f'{count} {name}' for name, count in counts.items())} "
                f"clips of {', '.join(corpus.words[:NAMED])}{' …' if len(corpus.words) > NAMED else ''}"
            )
    warnings = [*corpus.warnings, *_bias(recognizer, corpus, split, clips)]
    present = {label_of(row.word, labels) for row in clips.rows}
    if absent := [label for label in labels if label not in present and label != SILENCE]:
        warnings.append(
            f"there is no {split} clip of {', '.join(absent)}: how well these are recognised is not measured"
        )
    if corpus.is_test_archive:
        return ToMeasure(whole_set(clips, labels), skipped, warnings, notes)
    noises, unread = load_noises(corpus.noises, features)
    return ToMeasure(benchmark_set(clips, noises, labels, seed=0), skipped + unread, warnings, notes)


def _bias(recognizer: Recognizer, corpus: Corpus, split: Split, clips: Clips) -> list[str]:
    """Return warnings if the training used the clips, or if some are the same, so that the figures are too good."""
    model = recognizer.model
    found = digests(fitted(clips.samples, model.features.clip_samples))
    warnings = repeated(clips.rows, found.tolist())
    if count := int(np.isin(found[found > 0], model.digests).sum()):
        warnings.append(
            f"the model was trained on {count} of these {len(clips.rows)} clips, or chosen by them, so the figures are "
            "too optimistic; measure it on other recordings"
        )
        return warnings
    if len(model.digests) and "taught" not in model.training:
        return warnings
    # Models of older versions keep no digests.
    trained_on = training_of(model.training).corpus
    reasons = {"training": "the model was trained on these clips", "validation": CHOSEN_BY}
    if corpus.root.resolve().name == trained_on and split in reasons and not corpus.is_test_archive:
        warnings.append(f"{reasons[split]}, so the figures are too optimistic")
    return warnings


def bias_of_rows(recognizer: Recognizer, corpus: Corpus, split: Split, rows: Sequence[Clip]) -> list[str]:
    """Return the same warnings for clips that are not in memory; they are read for it."""
    return _bias(recognizer, corpus, split, load_clips(rows, recognizer.model.clips, cores()))


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
    notes : tuple of str
        Which words are not labels of the model, and what they count as.
    """

    data: str
    clips: ClipSet
    predictions: Predictions
    root: Path | None = None
    in_noise: dict[float, Evaluation] = field(default_factory=dict)
    noise: str = ""
    skipped: tuple[Skipped, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def evaluation(self) -> Evaluation:
        """Accuracy and confusion matrix without added noise."""
        return self.predictions.evaluation


def measure(
    recognizer: Recognizer,
    corpus: Corpus,
    split: Split,
    noises: Sequence[Path] = (),
    progress: Callable[[str], None] = lambda step: None,
    ratios: Sequence[float] = RATIOS,
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
        Called with the name of each step, `len(ratios) + 2` times.
    ratios : sequence of float
        Signal-to-noise ratios in decibels to measure at; without any, no noise is read.

    Raises
    ------
    CorpusError
        If there is no clip to measure on, or none of `noises` can be read.
    """
    progress("reading clips")
    paths = (list(noises) or list(corpus.noises)) if ratios else []
    sounds, unread = load_noises(paths, recognizer.model.features)
    if paths and noises and not sounds:
        raise CorpusError(f"none of the {len(noises)} recordings of noise can be used: {unread[0].reason}")
    clips, skipped, warnings, notes = clips_to_measure(recognizer, corpus, split)
    source = f"{len(sounds)} recordings given with --noise" if ratios else ""
    if sounds and not noises:
        source = f"the corpus's own {len(sounds)} recordings, which training may have used too"
    if ratios and not sounds:
        sounds, source = [coloured_noise(GENERATED * recognizer.model.features.sample_rate)], "generated pink noise"
    progress("evaluating")
    predictions = predict(recognizer, clips)
    in_noise: dict[float, Evaluation] = {}
    for ratio in ratios:
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
        warnings=tuple(warnings),
        notes=tuple(notes),
    )


def seconds_per_clip(recognizer: Recognizer) -> float:
    """Measure the median time from the samples of one window to its probabilities, on one thread of this machine."""
    window = coloured_noise(recognizer.model.clips.clip_samples)[None]
    times = []
    with threadpool_limits(1):
        for _ in range(TIMED):
            start = time.perf_counter()
            recognizer.probabilities(window)
            times.append(time.perf_counter() - start)
    return float(np.median(times))
