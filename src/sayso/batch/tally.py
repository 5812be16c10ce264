"""Counts of a batch."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

from sayso.batch.classify import FileResult
from sayso.config import SILENCE, UNKNOWN


@dataclass(frozen=True)
class Tally:
    """Counts of a batch.

    Attributes
    ----------
    files, words, errors : int
        Files done, words detected in them (not counting silence and unknown speech), files with an error.
    seconds : float
        Total duration of the sound.
    """

    files: int = 0
    words: int = 0
    errors: int = 0
    seconds: float = 0.0

    def plus(self, results: Sequence[FileResult]) -> Self:
        """Return the counts with those of more files added."""
        detections = [detection for each in results for detection in each.detections]
        return replace(
            self,
            files=self.files + len(results),
            words=self.words + sum(detection.label not in (SILENCE, UNKNOWN) for detection in detections),
            errors=self.errors + sum(bool(each.error) for each in results),
            seconds=self.seconds + sum(each.seconds for each in results),
        )
