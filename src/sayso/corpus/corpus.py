"""A folder of words becomes rows: which clip holds which word, who speaks it, and what it is used for.

No sound file is opened here; what cannot be a clip is named with the reason, never dropped silently.
"""

import hashlib
import math
import os
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from sayso.config import SILENCE, UNKNOWN
from sayso.errors import CorpusError
from sayso.sound.audio import AUDIO_SUFFIXES

Split = Literal["training", "validation", "testing"]

NOISE_FOLDER = "_background_noise_"
LAYOUT = "expected FOLDER/<word>/<sound files>, one folder for each word"

_SPEAKER = re.compile(r"(?P<speaker>.+?)_nohash_.*")
_DOCUMENT = re.compile(r"(README|LICEN[CS]E)(\..*)?|.*\.(txt|csv)", re.IGNORECASE)


@dataclass(frozen=True)
class Clip:
    """One recording of one word.

    Attributes
    ----------
    path : Path
        The sound file.
    word : str
        The name of its folder.
    speaker : str or None
        Who speaks, if the file is called `<speaker>_nohash_<n>`.
    split : {"training", "validation", "testing"}
        What the clip is used for.
    """

    path: Path
    word: str
    speaker: str | None
    split: Split


@dataclass(frozen=True)
class Skipped:
    """A file or folder that is not used, and why."""

    path: Path
    reason: str


@dataclass(frozen=True)
class Corpus:
    """What a folder of recordings holds.

    Attributes
    ----------
    root : Path
        The folder.
    clips : tuple of Clip
        All clips, sorted by word and file name.
    noises : tuple of Path
        The recordings of background noise.
    skipped : tuple of Skipped
        What was left out.
    warnings : tuple of str
        What a user should know before trusting figures measured on this corpus; one line each.
    """

    root: Path
    clips: tuple[Clip, ...]
    noises: tuple[Path, ...]
    skipped: tuple[Skipped, ...]
    warnings: tuple[str, ...]

    @property
    def words(self) -> tuple[str, ...]:
        """The words that have clips, sorted."""
        return tuple(sorted({clip.word for clip in self.clips}))

    @property
    def is_test_archive(self) -> bool:
        """Whether this is a test set of its own, like the official one: silence and unknown words are labels in it."""
        return _is_test_archive(self.words)

    def by_split(self, split: Split) -> tuple[Clip, ...]:
        """Return the clips of one split, in the order of `clips`."""
        return tuple(clip for clip in self.clips if clip.split == split)


def scan(root: Path) -> Corpus:
    """Find the clips of a corpus and decide what each is used for.

    Each folder in `root` is a word and each sound file in it a clip; only this one level is read. `_background_noise_`
    holds noise, `_silence_` and `_unknown_` are labels like any word, other folders whose names start with `_` are
    skipped, and hidden files are ignored.

    The split comes from the first of these that applies:

    1. a corpus with both `_silence_` and `_unknown_` is a test archive, and every clip tests;
    2. `validation_list.txt` and `testing_list.txt` in `root`, one `word/file` a line; what they do not name trains;
    3. `official_split` of the speaker, for files called `<speaker>_nohash_<n>`; if the few speakers that there are
       leave training or validation without a clip, a tenth of them, rounded up, validates and a tenth tests;
    4. a hash of the path for the other files, and where there are less than three speakers: of each word with at least
       three such clips a tenth, rounded up, validates and a tenth tests. The same voice may then be on both sides,
       which is warned of.

    Parameters
    ----------
    root : Path
        The folder.

    Returns
    -------
    Corpus
        The same folder always gives the same, in the same order.

    Raises
    ------
    CorpusError
        If the folder is missing, unreadable or no folder; if it holds no word folders, or no sound file in them; if a
        list of the split cannot be read.
    """
    try:
        entries = _entries(root)
    except OSError as error:
        raise CorpusError(f"cannot read the corpus {root}: {error.strerror}; {LAYOUT}") from error
    skipped: list[Skipped] = []
    files: dict[str, list[Path]] = {}
    noises: list[Path] = []
    stray_sounds = 0
    for entry in entries:
        path = root / entry.name
        if not _is_folder(entry):
            if path.suffix.lower() in AUDIO_SUFFIXES:
                stray_sounds += 1
                skipped.append(Skipped(path, "lies outside the word folders"))
            elif not _DOCUMENT.fullmatch(entry.name):
                skipped.append(Skipped(path, "not an audio file"))
        elif entry.name == NOISE_FOLDER:
            noises = _sound_files(path, skipped)
        elif entry.name.startswith("_") and entry.name not in (SILENCE, UNKNOWN):
            skipped.append(Skipped(path, "folders whose names start with _ are no words"))
        else:
            files[entry.name] = _sound_files(path, skipped)
    if not any(files.values()):
        raise CorpusError(_nothing_found(root, len(files), stray_sounds))

    warnings: list[str] = []
    splits = _splits(root, files, warnings)
    clips = tuple(
        Clip(path, word, _speaker(path), splits[f"{word}/{path.name}"])
        for word, paths in files.items()
        for path in paths
    )
    return Corpus(root, clips, tuple(noises), tuple(skipped), tuple(warnings))


def sound_files(place: Path | None) -> list[Path]:
    """Return all sound files in a folder and below it, or the one file that it is.

    Raises
    ------
    CorpusError
        If there is no such place, or it holds no sound file.
    """
    if place is None:
        return []
    if place.is_file():
        return [place]
    files = sorted(path for path in place.rglob("*") if path.suffix.lower() in AUDIO_SUFFIXES)
    if not files:
        raise CorpusError(f"no sound in {place}: expected a sound file or a folder of them")
    return files


