"""What the tests of commands share: the result of a command, and small corpora for it."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile

import sounds
from sayso.corpus.corpus import scan


class Result(NamedTuple):
    """The exit status and the output of a command."""

    status: int
    out: str
    err: str


def one_line_error(result: Result) -> str:
    """Check that a command failed with one clear line, and return that line."""
    assert result.status == 1, result
    line = result.err.strip().splitlines()[-1]
    assert line.startswith("error: ")
    assert "Traceback" not in result.err
    return line


def some_clip(corpus: Path) -> Path:
    """Return the path of a recording of "yes"."""
    return next(clip.path for clip in scan(corpus).by_split("testing") if clip.word == "yes")


def write_words(folder: Path, **clips: int) -> Path:
    """Make a corpus of noise with this number of clips of each word."""
    for word, count in clips.items():
        (folder / word).mkdir(parents=True)
        for number in range(count):
            noise = np.random.default_rng(number).normal(0, 0.1, sounds.RATE)
            soundfile.write(folder / word / f"{number:08x}_nohash_0.wav", noise, sounds.RATE)
    return folder
