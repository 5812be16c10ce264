"""Keep the clips of a corpus, so that the next training on the same recordings starts at once.

One file holds the fitted clips of one corpus, with the size and modification time of each recording. A recording of
which either differs is read again. So is everything if the file is damaged in any way: it is a ZIP archive written by
NumPy, whose checksums cover every sample. Deleting the file loses nothing.
"""

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sayso.config import FeatureSettings
from sayso.corpus.clips import Clips, load_clips
from sayso.corpus.corpus import Clip
from sayso.errors import DamageError, StorageError, untrusted
from sayso.system.atomic_files import replacing
from sayso.system.user_folders import user_folder

SUFFIX = ".npz"
# Fewer clips than this are not cached, as reading them takes no time worth saving.
FEWEST = 1_000
# Bytes that the cache may take; the files that were used last are kept.
MOST_BYTES = 4 * 10**9
# To be raised whenever the same recording would give a different clip.
_VERSION = 2


def default_folder() -> Path | None:
    """Return the folder for cached clips, where this operating system keeps caches; None without a home folder."""
    folder = user_folder("cache")
    return folder and folder / "clips"


@dataclass(frozen=True)
class ClipCache:
    """The cached clips of one corpus at one sample rate, length and high-pass.

    Attributes
    ----------
    folder : Path
        The folder of the cache.
    corpus : Path
        The folder of the corpus.
    features : FeatureSettings
        Sample rate, length of the window, and high-pass.
    """

    folder: Path
    corpus: Path
    features: FeatureSettings

    @property
    def path(self) -> Path:
        """The file, which differs for each corpus, sample rate, length and high-pass."""
        features = self.features
        key = [_VERSION, str(self.corpus.resolve()), features.sample_rate, features.clip_samples, features.high_pass]
        return self.folder / (hashlib.sha256(json.dumps(key).encode()).hexdigest()[:32] + SUFFIX)

    def load(self, rows: Sequence[Clip], workers: int) -> tuple[Clips, str]:
        """Read clips as `load_clips` does, from the cache where the recordings are unchanged.

        Parameters
        ----------
        rows : sequence of Clip
            The clips to read.
        workers : int
            Number of processes that read what is not in the cache.

        Returns
        -------
        clips : Clips
            The same clips as without a cache.
        warning : str
            What was wrong with the cache, or an empty string.
        """
        if len(rows) < FEWEST:
            return load_clips(rows, self.features, workers), ""
        states = [_state(row.path) for row in rows]
        cached, samples, peaks, warning = self._read()
        entries = [cached.get(self._name(row)) for row in rows]
        known = np.array(
            [
                entry[0] if entry and state and entry[1:] == state else -1
                for entry, state in zip(entries, states, strict=True)
            ]
        )
        unknown = [row for row, position in zip(rows, known, strict=True) if position < 0]
        if not unknown:
            # If nothing has changed they are in order and need not be copied.
            in_order = np.array_equal(known, np.arange(len(samples)))
            inside = (samples, peaks) if in_order else (samples[known], peaks[known])
            with contextlib.suppress(OSError):
                os.utime(self.path)
            return Clips(inside[0], tuple(rows), (), inside[1]), warning
        fresh = load_clips(unknown, self.features, workers)
        clips = _merged(rows, samples, peaks, known, fresh)
        by_path = dict(zip((row.path for row in rows), states, strict=True))
        unwritten = self._write(clips, [by_path[row.path] for row in clips.rows])
        return clips, "; ".join(filter(None, (warning, unwritten)))

    def _name(self, row: Clip) -> str:
        # A table may name a file anywhere.
        inside = row.path.is_relative_to(self.corpus)
        return (row.path.relative_to(self.corpus) if inside else row.path.absolute()).as_posix()

    def _read(self) -> tuple[dict[str, tuple[int, int, int]], NDArray[np.int16], NDArray[np.float32], str]:
        """Return position, size and modification time of each cached recording, clips, their peaks, and a warning."""
        nothing = np.empty((0, self.features.clip_samples), np.int16), np.empty(0, np.float32)
        try:
            # Opening a pipe would wait for ever.
            if not self.path.is_file() and self.path.exists():
                return {}, *nothing, self._deleted("it is not a regular file")
            with untrusted():
                with np.load(self.path, allow_pickle=False) as file:
                    # A damaged number could claim any amount of memory.
                    if sum(entry.file_size for entry in file.zip.infolist()) > self.path.stat().st_size:
                        raise ValueError("it claims to hold more than it does")
                    index = json.loads(file["index"].tobytes())
                    samples, peaks = file["samples"], file["peaks"]
                if samples.dtype != np.int16 or samples.shape != (len(index), self.features.clip_samples):
                    raise ValueError("its parts do not match")
                if peaks.dtype != np.float32 or peaks.shape != (len(index),):
                    raise ValueError("its parts do not match")
                cached = {str(name): (number, int(size), int(time)) for number, (name, size, time) in enumerate(index)}
        except (FileNotFoundError, NotADirectoryError):
            return {}, *nothing, ""
        except (OSError, DamageError) as error:
            return {}, *nothing, self._deleted(str(error) or type(error).__name__)
        return cached, samples, peaks, ""

    def _deleted(self, reason: str) -> str:
        """Delete a cache that cannot be read, and return a warning."""
        try:
            if self.path.is_dir() and not self.path.is_symlink():
                shutil.rmtree(self.path)
            else:
                self.path.unlink()
        except OSError as failure:
            reason += f"; it cannot be deleted: {failure.strerror}"
        return f"the cache {self.path} was damaged ({reason}); the recordings were read again"

    def _write(self, clips: Clips, states: Sequence[tuple[int, int] | None]) -> str:
        """Write clips to the cache; return a warning if they could not be written."""
        index = json.dumps(
            [[self._name(row), *(state or (-1, -1))] for row, state in zip(clips.rows, states, strict=True)]
        )
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if shutil.disk_usage(self.folder).free < 4 * clips.samples.nbytes:
                return f"there is too little space in {self.folder} to cache the clips for the next start"
            with replacing(self.path) as file:
                np.savez(
                    file,
                    index=np.frombuffer(index.encode(), np.uint8),
                    samples=clips.samples,
                    peaks=clips.all_peaks,
                )
        except (OSError, StorageError) as error:
            return f"the clips were not cached for the next start: {error}"
        self._tidy()
        return ""

    def _tidy(self) -> None:
        """Delete the files that have not been used for longest, but never this one, until the rest is small enough."""
        with contextlib.suppress(OSError):
            files = sorted(self.folder.glob(f"*{SUFFIX}"), key=lambda path: path.stat().st_mtime, reverse=True)
            total = 0
            for path in files:
                total += path.stat().st_size
                if total > MOST_BYTES and path != self.path:
                    path.unlink()


def _state(path: Path) -> tuple[int, int] | None:
    """Return size and modification time of a file, or None if it is gone."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


def _merged(
    rows: Sequence[Clip],
    samples: NDArray[np.int16],
    peaks: NDArray[np.float32],
    known: NDArray[np.int64],
    fresh: Clips,
) -> Clips:
    """Return cached clips, at the positions `known`, and fresh ones in the order of `rows`."""
    if not (known >= 0).any():
        return fresh
    positions = dict(zip((row.path for row in fresh.rows), range(len(fresh.rows)), strict=True))
    usable = [number for number, row in enumerate(rows) if known[number] >= 0 or row.path in positions]
    merged = np.empty((len(usable), samples.shape[1]), np.int16)
    merged_peaks = np.empty(len(usable), np.float32)
    for target, number in enumerate(usable):
        if known[number] >= 0:
            merged[target], merged_peaks[target] = samples[known[number]], peaks[known[number]]
        else:
            place = positions[rows[number].path]
            merged[target], merged_peaks[target] = fresh.samples[place], fresh.all_peaks[place]
    return Clips(merged, tuple(rows[number] for number in usable), fresh.skipped, merged_peaks)
