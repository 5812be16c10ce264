"""Split a corpus into training, validation and testing, so that each speaker is in only one of them."""

import hashlib
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from sayso.config import SILENCE, UNKNOWN
from sayso.config.labels import nfc
from sayso.errors import CorpusError
from sayso.system.text import decoded

Split = Literal["training", "validation", "testing"]
JUDGING: tuple[Split, ...] = ("validation", "testing")
# Words that are named in a warning.
_NAMED = 5


@dataclass(frozen=True)
class Utterance:
    """What decides about the split of one clip.

    Attributes
    ----------
    name : str
        Its path within the corpus, as in `word/file.wav`.
    word : str
        What is said.
    speaker : str or None
        Who says it, if that is known.
    split : {"training", "validation", "testing"} or None
        The split that its folder or a table gives it.
    """

    name: str
    word: str
    speaker: str | None
    split: Split | None = None


def official_split(speaker: str) -> Split:
    """Return the split of a speaker by the rule of the Speech Commands corpus.

    The `percentage` of the name decides: below 10 is for validation, from 10 to below 20 for testing, the rest for
    training. From the README of Speech Commands v0.02 (Warden 2018, arXiv:1804.03209).
    """
    place = percentage(speaker)
    return "validation" if place < 10 else "testing" if place < 20 else "training"


def percentage(speaker: str) -> float:
    """Return the SHA-1 hash of a name as a percentage, from 0 to 100, by the rule of Speech Commands."""
    largest = 2**27 - 1
    return int.from_bytes(_hash(speaker)) % (largest + 1) * (100 / largest)


def _hash(name: str) -> bytes:
    # A file name need not be valid text; the escapes give back its bytes on disk.
    return hashlib.sha1(name.encode("utf-8", "surrogateescape"), usedforsecurity=False).digest()


def is_test_archive(words: Iterable[str]) -> bool:
    """Return whether the words of a corpus are those of a separate test set, like the official one."""
    return {SILENCE, UNKNOWN} <= set(words)


def assign_splits(root: Path, clips: Sequence[Utterance], warnings: list[str]) -> list[Split]:
    """Return the split of each clip, by the rules that `corpus.scan` describes.

    Parameters
    ----------
    root : Path
        The corpus, which may hold split lists.
    clips : sequence of Utterance
        The clips.
    warnings : list of str
        Warnings about the split are appended to this.
    """
    given: list[Split | None] = [clip.split for clip in clips]
    decided: set[Split] = set(filter(None, given))
    if not decided:
        if is_test_archive(clip.word for clip in clips):
            return ["testing"] * len(clips)
        if (lists := _read_lists(root, warnings)) is not None:
            listed, decided = lists
            if unused := sorted(listed.keys() - {nfc(clip.name) for clip in clips}):
                warnings.append(
                    f"the split lists name {len(unused)} files that are not usable clips, such as {unused[0]}"
                )
            given = [listed.get(nfc(clip.name)) for clip in clips]
    if not decided:
        return _divided(clips, JUDGING, warnings)
    splits: list[Split] = [split or "training" for split in given]
    _warn_of_shared_speakers(clips, splits, warnings)
    if "validation" in decided or "training" not in splits:
        return splits
    # Who gives a test set alone wants the rest for training, of which a part is needed to choose the best epoch.
    rest = [place for place, split in enumerate(splits) if split == "training"]
    divided = _divided([clips[place] for place in rest], ("validation",), warnings)
    for place, split in zip(rest, divided, strict=True):
        splits[place] = split
    return splits


def _warn_of_shared_speakers(clips: Sequence[Utterance], splits: Sequence[Split], warnings: list[str]) -> None:
    """Warn if a split that was given has a speaker on both sides of training."""
    sides: defaultdict[str, set[bool]] = defaultdict(set)
    for clip, split in zip(clips, splits, strict=True):
        if clip.speaker is not None:
            sides[clip.speaker].add(split == "testing")
    if shared := sorted(speaker for speaker, found in sides.items() if len(found) > 1):
        warnings.append(
            f"{len(shared)} speakers are in training and in testing as well, such as {shared[0]}, which makes the "
            "accuracy look better than it is; test on other speakers"
        )


def _divided(clips: Sequence[Utterance], judging: Sequence[Split], warnings: list[str]) -> list[Split]:
    """Divide clips between training and one or two other splits, by speaker where a word has enough of them."""
    speakers: defaultdict[str, set[str]] = defaultdict(set)
    for clip in clips:
        if clip.speaker is not None:
            speakers[clip.word].add(clip.speaker)
    voices = _voices(speakers, judging)
    apart = {
        word
        for word, found in speakers.items()
        if len(found) > len(judging) and {"training", "validation"} <= {voices[speaker] for speaker in found}
    }
    splits: dict[int, Split] = {}
    groups: defaultdict[str, list[int]] = defaultdict(list)
    for place, clip in enumerate(clips):
        if clip.speaker is not None and clip.word in apart:
            splits[place] = voices[clip.speaker]
        else:
            groups[clip.word].append(place)
    for places in groups.values():
        ranked = _ranked([clips[place].name for place in places], judging)
        splits |= {place: ranked[clips[place].name] for place in places}
    _warn_of_shared_voices(clips, groups, len({name for found in speakers.values() for name in found}), warnings)
    return [splits[place] for place in range(len(clips))]


