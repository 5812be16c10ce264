"""Scan a corpus: which clip holds which word, who speaks it, and what it is used for.

No sound file is opened here. What cannot be a clip is listed with the reason, never dropped silently.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sayso.config.labels import nfc
from sayso.corpus.layouts import EXPECTED, NOISE_FOLDER, NOTHING, Layout, read_contents
from sayso.corpus.skipped import Skipped, reasons_kept
from sayso.corpus.speakers import by_expression, recognised, speaker_of
from sayso.corpus.splits import Split, Utterance, assign_splits, is_test_archive
from sayso.corpus.tables import Contents, Recording
from sayso.errors import CorpusError
from sayso.sound import folder as folders


@dataclass(frozen=True)
class Clip:
    """One recording of one word.

    Attributes
    ----------
    path : Path
        The sound file.
    word : str
        What is said: the name of its folder, or what a table says.
    speaker : str or None
        Who speaks, if that is known.
    split : {"training", "validation", "testing"}
        What the clip is used for.
    """

    path: Path
    word: str
    speaker: str | None
    split: Split


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
    notes : tuple of str
        How the folder and the file names were understood, where that is not evident.
    """

    root: Path
    clips: tuple[Clip, ...]
    noises: tuple[Path, ...]
    skipped: tuple[Skipped, ...]
    warnings: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def words(self) -> tuple[str, ...]:
        """The words that have clips, sorted."""
        return tuple(sorted({clip.word for clip in self.clips}))

    @property
    def is_test_archive(self) -> bool:
        """Whether this is a separate test set like the official one, in which silence and unknown words are labels."""
        return is_test_archive(self.words) and all(clip.split == "testing" for clip in self.clips)

    def by_split(self, split: Split) -> tuple[Clip, ...]:
        """Return the clips of one split, in the order of `clips`."""
        return tuple(clip for clip in self.clips if clip.split == split)


def scan(root: Path, speaker: str | None = None, layout: Layout | None = None) -> Corpus:
    """Find the clips of a corpus and decide what each is used for.

    Each folder in `root` is a word and each sound file in it a clip. `_background_noise_` holds noise, `_silence_` and
    `_unknown_` are labels like any word, other folders whose names start with `_` are skipped, and hidden files are
    ignored. Other layouts are recognised where they are unambiguous: folders of speakers and words, folders named after
    splits with words in them, tables of paths and words as those of Common Voice; `notes` then says so.

    The speaker is named by the layout, by a file name `<speaker>_nohash_<n>`, or by another usual form that all
    other file names have.

    The split is decided by the first of these rules that applies:

    1. Folders or tables give it. If they give none for validation, a part of training becomes that.
    2. A corpus with both `_silence_` and `_unknown_` is a test archive; every clip is for testing.
    3. `validation_list.txt` and `testing_list.txt` in `root` list clips as `word/file`, one per line; the rest is for
       training. Without the first, a part of it is for validation.
    4. The clips of a speaker go to the `official_split` of the speaker. Where the speakers of a word (three at least)
       leave one of the splits empty, speakers are moved.
    5. All other files, and those of words said by one or two speakers, are split by a hash of their path: of each word
       with at least three of them, a tenth, rounded up, is for validation and a tenth for testing. The same voice may
       then be in several splits, which gives a warning.

    Parameters
    ----------
    root : Path
        The folder, or a CSV or TSV file with a path and a word in each row.
    speaker : str, optional
        A regular expression that finds the speaker in the path of a clip within the folder: its group `speaker`, its
        first group, or all that it matches.
    layout : {"word/speaker", "speaker/word"}, optional
        The meaning of two levels of folders, where it cannot be found out.

    Returns
    -------
    Corpus
        The same folder always gives the same corpus, in the same order.

    Raises
    ------
    CorpusError
        If the folder is missing, unreadable or not a folder; if it holds no word folders, or these no sound files; if
        its layout is ambiguous; if a split list or a table cannot be read.
    SettingsError
        If `speaker` is no regular expression or finds none.
    """
    contents = read_contents(root, layout)
    with reasons_kept(contents.skipped):
        if not contents.recordings:
            raise CorpusError(_nothing_found(root, contents))
        found = sorted(contents.recordings, key=lambda item: (item.word, item.path.name, str(item.path)))
        folder = root.parent if root.is_file() else root
        warnings = _merged_folders(found)
        names = [_name(item.path, folder) for item in found]
        if speaker is not None:
            spoken = by_expression(speaker, names)
            found = [replace(item, speaker=name) for item, name in zip(found, spoken, strict=True)]
        else:
            found = _with_speakers(found, contents.notes)
        utterances = [
            Utterance(name, item.word, item.speaker, item.split) for name, item in zip(names, found, strict=True)
        ]
        splits = assign_splits(folder, utterances, warnings)
    clips = tuple(
        Clip(item.path, item.word, item.speaker, split) for item, split in zip(found, splits, strict=True)
    )  # fmt: skip
    return Corpus(root, clips, tuple(contents.noises), tuple(contents.skipped), tuple(warnings), tuple(contents.notes))


def _name(path: Path, folder: Path) -> str:
    """Return the path of a clip within its corpus, in one spelling."""
    return nfc((path.relative_to(folder) if path.is_relative_to(folder) else path).as_posix())


def _with_speakers(found: list[Recording], notes: list[str]) -> list[Recording]:
    """Take the speakers from the file names where the layout does not tell them."""
    found = [replace(item, speaker=item.speaker or speaker_of(item.path)) for item in found]
    nameless = [place for place, item in enumerate(found) if item.speaker is None]
    guess = recognised([(found[place].word, found[place].path.stem) for place in nameless])
    if guess is not None:
        speakers, form = guess
        for place, speaker in zip(nameless, speakers, strict=True):
            found[place] = replace(found[place], speaker=speaker)
        notes.append(
            f"{len(set(speakers))} speakers are taken from file names such as {found[nameless[0]].path.name}, read as "
            f"{form}; if that is wrong, say how a path names its speaker with --speaker REGEX"
        )
    return found


def _merged_folders(found: Sequence[Recording]) -> list[str]:
    """Say which folders were merged, and which words differ in case alone."""
    folders_of: dict[str, set[str]] = {}
    for item in found:
        for part in item.path.parts[-3:-1]:
            if nfc(part) == item.word:
                folders_of.setdefault(item.word, set()).add(part)
    warnings = [
        f"{len(parts)} folders are called {word!r} in different encodings of the same letters; they are one word"
        for word, parts in folders_of.items()
        if len(parts) > 1
    ]
    by_case: dict[str, set[str]] = {}
    for item in found:
        by_case.setdefault(item.word.casefold(), set()).add(item.word)
    warnings += [
        f"{' and '.join(map(repr, sorted(words)))} differ in case alone, but are different words to a model; "
        "rename one folder if they are the same"
        for words in by_case.values()
        if len(words) > 1
    ]
    return warnings


def _nothing_found(root: Path, contents: Contents) -> str:
    if contents.notes:
        return f"{root} holds no usable recording: {contents.notes[-1]}"
    stray = sum(item.path.parent == root and folders.is_sound(item.path.name) for item in contents.skipped)
    if any(
        item.path.parent.name != NOISE_FOLDER and (item.path.parent != root or item.reason == NOTHING)
        for item in contents.skipped
    ):
        return f"the folders in {root} hold no usable sound file; {EXPECTED}"
    if stray:
        return (
            f"{root} holds {stray} sound files but no word folders; move each into a folder named after its word, or "
            "list them in a CSV file with the columns path and word, and give that"
        )
    return f"{root} holds no word folders; {EXPECTED}"


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
