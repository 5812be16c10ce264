"""One recording of a word: where the word lies in what was heard, what is wrong with it, and the file it becomes."""

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import soundfile

from sayso.errors import SettingsError, StorageError
from sayso.sound.speech import speech_bounds
from sayso.sound.stream import CLIPPED, Samples
from sayso.system.atomic_files import replacing

# Seconds that are kept before and after a word.
MARGIN = 0.2
# Speech stands out from the quiet around it by so many decibels, or there is none.
LEAST_RISE = 12.0
# Below this level, in decibels of full scale, the noise of the microphone is in the way.
TOO_QUIET = -45.0
# Speech within so many seconds of an end of the recording has probably begun before it, or goes on after it.
EDGE = 0.05
# The network sees a second at once.
LONGEST = 1.0

_NAME = re.compile(r"[^\W_]([\w-]*[^\W_])?")


@dataclass(frozen=True)
class Take:
    """What was heard of one word.

    Attributes
    ----------
    samples : ndarray of float32, shape (samples,)
        The word with a little around it.
    problems : tuple of str
        What is wrong with it, worst first; empty if nothing.
    """

    samples: Samples
    problems: tuple[str, ...]


def take_of(samples: Samples, sample_rate: int) -> Take:
    """Find the word in a recording, and judge it.

    Parameters
    ----------
    samples : ndarray of float32, shape (samples,)
        Everything that was heard, full scale being ±1.
    sample_rate : int
        Samples a second.
    """
    start, end = speech_bounds(samples, sample_rate)
    speech = samples[start:end]
    around = np.concatenate([samples[:start], samples[end:]])
    level, quiet = _decibels(speech), _decibels(around)
    problems = []
    if level - quiet < LEAST_RISE or end - start == len(samples):
        problems.append("no speech was found: speak after the mark, nearer to the microphone")
    else:
        if start < EDGE * sample_rate:
            problems.append("the beginning is cut off: wait for the mark")
        if end > len(samples) - EDGE * sample_rate:
            problems.append("the end is cut off: speak right after the mark")
        if end - start > LONGEST * sample_rate:
            problems.append(f"it is longer than {LONGEST:g} s: the network sees no more at once")
        if level < TOO_QUIET:
            problems.append(f"it is very quiet ({level:.0f} dB): speak up, or turn the microphone up")
    if float(np.abs(samples).max(initial=0.0)) >= CLIPPED:
        problems.append("it clips: turn the microphone down, or move away")
    margin = round(MARGIN * sample_rate)
    return Take(samples[max(start - margin, 0) : end + margin], tuple(problems))


def _decibels(samples: Samples) -> float:
    return float(10 * np.log10(np.mean(np.square(samples)) + 1e-12)) if len(samples) else -120.0


def check_name(kind: str, name: str) -> str:
    """Return a name of a word or a speaker that can stand in a file name, or refuse it.

    Raises
    ------
    SettingsError
        If it is not made of letters, digits, hyphens and underscores.
    """
    if not _NAME.fullmatch(name):
        raise SettingsError(
            f"the {kind} {name!r} cannot name a file; give letters and digits, with - or _ only between them"
        )
    return name


class TakeFiles:
    """Where takes go: one folder a word, and the speaker and the session in the name of each file.

    As in Speech Commands a name is `<speaker>_nohash_<session>-<number>.wav`, so that a speaker is never both trained
    on and measured.

    Parameters
    ----------
    folder : Path
        The corpus.
    speaker : str
        Who speaks.
    sample_rate : int
        Samples a second.
    began : datetime
        When the session began; it tells sessions of the same speaker apart.
    """

    def __init__(self, folder: Path, speaker: str, sample_rate: int, began: datetime) -> None:
        self._folder, self._rate = folder, sample_rate
        self._prefix = f"{speaker}_nohash_{began:%Y%m%dT%H%M%S}"
        self._kept: list[Path] = []

    def keep(self, word: str, samples: Samples) -> Path:
        """Write a take, wholly or not at all, and return its file.

        Raises
        ------
        StorageError
            If it cannot be written.
        """
        number = 1 + sum(path.parent.name == word for path in self._kept)
        path = self._folder / word / f"{self._prefix}-{number:03d}.wav"
        if path.exists():
            raise StorageError(f"{path} exists; give another --speaker or another folder")
        with replacing(path) as file:
            soundfile.write(file, samples, self._rate, format="WAV", subtype="PCM_16")
        self._kept.append(path)
        return path

    def undo(self) -> Path | None:
        """Take back what was kept last, and return its file; None if there is nothing."""
        if not self._kept:
            return None
        path = self._kept.pop()
        path.unlink(missing_ok=True)
        return path

    def counts(self) -> dict[str, int]:
        """Count the takes that this session keeps, by word."""
        words = [path.parent.name for path in self._kept]
        return {word: words.count(word) for word in dict.fromkeys(words)}
