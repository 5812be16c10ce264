"""The clip of a folder that a model finds hardest: a mistake, or else the one that it is least certain of."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sayso.config.labels import label_of, strangers
from sayso.corpus.clips import labelled, load_clips
from sayso.corpus.corpus import Clip, Corpus
from sayso.errors import CorpusError
from sayso.evaluation.predictions import Predictions
from sayso.recognition.recognizer import LONGEST_CLIP, Recognizer
from sayso.sound import audio
from sayso.system.workers import cores

# Clips that are in memory at a time.
CHUNK = 2_000


@dataclass(frozen=True)
class Hardest:
    """The hardest clip.

    Attributes
    ----------
    folder : Path
        The folder.
    clip : Clip
        The clip.
    label : str
        The label that its word stands for.
    clips, wrong, skipped : int
        Number of clips that were tried, of those that the model gets wrong, and of those that cannot be read.
    notes : tuple of str
        Which words are no labels of the model, and what they count as.
    """

    folder: Path
    clip: Clip
    label: str
    clips: int
    wrong: int
    skipped: int
    notes: tuple[str, ...]


def hardest(recognizer: Recognizer, corpus: Corpus, progress: Callable[[int, int], None] = lambda *_: None) -> Hardest:
    """Find the clip whose label gets the lowest probability, of those that are short enough to be explained.

    Parameters
    ----------
    recognizer : Recognizer
        The recogniser.
    corpus : Corpus
        The recordings; all splits are used.
    progress : callable
        Called with the number of clips done and of all clips.

    Raises
    ------
    CorpusError
        If no clip has a label of the model, or none can be read.
    """
    labels, features = recognizer.labels, recognizer.model.clips
    asked = labelled(corpus.clips, labels)
    found: list[tuple[float, Clip]] = []
    clips = wrong = 0
    for start in range(0, len(asked), CHUNK):
        progress(start, len(asked))
        read = load_clips(asked[start : start + CHUNK], features, cores())
        if not read.rows:
            continue
        truth = np.array([labels.index(label_of(row.word, labels)) for row in read.rows])
        predictions = Predictions(labels, truth, recognizer.probabilities(read.windows(np.arange(len(truth)))))
        clips, wrong = clips + len(truth), wrong + int((predictions.predicted != truth).sum())
        found += zip(predictions.losses.tolist(), read.rows, strict=True)
    progress(len(asked), len(asked))
    found.sort(key=lambda one: -one[0])
    clip = next((row for _, row in found if audio.info(row.path).seconds <= LONGEST_CLIP), None)
    if clip is None:
        raise CorpusError(
            f"{corpus.root} has no usable clip of at most {LONGEST_CLIP:g} s of the model's labels "
            f"({', '.join(labels)}); give a folder with a folder of recordings for each word"
        )
    return Hardest(
        folder=corpus.root,
        clip=clip,
        label=label_of(clip.word, labels),
        clips=clips,
        wrong=wrong,
        skipped=len(asked) - clips,
        notes=tuple(strangers((row.word for row in corpus.clips), labels)),
    )
