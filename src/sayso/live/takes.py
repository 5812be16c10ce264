"""Takes, the recordings of single words: they are trimmed to the word, checked for problems and written to files."""

import unicodedata
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
# Decibels by which speech must exceed the sound around it.
LEAST_RISE = 12.0
# Below this level in dBFS, the noise of the microphone is too close to the speech.
TOO_QUIET = -45.0
# Speech within this many seconds of an end of the recording was probably cut off.
EDGE = 0.05
# Longest phrase that can be taught, in seconds: two windows of the network.
LONGEST = 2.0
# Seconds of quiet that end a word, longer than any within one; and the least that a word takes, unlike a click.
PAUSE, SHORTEST = 0.4, 0.08

# Bytes of a name, of which a file name of 255 holds one, and the session.
LONGEST_NAME = 150
_JOINERS = "\u200c\u200d"


@dataclass(frozen=True)
class Take:
    """One recording of one word.

    Attributes
    ----------
    samples : ndarray of float32, shape (samples,)
        The word with a margin before and after it.
    problems : tuple of str
        What is wrong with it and what to do, worst first; empty if nothing is wrong.
    """

    samples: Samples
    problems: tuple[str, ...]


def trimmed(samples: Samples, sample_rate: int) -> Take:
    """Find the word in a recording, trim the recording to it and check it.

    Parameters
    ----------
    samples : ndarray of float32, shape (samples,)
        The whole recording; full scale is ±1.
    sample_rate : int
        Samples per second.
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
            problems.append(f"it is longer than {LONGEST:g} s, all that can be taught: speak faster, or say less")
        if level < TOO_QUIET:
            problems.append(f"it is very quiet ({level:.0f} dB): speak up, or turn the microphone up")
    if float(np.abs(samples).max(initial=0.0)) >= CLIPPED:
        problems.append("it clips: turn the microphone down, or move away")
    margin = round(MARGIN * sample_rate)
    return Take(samples[max(start - margin, 0) : end + margin], tuple(problems))


def is_over(samples: Samples, sample_rate: int) -> bool:
    """Return whether a word was said in a recording that still runs: `PAUSE` seconds of quiet have followed it."""
    start, end = speech_bounds(samples, sample_rate)
    if end - start < SHORTEST * sample_rate or len(samples) - end < PAUSE * sample_rate:
        return False
    return _decibels(samples[start:end]) - _decibels(np.concatenate([samples[:start], samples[end:]])) >= LEAST_RISE


def _decibels(samples: Samples) -> float:
    return float(10 * np.log10(np.mean(np.square(samples)) + 1e-12)) if len(samples) else -120.0


def check_name(kind: str, name: str) -> str:
    """Return the name of a word or speaker, composed as Unicode's NFC, if it can be part of a file name.

    Parameters
    ----------
    kind : str
        "word" or "speaker", for the message.
    name : str
        The name.

    Raises
    ------
    SettingsError
        If it is not made of letters and digits of any script, or is long. Between them a name may have hyphens and
        underscores, and a word, which may be a phrase, also apostrophes and spaces.
    """
    composed = unicodedata.normalize("NFC", name)
    between = "-_" if kind == "speaker" else "-_'\u2019 "
    allowed = all(_is_part(character) or character in between for character in composed)
    if not allowed or not composed or composed != composed.strip(between):
        others = "- or _" if kind == "speaker" else "-, _, ' or a space"
        raise SettingsError(
            f"the {kind} {name!r} cannot name a file; give letters and digits, with {others} only between them"
        )
    if len(composed.encode()) > LONGEST_NAME:
        raise SettingsError(
            f"the {kind} {name!r} has {len(composed.encode())} bytes; give a name of at most {LONGEST_NAME}"
        )
    return composed


def speaker_named(user: str) -> str:
    """Turn the name of a user, which may hold anything, into the name of a speaker; "speaker" if nothing remains."""
    parts = "".join(
        character if _is_part(character) else " " for character in unicodedata.normalize("NFC", user)
    ).split()
    name = "-".join(parts).encode()[:LONGEST_NAME].decode(errors="ignore").rstrip("-")
    return name or "speaker"


def _is_part(character: str) -> bool:
    """Return whether a character is of a word in some script: letters, their marks, digits, joiners of letters."""
    return unicodedata.category(character)[0] in "LMN" or character in _JOINERS


class TakeFiles:
    """The files of takes: one folder for each word, with the speaker and the session in each file name.

    As in Speech Commands, a name is `<speaker>_nohash_<session>-<number>.wav`, so that all takes of a speaker fall into
    the same split.

    Parameters
    ----------
    folder : Path
        The corpus.
    speaker : str
        Name of the speaker.
    sample_rate : int
        Samples per second.
    started : datetime
        Start of the session; it distinguishes sessions of the same speaker.
    """

    def __init__(self, folder: Path, speaker: str, sample_rate: int, started: datetime) -> None:
        self.folder, self._speaker, self._rate = folder, speaker, sample_rate
        self._prefix = f"{speaker}_nohash_{started:%Y%m%dT%H%M%S}"
        self._paths: list[Path] = []

    def save(self, word: str, samples: Samples) -> Path:
        """Write a take, completely or not at all, and return its path.

        Raises
        ------
        StorageError
            If the file exists or cannot be written.
        """
        number = 1 + sum(path.parent.name == word for path in self._paths)
        path = self.folder / word / f"{self._prefix}-{number:03d}.wav"
        if path.exists():
            raise StorageError(f"{path} exists; give another --speaker or another folder")
        with replacing(path) as file:
            soundfile.write(file, samples, self._rate, format="WAV", subtype="PCM_16")
        self._paths.append(path)
        return path

    def undo(self) -> Path | None:
        """Delete the take that was saved last and return its path; None if there is none."""
        if not self._paths:
            return None
        path = self._paths.pop()
        path.unlink(missing_ok=True)
        return path

    def taken(self, word: str) -> int:
        """Count the takes of a word by this speaker, also those of earlier sessions."""
        return len(list((self.folder / word).glob(f"{self._speaker}_nohash_*.wav")))

    def counts(self) -> dict[str, int]:
        """Count the saved takes of this session by word."""
        words = [path.parent.name for path in self._paths]
        return {word: words.count(word) for word in dict.fromkeys(words)}
