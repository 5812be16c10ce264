"""Split a corpus into training, validation and testing, so that each speaker is in only one of them."""

import hashlib
import math
import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, get_args

from sayso.config import SILENCE, UNKNOWN
from sayso.errors import CorpusError

Split = Literal["training", "validation", "testing"]

_SPEAKER = re.compile(r"(?P<speaker>.+?)_nohash_.*")


def official_split(speaker: str) -> Split:
    """Return the split of a speaker by the rule of the Speech Commands corpus.

    The SHA-1 hash of the name is taken as a percentage: below 10 is for validation, from 10 to below 20 for testing,
    the rest for training. From the README of Speech Commands v0.02 (Warden 2018, arXiv:1804.03209).
    """
    largest = 2**27 - 1
    percentage = int.from_bytes(_hash(speaker)) % (largest + 1) * (100 / largest)
    return "validation" if percentage < 10 else "testing" if percentage < 20 else "training"


def _hash(name: str) -> bytes:
    # A file name need not be valid text; the escapes give back its bytes on disk.
    return hashlib.sha1(name.encode("utf-8", "surrogateescape"), usedforsecurity=False).digest()


def speaker_of(path: Path) -> str | None:
    """Return the speaker that a file name like `<speaker>_nohash_<n>.wav` gives, or None."""
    match = _SPEAKER.fullmatch(path.stem)
    return match["speaker"] if match else None


def is_test_archive(words: Iterable[str]) -> bool:
    """Return whether the words of a corpus are those of a separate test set, like the official one."""
    return {SILENCE, UNKNOWN} <= set(words)


def assign_splits(root: Path, files: dict[str, list[Path]], warnings: list[str]) -> dict[str, Split]:
    """Return the split of each clip, keyed by `word/file`, by the rules that `corpus.scan` describes.

    Parameters
    ----------
    root : Path
        The corpus, which may hold split lists.
    files : dict of str to list of Path
        The clips of each word.
    warnings : list of str
        Warnings about the split are appended to this.
    """
    names = [f"{word}/{path.name}" for word, paths in files.items() for path in paths]
    if is_test_archive(word for word, paths in files.items() if paths):
        return dict.fromkeys(names, "testing")
    listed = _read_lists(root, warnings)
    if listed is not None:
        if strangers := sorted(listed.keys() - set(names)):
            warnings.append(
                f"the split lists name {len(strangers)} files that are not usable clips, such as {strangers[0]}"
            )
        return {name: listed.get(name, "training") for name in names}

    speakers = {name: speaker_of(Path(name)) for name in names}
    voices = _voices(speakers.values())
    splits: dict[str, Split] = {}
    nameless: defaultdict[str, list[str]] = defaultdict(list)
    for name, speaker in speakers.items():
        if speaker in voices:
            splits[name] = voices[speaker]
        else:
            nameless[name.partition("/")[0]].append(name)
    for group in nameless.values():
        splits |= _ranked(group)
    if count := sum(map(len, nameless.values())):
        reason = "do not name their speaker (<speaker>_nohash_<n>.wav)"
        if None not in speakers.values():
            reason = "are by one or two speakers"
        warnings.append(
            f"{count} of {len(names)} clips {reason}, so they are split by file name: the same voice may be in "
            "training and in testing, which makes the accuracy look better than it is"
        )
    return splits


def _voices(speakers: Iterable[str | None]) -> dict[str | None, Split]:
    """Return the split of each speaker; an empty dict if there are too few to keep each in one split."""
    found = set(speakers)
    named = sorted(name for name in found if name is not None)
    splits = {name: official_split(name) for name in named}
    # With clips whose speaker is unknown, which `_ranked` splits, or with many speakers, no split stays empty.
    if None not in found and not {"training", "validation"} <= set(splits.values()):
        splits = _ranked(named) if len(named) >= 3 else {}
    return dict(splits.items())


def _ranked(names: list[str]) -> dict[str, Split]:
    """Split names by the rank of their hashes, so that as few as three give each split one."""
    share = math.ceil(len(names) / 10) if len(names) >= 3 else 0
    order = sorted(names, key=_hash)
    splits: dict[str, Split] = dict.fromkeys(order, "training")
    splits.update(dict.fromkeys(order[:share], "validation"))
    splits.update(dict.fromkeys(order[share : 2 * share], "testing"))
    return splits


def _read_lists(root: Path, warnings: list[str]) -> dict[str, Split] | None:
    """Return the split of every name in the split lists of a corpus, or None if it has no lists."""
    listed: dict[str, Split] | None = None
    for split in get_args(Split)[1:]:
        path = root / f"{split}_list.txt"
        if path.exists() and not path.is_file():
            raise CorpusError(f"cannot read {path}: it is not a regular file; expected lines like word/file.wav")
        try:
            lines = path.read_text(encoding="utf-8-sig").splitlines()
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise CorpusError(f"cannot read {path}: {reason}; expected lines like word/file.wav") from error
        names = {line.strip() for line in lines if line.strip()}
        listed = listed or {}
        if both := names & listed.keys():
            warnings.append(f"the split lists name {len(both)} files twice, such as {min(both)}; they count as {split}")
        listed |= dict.fromkeys(names, split)
    return listed
