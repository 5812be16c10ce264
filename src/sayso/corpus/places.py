"""Where words are in recordings of running speech: a table beside the recordings, and the words cut out by it.

A table `words.tsv` has the columns `clip`, `start`, `end` and `word`, separated by tabs: the path of a recording
relative to the table, without its suffix, and the place of a word in seconds. Such tables come from forced alignment.
"""

import csv
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sayso.config import FeatureSettings
from sayso.config.labels import nfc
from sayso.corpus.clips import Clips, read_sound, to_int16
from sayso.corpus.corpus import Clip
from sayso.errors import CorpusError

TABLE = "words.tsv"
COLUMNS = ("clip", "start", "end", "word")
# A word that has fewer places is not cut out, and of one that has more than the second, evenly spread ones are.
FEWEST, MOST = 12, 120
# Shortest and longest place of a word, in seconds; aligners give shorter ones where they found nothing.
SHORTEST, LONGEST = 0.12, 0.95


class Place(NamedTuple):
    """The place of one word in a recording.

    Attributes
    ----------
    start, end : float
        In seconds.
    word : str
        The word.
    """

    start: float
    end: float
    word: str


Places = Mapping[Path, Sequence[Place]]


def read_places(folder: Path) -> Places:
    """Read the table of words of a folder of running speech.

    Parameters
    ----------
    folder : Path
        The folder; without `words.tsv` in it nothing is known of the words.

    Returns
    -------
    places : mapping of Path to sequence of Place
        The words of each recording, by its path without suffix.

    Raises
    ------
    CorpusError
        If the table cannot be read.
    """
    path = folder / TABLE
    places: defaultdict[Path, list[Place]] = defaultdict(list)
    try:
        if not path.exists():
            return places
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
            if missing := set(COLUMNS) - set(rows.fieldnames or ()):
                raise ValueError(f"it has no column {min(missing)!r}")
            for row in rows:
                place = Place(float(row["start"]), float(row["end"]), nfc(row["word"]))
                if not 0 <= place.start <= place.end:
                    raise ValueError(f"line {rows.line_num} has a word from {row['start']} to {row['end']}")
                places[folder / row["clip"]].append(place)
    except (OSError, ValueError, TypeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise CorpusError(f"cannot read {path}: {reason}; expected the columns {', '.join(COLUMNS)}") from error
    return places


def places_in(paths: Iterable[Path], places: Places) -> dict[Path, Sequence[Place]]:
    """Return the words of those of the recordings whose words are known, by the path with suffix."""
    return {path: found for path in paths if (found := places.get(path.with_suffix("")))}


def cut_words(places: Places, features: FeatureSettings, excluded: Iterable[str], threads: int) -> Clips:
    """Cut words out of running speech, each in the middle of a window, with what is said before and after it.

    Parameters
    ----------
    places : mapping of Path to sequence of Place
        The words of each recording, by its path.
    features : FeatureSettings
        Sample rate and length of the window.
    excluded : iterable of str
        Words that are not cut out: within a sentence, a label of the model is unknown speech.
    threads : int
        How many threads read; the result does not depend on it.
    """
    chosen = _chosen(places, frozenset(excluded))
    length, rate = features.clip_samples, features.sample_rate

    def cut(pairs: Sequence[tuple[Path, Place]]) -> list[tuple[NDArray[np.int16], float]]:
        sound = np.pad(read_sound(pairs[0][0], features), length)
        starts = [length // 2 + round((place.start + place.end) / 2 * rate) for _, place in pairs]
        # What the table says may lie behind the end of the recording.
        return [to_int16(sound[(at := min(start, len(sound) - length)) : at + length]) for start in starts]

    recordings = [list(group) for _, group in groupby(chosen, key=lambda pair: pair[0])]
    with ThreadPoolExecutor(threads) as pool:
        cuts = [window for windows in pool.map(cut, recordings) for window in windows]
    samples = np.array([window for window, _ in cuts], np.int16).reshape(-1, length)
    rows = tuple(Clip(path, place.word, None, "training") for path, place in chosen)
    return Clips(samples, rows, (), np.array([peak for _, peak in cuts], np.float32))


def _chosen(places: Places, excluded: frozenset[str]) -> list[tuple[Path, Place]]:
    """Return the places of words that are frequent enough, of each at most `MOST`, in the order of the recordings."""
    found: defaultdict[str, list[tuple[Path, Place]]] = defaultdict(list)
    for path, words in places.items():
        for place in words:
            if SHORTEST <= place.end - place.start <= LONGEST and place.word not in excluded:
                found[place.word].append((path, place))
    kept = [
        pairs[position]
        for pairs in found.values()
        if len(pairs) >= FEWEST
        for position in np.linspace(0, len(pairs) - 1, min(len(pairs), MOST)).round().astype(int)
    ]
    return sorted(kept)