def _warn_of_shared_voices(
    clips: Sequence[Utterance], groups: dict[str, list[int]], speakers: int, warnings: list[str]
) -> None:
    """Warn of the clips that are split by file name, and say why."""
    danger = (
        "so they are split by file name: the same voice may be in training and in testing, which makes the accuracy "
        "look better than it is"
    )
    nameless = [place for places in groups.values() for place in places if clips[place].speaker is None]
    if nameless:
        warnings.append(
            f"{len(nameless)} of {len(clips)} clips do not name their speaker (<speaker>_nohash_<n>.wav), {danger}; "
            "if their paths name it in another way, say how with --speaker REGEX"
        )
    few = {word: places for word, places in groups.items() if any(clips[place].speaker is not None for place in places)}
    if few:
        count = sum(clips[place].speaker is not None for places in few.values() for place in places)
        words = ", ".join(sorted(few)[:_NAMED]) + (" …" if len(few) > _NAMED else "")
        reason = "are by one or two speakers" if speakers < 3 else f"are of words that have too few speakers ({words})"
        warnings.append(f"{count} of {len(clips)} clips {reason}, {danger}; record at least three people")


def _voices(speakers: dict[str, set[str]], judging: Sequence[Split]) -> dict[str, Split]:
    """Return the split of each speaker: the official one, changed where a word would lack a split.

    Parameters
    ----------
    speakers : dict of str to set of str
        The speakers of each word.
    judging : sequence of {"validation", "testing"}
        The splits that are needed beside training.
    """
    voices: dict[str, Split] = {}
    for speaker in sorted({speaker for found in speakers.values() for speaker in found}):
        split = official_split(speaker)
        voices[speaker] = split if split in judging else "training"
    # With fewer speakers than splits, no choice gives a word all of them.
    words = {word: found for word, found in speakers.items() if len(found) > len(judging)}
    counts = {word: dict.fromkeys(get_args(Split), 0) for word in words}
    said_by: defaultdict[str, list[str]] = defaultdict(list)
    for word, found in words.items():
        for speaker in found:
            counts[word][voices[speaker]] += 1
            said_by[speaker].append(word)
    # The words with the fewest speakers leave the least choice.
    for word in sorted(words, key=lambda word: (len(words[word]), word)):
        for split in ("training", *judging):
            if counts[word][split]:
                continue
            # Nobody moves who is the last of a split in any of their words.
            free = [
                speaker
                for speaker in words[word]
                if all(counts[said][voices[speaker]] > 1 for said in said_by[speaker])
            ]
            if free:
                moved = min(free, key=lambda speaker: (-counts[word][voices[speaker]], _hash(speaker)))
                for said in said_by[moved]:
                    counts[said][voices[moved]] -= 1
                    counts[said][split] += 1
                voices[moved] = split
    return voices


def _ranked(names: Sequence[str], judging: Sequence[Split]) -> dict[str, Split]:
    """Split names by the rank of their hashes, so that as few as one for each split are enough."""
    share = math.ceil(len(names) / 10) if len(names) > len(judging) else 0
    order = sorted(names, key=_hash)
    splits: dict[str, Split] = dict.fromkeys(order, "training")
    for number, split in enumerate(judging):
        splits.update(dict.fromkeys(order[number * share : (number + 1) * share], split))
    return splits


def _read_lists(root: Path, warnings: list[str]) -> tuple[dict[str, Split], set[Split]] | None:
    """Return the split of every name in the split lists of a corpus, and which lists there are; None without any."""
    listed: dict[str, Split] = {}
    found: set[Split] = set()
    for split in JUDGING:
        path = root / f"{split}_list.txt"
        if path.exists() and not path.is_file():
            raise CorpusError(f"cannot read {path}: it is not a regular file; expected lines like word/file.wav")
        try:
            lines = decoded(path.read_bytes()).splitlines()
        except (FileNotFoundError, NotADirectoryError):
            continue
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise CorpusError(f"cannot read {path}: {reason}; expected lines like word/file.wav") from error
        names = {nfc(line.strip()) for line in lines if line.strip()}
        found.add(split)
        if both := names & listed.keys():
            warnings.append(f"the split lists name {len(both)} files twice, such as {min(both)}; they count as {split}")
        listed |= dict.fromkeys(names, split)
    return (listed, found) if found else None
