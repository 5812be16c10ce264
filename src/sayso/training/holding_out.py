"""What teaching does beside learning: recordings are held out to measure by, and the new model's record says so."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sayso.config import UNKNOWN
from sayso.config.labels import label_of, strangers_in_case
from sayso.corpus.corpus import Clip, Corpus

# Fewer recordings of a word than this are refused.
FEWEST_CLIPS = 3
# Number of parts of the recordings that are held out in turn.
FOLDS = 5
# What the record of a training says of the model that it made, which is not that of a taught one.
MEASURED_IN_TRAINING = ("validation_accuracy", "validation_clips", "best_epoch", "history", "layers")


def word_in(word: str, labels: Sequence[str]) -> str:
    """Return the label of the model that a word stands for, or the word itself if it is new."""
    label = label_of(word, labels)
    return word if label == UNKNOWN else label


def folds_of(rows: Sequence[Clip]) -> NDArray[np.int64]:
    """Divide recordings into parts that are held out in turn, so that each is measured by a model that lacks it.

    The recordings of a word are divided by speaker if there are at least `FOLDS`, else one by one. Those without which
    too few would be left are never held out.

    Returns
    -------
    folds : ndarray of int, shape (recordings,)
        In which part each recording is held out, from 0 to `FOLDS` - 1, or -1 if it never is.
    """
    folds = np.full(len(rows), -1)
    for word in {row.word for row in rows}:
        own = [place for place, row in enumerate(rows) if row.word == word]
        speakers = sorted({row.speaker for row in (rows[place] for place in own) if row.speaker})
        by_speaker = len(speakers) >= FOLDS and all(rows[place].speaker for place in own)
        for number, place in enumerate(own):
            folds[place] = (speakers.index(rows[place].speaker or "") if by_speaker else number) % FOLDS
        for fold in range(FOLDS):
            held_out = [place for place in own if folds[place] == fold]
            if len(own) - len(held_out) < FEWEST_CLIPS:
                folds[held_out] = -1
    return folds


def record_of(training: Mapping[str, Any], source: dict[str, Any]) -> dict[str, Any]:
    """Return the record of the new model; what was measured while the base was trained is kept as that of the base."""
    measured = {key: value for key, value in training.items() if key in MEASURED_IN_TRAINING}
    record = {key: value for key, value in training.items() if key not in MEASURED_IN_TRAINING}
    if measured:
        record["before_teaching"] = measured
    return {**record, "taught": [*training.get("taught", []), source]}


def advice(known: Sequence[str], corpus: Corpus, counts: Mapping[str, int], tested: Collection[str]) -> list[str]:
    """Return warnings about words that the model knows already, and words that cannot be measured."""
    warnings = strangers_in_case(corpus.words, known)
    if again := [word for word in counts if word in known]:
        warnings.append(
            f"the model knows {', '.join(again)} already, from many speakers, and is adapted to these recordings: "
            "compare before and after, or leave these folders out"
        )
    if untested := [word for word in counts if word not in tested]:
        warnings.append(
            f"no recording of {', '.join(untested)} was held out to measure the new model by; "
            "record at least five of each word"
        )
    return warnings
