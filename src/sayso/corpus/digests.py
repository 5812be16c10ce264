"""Digests of clips, by which the same recording is found again: under two words, in two splits, in a trained model."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from sayso.corpus.corpus import Clip

# Bytes of a digest: so few that a model can keep one for each clip; one clip in ten million is taken for another.
BYTES = 5

Digests = NDArray[np.uint64]


def digests(samples: NDArray[np.int16]) -> Digests:
    """Compute a digest of each clip; 0 for a clip of silence, which is no recording of anything.

    Parameters
    ----------
    samples : ndarray of int16, shape (clips, samples)
        The clips, each fitted to the window of a network.

    Returns
    -------
    digests : ndarray of uint64, shape (clips,)
        Numbers of `BYTES` bytes.
    """

    def digest(clip: NDArray[np.int16]) -> int:
        return digest_of(clip.tobytes()) if clip.any() else 0

    with ThreadPoolExecutor() as pool:
        return np.fromiter(pool.map(digest, samples), np.uint64, len(samples))


def digest_of(content: bytes) -> int:
    """Return the digest of some bytes, never 0."""
    return int.from_bytes(hashlib.blake2b(content, digest_size=BYTES).digest(), "little") or 1


def packed(values: Digests) -> NDArray[np.uint8]:
    """Return the digests for a model file, each once and none of silence, shape (digests, BYTES)."""
    unique = np.unique(values[values > 0]).astype("<u8")
    return np.ascontiguousarray(unique.view(np.uint8).reshape(-1, 8)[:, :BYTES])


def unpacked(content: NDArray[np.uint8]) -> Digests:
    """Return the digests that `packed` gives.

    Raises
    ------
    ValueError
        If the array has another type or shape.
    """
    if content.dtype != np.uint8 or content.ndim != 2 or content.shape[1] != BYTES:
        raise ValueError(f"the digests of clips are not bytes of shape (digests, {BYTES})")
    padded = np.zeros((len(content), 8), np.uint8)
    padded[:, :BYTES] = content
    return padded.view("<u8")[:, 0].astype(np.uint64)


def repeated(rows: Sequence[Clip], values: Sequence[int]) -> list[str]:
    """Warn of the recordings that are under two words or in two splits, one line for each kind.

    Parameters
    ----------
    rows : sequence of Clip
        The clips.
    values : sequence of int
        The digest of each.
    """
    places: defaultdict[int, list[Clip]] = defaultdict(list)
    for row, value in zip(rows, values, strict=True):
        if value:
            places[int(value)].append(row)
    groups = [same for same in places.values() if len(same) > 1]
    words = [same for same in groups if len({row.word for row in same}) > 1]
    splits = [same for same in groups if len({row.split for row in same}) > 1]
    warnings = []
    if words:
        first = next((row, other) for row in words[0] for other in words[0] if row.word != other.word)
        warnings.append(
            f"{len(words)} recordings are under two words, such as {first[0].path} and {first[1].path}: "
            "delete the one under the wrong word"
        )
    if splits:
        first = next((row, other) for row in splits[0] for other in splits[0] if row.split != other.split)
        warnings.append(
            f"{len(splits)} recordings are in two splits, such as {first[0].path} ({first[0].split}) and "
            f"{first[1].path} ({first[1].split}), which makes the accuracy look better than it is: delete one of each"
        )
    return warnings
