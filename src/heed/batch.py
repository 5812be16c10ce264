"""Many files, one after the other: which files a user means, and the rows that tell what was heard in each."""

import glob
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from heed import audio
from heed.decision import Detection
from heed.errors import AudioError
from heed.recognizer import Recognizer

# A file up to this many seconds is one clip; in a longer one words are sought.
LONGEST_CLIP = 2.0


@dataclass(frozen=True)
class Row:
    """What was heard in a file.

    Attributes
    ----------
    path : str
        The file.
    detection : Detection or None
        What was heard; None if there was no word in a long file, or the file could not be read.
    error : str
        Why the file could not be read, or nothing.
    """

    path: str
    detection: Detection | None = None
    error: str = ""


def sound_files(places: Sequence[str]) -> list[str]:
    """Return the files that are meant by files, folders (with all sound files below) and patterns, each once, in order.

    A place where nothing is found is returned itself, so that reading it tells what is wrong.
    """
    files: dict[str, None] = {}
    for place in places:
        path = Path(place)
        if path.is_dir():
            found = [str(file) for file in sorted(path.rglob("*")) if file.suffix.lower() in audio.AUDIO_SUFFIXES]
        else:
            found = [] if path.exists() else sorted(glob.glob(place, recursive=True))  # noqa: PTH207 - the pattern may be absolute
        files |= dict.fromkeys(found or [place])
    return list(files)


def classify_file(recognizer: Recognizer, path: str) -> Iterator[Row]:
    """Tell the word in a clip, or the words in a longer file, as soon as each is known."""
    try:
        if audio.duration(path) <= LONGEST_CLIP:
            yield Row(path, recognizer.classify(path))
            return
        heard = False
        for detection in recognizer.detect(audio.read_chunks(path, recognizer.model.features.sample_rate)):
            heard = True
            yield Row(path, detection)
        if not heard:
            yield Row(path)
    except AudioError as error:
        yield Row(path, error=str(error))
