"""Scan a corpus: which clip holds which word, who speaks it, and what it is used for.

No sound file is opened here. What cannot be a clip is listed with the reason, never dropped silently.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from sayso.config import SILENCE, UNKNOWN
from sayso.corpus.splits import Split, assign_splits, is_test_archive, speaker_of
from sayso.errors import CorpusError
from sayso.sound import folder as folders

NOISE_FOLDER = "_background_noise_"
LAYOUT = "expected FOLDER/<word>/<sound files>, one folder for each word"

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
        Who speaks, if the file name is `<speaker>_nohash_<n>`.
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
    """The contents of a folder of recordings.

    Attributes
    ----------
    root : Path
        The folder.
    clips : tuple of Clip
        All clips, sorted by word and file name.
    noises : tuple of Path
        Recordings of background noise.
    skipped : tuple of Skipped
        What was left out.
    warnings : tuple of str
        What a user should know before trusting figures measured on this corpus, one line each.
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
        """Whether this is a separate test set like the official one, in which silence and unknown words are labels."""
        return is_test_archive(self.words)

    def by_split(self, split: Split) -> tuple[Clip, ...]:
        """Return the clips of one split, in the order of `clips`."""
        return tuple(clip for clip in self.clips if clip.split == split)


def scan(root: Path) -> Corpus:
    """Find the clips of a corpus and decide what each is used for.

    Each folder in `root` is a word and each sound file in it a clip; only this one level is read. `_background_noise_`
    holds noise, `_silence_` and `_unknown_` are labels like any word, other folders whose names start with `_` are
    skipped, and hidden files are ignored.

    The split is decided by the first of these rules that applies:

    1. A corpus with both `_silence_` and `_unknown_` is a test archive; every clip is for testing.
    2. `validation_list.txt` and `testing_list.txt` in `root` list clips as `word/file`, one per line; the rest is for
       training.
    3. Files named `<speaker>_nohash_<n>` go to the `official_split` of the speaker. If all files are named so and this
       leaves training or validation empty, a tenth of the speakers, rounded up, is for validation and a tenth for
       testing; with fewer than three speakers, rule 4 applies.
    4. All other files are split by a hash of `word/file`: of each word with at least three of them, a tenth, rounded
       up, is for validation and a tenth for testing. The same voice may then be in several splits, which gives a
       warning.

    Parameters
    ----------
    root : Path
        The folder.

    Returns
    -------
    Corpus
        The same folder always gives the same corpus, in the same order.

    Raises
    ------
    CorpusError
        If the folder is missing, unreadable or not a folder; if it holds no word folders, or these no sound files; if
        a split list cannot be read.
    """
    try:
        entries = folders.entries(root)
    except OSError as error:
        raise CorpusError(f"cannot read the corpus {root}: {error.strerror}; {LAYOUT}") from error
    skipped: list[Skipped] = []
    files: dict[str, list[Path]] = {}
    noises: list[Path] = []
    stray_sounds = 0
    for entry in entries:
        path = root / entry.name
        if not folders.is_folder(entry):
            if folders.is_sound(entry.name):
                stray_sounds += 1
                skipped.append(Skipped(path, "is outside the word folders"))
            elif not _DOCUMENT.fullmatch(entry.name):
                skipped.append(Skipped(path, "not an audio file"))
        elif entry.name == NOISE_FOLDER:
            noises = _sound_files(path, skipped)
        elif entry.name.startswith("_") and entry.name not in (SILENCE, UNKNOWN):
            skipped.append(Skipped(path, "a folder whose name starts with _ is not a word"))
        else:
            files[entry.name] = _sound_files(path, skipped)
    if not any(files.values()):
        raise CorpusError(_nothing_found(root, len(files), stray_sounds))

    warnings: list[str] = []
    splits = assign_splits(root, files, warnings)
    clips = tuple(
        Clip(path, word, speaker_of(path), splits[f"{word}/{path.name}"])
        for word, paths in files.items()
        for path in paths
    )
    return Corpus(root, clips, tuple(noises), tuple(skipped), tuple(warnings))


def files_below(place: Path | None) -> list[Path]:
    """Return all sound files in a folder and below it, or the file itself if the place is a file.

    Raises
    ------
    CorpusError
        If the place does not exist or holds no sound file.
    """
    if place is None:
        return []
    if place.exists() and not place.is_dir():
        return [place]
    files = [Path(path) for path in folders.walk(str(place))] if place.is_dir() else []
    if not files:
        raise CorpusError(f"no sound in {place}: expected a sound file or a folder of them")
    return files


def _nothing_found(root: Path, word_folders: int, stray_sounds: int) -> str:
    if word_folders:
        return f"the folders in {root} hold no usable sound file; {LAYOUT}"
    if stray_sounds:
        return (
            f"{root} holds {stray_sounds} sound files but no word folders; move each into a folder named after its word"
        )
    return f"{root} holds no word folders; {LAYOUT}"


def _sound_files(folder: Path, skipped: list[Skipped]) -> list[Path]:
    """Return the sound files directly in a folder; add everything else to `skipped`."""
    try:
        entries = folders.entries(folder)
    except OSError as error:
        skipped.append(Skipped(folder, f"cannot be read: {error.strerror}"))
        return []
    found = []
    for entry in entries:
        path = folder / entry.name
        if folders.is_folder(entry):
            skipped += _too_deep(path)
        elif reason := folders.fault(entry):
            # The official noise folder holds a README.
            if not (folder.name == NOISE_FOLDER and _DOCUMENT.fullmatch(entry.name)):
                skipped.append(Skipped(path, reason))
        else:
            found.append(path)
    if not found:
        skipped.append(Skipped(folder, "holds no usable sound file"))
    return found


def _too_deep(folder: Path) -> list[Skipped]:
    """Return all files in and below a folder inside a word folder; a link is not followed but returned itself."""
    paths = [str(folder)] if folder.is_symlink() else folders.walk(str(folder), everything=True)
    return [Skipped(Path(path), "is deeper than FOLDER/<word>/<file>") for path in paths]
