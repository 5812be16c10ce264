"""Everything that a report measures: the answers to a set of clips, clean and in noise, and how long one takes."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sayso.corpus.clips import ClipSet, FloatArray, load_noises
from sayso.corpus.corpus import Corpus, Skipped, Split
from sayso.errors import CorpusError
from sayso.evaluation.accuracy import Evaluation
from sayso.evaluation.measure import answer, clips_to_measure, evaluate_in_noise
from sayso.evaluation.predictions import Predictions
from sayso.recognition.recognizer import Recognizer

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


def pink_noise(samples: int, seed: int = 0) -> FloatArray:
    """Make noise whose power falls with frequency as 1/f, as that of many natural sounds; its peak is 0.5."""
    rng = np.random.default_rng(seed)
    frequencies = np.fft.rfftfreq(samples)
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    # Below 20 Hz at 16 kHz there is nothing to hear, and most of the power.
    spectrum *= np.where(frequencies < 1 / 800, 0, 1 / np.sqrt(np.maximum(frequencies, 1 / 800)))
    noise = np.fft.irfft(spectrum, samples)
    return np.asarray(0.5 * noise / np.abs(noise).max(), np.float32)


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
