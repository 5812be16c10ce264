"""Clips that are generated, for tests of what is done with clips."""

from pathlib import Path

import numpy as np

from sayso.corpus.clips import Clips
from sayso.corpus.corpus import Clip


def row(path: Path, word: str = "yes") -> Clip:
    return Clip(path, word, None, "training")


def numbered(**counts: int) -> Clips:
    """Return this many clips of each word; every sample of a clip is the clip's position."""
    rows = [row(Path(f"{word}/{number}.wav"), word) for word, count in counts.items() for number in range(count)]
    samples = np.repeat(np.arange(len(rows), dtype=np.int16)[:, None], 100, axis=1)
    return Clips(samples, tuple(rows), ())
