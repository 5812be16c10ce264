"""Clips that were read once are kept, so that the next training on the same recordings starts at once.

One file holds the fitted clips of one corpus, and of each recording its size and the time of its last change. A
recording of which either differs is read anew, as is everything when the file is damaged: it is a ZIP archive as NumPy
writes it, whose checksums cover every sample. Nothing is lost by deleting it.
"""

import contextlib
import hashlib
import json
import os
import shutil
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sayso.config import FeatureSettings
from sayso.corpus.clips import Clips, load_clips
from sayso.corpus.corpus import Clip
from sayso.errors import StorageError
from sayso.system.atomic_files import replacing

SUFFIX = ".npz"
# Fewer clips than this are read in a moment.
FEWEST = 1_000
# The files that were used last are kept, as many as fit into so many bytes.
MOST_BYTES = 4 * 10**9
# To be raised whenever the same recording would become another clip.
_VERSION = 1


def default_folder() -> Path:
    """Return the folder for what can be made again, where this system expects it."""
    from platformdirs import user_cache_path

    return user_cache_path("sayso") / "clips"


@dataclass(frozen=True)
class ClipCache:
    """The kept clips of one corpus at one rate and length.

    Attributes
    ----------
    folder : Path
        Where such files lie.
    corpus : Path
        The folder of the corpus.
    features : FeatureSettings
        Sample rate and length of the window.
    """

    folder: Path
    corpus: Path
    features: FeatureSettings

    @property
    def path(self) -> Path:
        """The file; another corpus, rate or length has another."""
        key = [_VERSION, str(self.corpus.resolve()), self.features.sample_rate, self.features.clip_samples]
        return self.folder / (hashlib.sha256(json.dumps(key).encode()).hexdigest()[:32] + SUFFIX)

    def load(self, rows: Sequence[Clip], workers: int) -> tuple[Clips, str]:
        """Read clips as `load_clips` does, from the cache where the recordings are unchanged.

        Parameters
        ----------
        rows : sequence of Clip
            What to read.
        workers : int
            How many processes read what is not in the cache.

        Returns
        -------
        store : Clips
            The same clips as without a cache.
        warning : str
            What was wrong with the cache, or nothing.
        """
        if len(rows) < FEWEST:
            return load_clips(rows, self.features, workers), ""
        states = [_state(row.path) for row in rows]
        kept, samples, warning = self._read()
        places = [kept.get(self._name(row)) for row in rows]
        known = np.array(
            [
                place[0] if place and state and place[1:] == state else -1
                for place, state in zip(places, states, strict=True)
            ]
        )
        unknown = [row for row, place in zip(rows, known, strict=True) if place < 0]
        if not unknown:
            # In the order in which they lie, as they do when nothing changed, they need not be copied.
            inside = samples if np.array_equal(known, np.arange(len(samples))) else samples[known]
            with contextlib.suppress(OSError):
                os.utime(self.path)
            return Clips(inside, tuple(rows), ()), warning
        fresh = load_clips(unknown, self.features, workers)
        store = _merged(rows, samples, known, fresh)
        by_path = dict(zip((row.path for row in rows), states, strict=True))
        return store, warning or self._write(store, [by_path[row.path] for row in store.rows])

    def _name(self, row: Clip) -> str:
        return row.path.relative_to(self.corpus).as_posix()

    def _read(self) -> tuple[dict[str, tuple[int, int, int]], NDArray[np.int16], str]:
        """Return place, size and time of change of each kept recording, their clips, and what is wrong."""
        nothing = np.empty((0, self.features.clip_samples), np.int16)
        try:
            with np.load(self.path, allow_pickle=False) as file:
                index = json.loads(file["index"].tobytes())
                samples = file["samples"]
            if samples.dtype != np.int16 or samples.shape != (len(index), self.features.clip_samples):
                raise ValueError("its parts do not fit together")
            kept = {str(name): (place, int(size), int(changed)) for place, (name, size, changed) in enumerate(index)}
        except (FileNotFoundError, NotADirectoryError):
            return {}, nothing, ""
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            with contextlib.suppress(OSError):
                self.path.unlink()
            return {}, nothing, f"the cache {self.path} was damaged ({error}); the recordings were read anew"
        return kept, samples, ""

    def _write(self, store: Clips, states: Sequence[tuple[int, int] | None]) -> str:
        """Keep clips for the next time; return what stood in the way."""
        index = json.dumps(
            [[self._name(row), *(state or (-1, -1))] for row, state in zip(store.rows, states, strict=True)]
        )
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if shutil.disk_usage(self.folder).free < 4 * store.samples.nbytes:
                return f"too little space in {self.folder} to keep the clips for the next start"
            with replacing(self.path) as file:
                np.savez(file, index=np.frombuffer(index.encode(), np.uint8), samples=store.samples)
        except (OSError, StorageError) as error:
            return f"the clips are not kept for the next start: {error}"
        self._tidy()
        return ""

    def _tidy(self) -> None:
        """Delete the files that were not used for longest, until the rest is small enough; never this one."""
        with contextlib.suppress(OSError):
            files = sorted(self.folder.glob(f"*{SUFFIX}"), key=lambda path: path.stat().st_mtime, reverse=True)
            total = 0
            for path in files:
                total += path.stat().st_size
                if total > MOST_BYTES and path != self.path:
                    path.unlink()


def _state(path: Path) -> tuple[int, int] | None:
    """Return size and time of the last change of a file, or None if it is gone."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


def _merged(rows: Sequence[Clip], samples: NDArray[np.int16], known: NDArray[np.int64], fresh: Clips) -> Clips:
    """Put kept clips, at the places `known`, and fresh ones together in the order of `rows`."""
    if not (known >= 0).any():
        return fresh
    places = dict(zip((row.path for row in fresh.rows), range(len(fresh.rows)), strict=True))
    usable = [place for place, row in enumerate(rows) if known[place] >= 0 or row.path in places]
    merged = np.empty((len(usable), samples.shape[1]), np.int16)
    for target, place in enumerate(usable):
        merged[target] = samples[known[place]] if known[place] >= 0 else fresh.samples[places[rows[place].path]]
    return Clips(merged, tuple(rows[place] for place in usable), fresh.skipped)
