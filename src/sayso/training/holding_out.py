"""What teaching does beside learning: recordings are held out to measure by, and the new model's record says so."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from sayso.config import UNKNOWN
from sayso.config.labels import label_of, strangers_in_case
from sayso.corpus.clips import Clips
from sayso.corpus.corpus import Corpus

# Fewer recordings of a word than this are refused.
FEWEST_CLIPS = 3
# What the record of a training says of the model that it made, which is not that of a taught one.
MEASURED_IN_TRAINING = ("validation_accuracy", "validation_clips", "best_epoch", "history", "layers")


def word_in(word: str, labels: Sequence[str]) -> str:
    """Return the label of the model that a word stands for, or the word itself if it is new."""
    label = label_of(word, labels)
    return word if label == UNKNOWN else label


def held_out_of(recordings: Clips) -> tuple[Clips, Clips]:
    """Divide recordings into those to learn from and those to measure by.

    The latter are the testing split of each word for which at least `FEWEST_CLIPS` others are left.
    """
    rest = Counter(row.word for row in recordings.rows if row.split != "testing")
    held_out = np.array(
        [row.split == "testing" and rest[row.word] >= FEWEST_CLIPS for row in recordings.rows], bool
    )  # fmt: skip
    return recordings.chosen(~held_out), recordings.chosen(held_out)


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
            f"the model knows {', '.join(again)} already, from many more speakers: a few recordings may make it worse "
            "for others; compare before and after, or leave these folders out"
        )
    if untested := [word for word in counts if word not in tested]:
        warnings.append(
            f"no recording of {', '.join(untested)} was held out to measure the new model by; "
            "record at least five of each word"
        )
    return warnings