def official_split(speaker: str) -> Split:
    """Return the split of a speaker by the rule of the Speech Commands corpus; a voice is never on both sides.

    The SHA-1 hash of the name, taken as a percentage: below 10 validates, from there to below 20 tests, the rest
    trains. From the README of Speech Commands v0.02 (Warden 2018, arXiv:1804.03209).
    """
    largest = 2**27 - 1
    percentage = int.from_bytes(_hash(speaker)) % (largest + 1) * (100 / largest)
    return "validation" if percentage < 10 else "testing" if percentage < 20 else "training"


def _hash(name: str) -> bytes:
    # A file name need not be valid text; the escapes give back the bytes it has on disk.
    return hashlib.sha1(name.encode("utf-8", "surrogateescape"), usedforsecurity=False).digest()


def _speaker(path: Path) -> str | None:
    match = _SPEAKER.fullmatch(path.stem)
    return match["speaker"] if match else None


def _is_test_archive(words: Iterable[str]) -> bool:
    return {SILENCE, UNKNOWN} <= set(words)


def _nothing_found(root: Path, folders: int, stray_sounds: int) -> str:
    if folders:
        return f"the folders in {root} hold no usable sound file; {LAYOUT}"
    if stray_sounds:
        return (
            f"{root} holds {stray_sounds} sound files but no word folders; move each into a folder named after its word"
        )
    return f"{root} holds no word folders; {LAYOUT}"


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """Return what is in a folder, sorted by name, without hidden files."""
    with os.scandir(folder) as entries:
        return sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda entry: entry.name)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads in a circle; `_fault` names it
        return False


def _fault(entry: os.DirEntry[str]) -> str | None:
    """Return why a file cannot be a clip, as far as can be told without opening it."""
    try:
        if not entry.is_file():
            return "not a regular file, or a link that leads nowhere"
        if Path(entry.name).suffix.lower() not in AUDIO_SUFFIXES:
            return "not an audio file"
        return "empty (0 bytes)" if entry.stat().st_size == 0 else None
    except OSError as error:
        return f"cannot be read: {error.strerror}"


def _sound_files(folder: Path, skipped: list[Skipped]) -> list[Path]:
    """Return the sound files that lie directly in a folder; note everything else in `skipped`."""
    try:
        entries = _entries(folder)
    except OSError as error:
        skipped.append(Skipped(folder, f"cannot be read: {error.strerror}"))
        return []
    found = []
    for entry in entries:
        path = folder / entry.name
        if _is_folder(entry):
            skipped += _deeper(path)
        elif reason := _fault(entry):
            # The official noise folder brings a README of its own.
            if not (folder.name == NOISE_FOLDER and _DOCUMENT.fullmatch(entry.name)):
                skipped.append(Skipped(path, reason))
        else:
            found.append(path)
    if not found:
        skipped.append(Skipped(folder, "holds no usable sound file"))
    return found


def _deeper(folder: Path) -> list[Skipped]:
    """Return all files below a folder that lies too deep; links to folders are not followed, so circles end."""
    reason = "lies deeper than FOLDER/<word>/<file>"
    if folder.is_symlink():
        return [Skipped(folder, reason)]
    names = [Path(parent, name) for parent, _, files in os.walk(folder) for name in files if not name.startswith(".")]
    return [Skipped(path, reason) for path in sorted(names)]


def _splits(root: Path, files: dict[str, list[Path]], warnings: list[str]) -> dict[str, Split]:
    """Return the split of each clip by its name `word/file`, following the rules that `scan` describes."""
    names = [f"{word}/{path.name}" for word, paths in files.items() for path in paths]
    if _is_test_archive(word for word, paths in files.items() if paths):
        return dict.fromkeys(names, "testing")
    listed = _read_lists(root, warnings)
    if listed is not None:
        if strangers := sorted(listed.keys() - set(names)):
            warnings.append(
                f"the split lists name {len(strangers)} files that are no usable clips, such as {strangers[0]}"
            )
        return {name: listed.get(name, "training") for name in names}

    speakers = {name: _speaker(Path(name)) for name in names}
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
            "training and in testing, which flatters the accuracy"
        )
    return splits


def _voices(speakers: Iterable[str | None]) -> dict[str | None, Split]:
    """Return the split of each speaker; nothing if there are too few for a voice to be on one side only."""
    found = set(speakers)
    named = sorted(name for name in found if name is not None)
    splits = {name: official_split(name) for name in named}
    # Clips without a name give every split its share, and many speakers do.
    if None not in found and not {"training", "validation"} <= set(splits.values()):
        splits = _ranked(named) if len(named) >= 3 else {}
    return dict(splits.items())


def _ranked(names: list[str]) -> dict[str, Split]:
    """Split names by the rank of their hashes, so that even a few give every split its share."""
    share = math.ceil(len(names) / 10) if len(names) >= 3 else 0
    order = sorted(names, key=_hash)
    splits: dict[str, Split] = dict.fromkeys(order, "training")
    splits.update(dict.fromkeys(order[:share], "validation"))
    splits.update(dict.fromkeys(order[share : 2 * share], "testing"))
    return splits


def _read_lists(root: Path, warnings: list[str]) -> dict[str, Split] | None:
    """Return the split of every name in the corpus's own lists, or None if it has none."""
    listed: dict[str, Split] | None = None
    for split in get_args(Split)[1:]:
        path = root / f"{split}_list.txt"
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
