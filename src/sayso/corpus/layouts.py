"""How recordings lie in folders: which folder names the word, the speaker or the split.

One folder for each word is the rule. Other layouts that people have are used where they can mean only one thing; where
they can mean two, the error names the option that decides.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from sayso.config import COMMANDS, SILENCE, UNKNOWN
from sayso.config.labels import nfc
from sayso.corpus.skipped import Skipped
from sayso.corpus.tables import SUFFIXES, Contents, Recording, Table, open_table, read_tables, split_named, tables_in
from sayso.errors import CorpusError, SettingsError
from sayso.sound import folder as folders

NOISE_FOLDER = "_background_noise_"
EXPECTED = "expected FOLDER/<word>/<sound files>, one folder for each word"

NOTHING = "holds no usable sound file"
_TOO_DEEP = "is deeper than FOLDER/<word>/<file>"

Layout = Literal["word/speaker", "speaker/word"]
"""Which of two levels of folders is the word."""

_DOCUMENT = re.compile(r"(README|LICEN[CS]E)(\..*)?|.*\.(txt|csv|tsv|md|json)", re.IGNORECASE)
# How people name the folders of speakers: by a number, or by a long hexadecimal one.
_SPEAKERISH = re.compile(
    r"(speaker|spk|spkr|subject|user|person|participant|voice|client|id|male|female|[spumf])?[ _-]?\d+|[0-9a-f]{8,}",
    re.IGNORECASE,
)
_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_WORDS = {*COMMANDS, *_DIGITS, UNKNOWN, SILENCE}


@dataclass(frozen=True)
class _Level:
    """A folder, listed.

    Attributes
    ----------
    path : Path
        The folder.
    sounds : tuple of Path
        The sound files directly in it.
    below : tuple of Path
        The folders in it.
    faults : tuple of Skipped
        What cannot be used.
    """

    path: Path
    sounds: tuple[Path, ...]
    below: tuple[Path, ...]
    faults: tuple[Skipped, ...]


def read_contents(root: Path, layout: Layout | None = None) -> Contents:
    """Find the recordings in a folder, or those that a table names.

    Parameters
    ----------
    root : Path
        A folder, or a CSV or TSV file.
    layout : {"word/speaker", "speaker/word"}, optional
        The meaning of two levels of folders. Without it, that is found out.

    Raises
    ------
    CorpusError
        If the place cannot be read, or its layout is ambiguous. Finding no recording is no error here.
    """
    if layout not in (None, *get_args(Layout)):
        raise SettingsError(f"the layout is {layout!r}; expected {' or '.join(get_args(Layout))}")
    if root.suffix.casefold() in SUFFIXES and root.is_file():
        table = open_table(root)
        if table is None:
            raise CorpusError(f"{root} has no columns of paths and words; expected a header such as path,word")
        return read_tables(root.parent, [table])
    top = _listed(root, root_files=True)
    tables = tables_in(root, [fault.path.name for fault in top.faults]) if layout is None else []
    levels = {path.name: _listed(path) for path in top.below if not path.name.startswith("_")}
    if tables and not _tables_repeat(tables, levels):
        if len(tables) > 1 and not all(split_named(table.path.stem) for table in tables):
            names = ", ".join(table.path.name for table in tables)
            raise CorpusError(f"{root} has several tables of recordings ({names}); give one, such as {tables[0].path}")
        return read_tables(root, tables)
    splits = {name: split_named(name) for name, level in levels.items() if level.sounds or level.below}
    # A word may be called "test"; then its recordings lie in its folder.
    if splits and all(splits.values()) and not any(level.sounds for level in levels.values()):
        contents = _in_splits(top, {name: levels[name] for name in splits}, layout)
    else:
        contents = _in_words(top, layout, levels)
    if tables:
        contents.notes.append(
            f"words are taken from the folders, not from {tables[0].path.name}; to use the table, give {tables[0].path}"
        )
    return contents


def _tables_repeat(tables: Sequence[Table], levels: Mapping[str, _Level]) -> bool:
    """Return whether the folders of a corpus are words already, so that a table adds nothing."""
    words = {nfc(name) for name, level in levels.items() if level.sounds}
    return len(words) > 1 and all(table.words & words for table in tables)


def _in_splits(top: _Level, levels: Mapping[str, _Level], layout: Layout | None) -> Contents:
    """Read folders named after splits, each of which holds words."""
    contents = Contents(skipped=_root_faults(top))
    _take_special(top, contents)
    splits = {split_named(name) for name in levels}
    for name, level in levels.items():
        part = _in_words(level, layout, {})
        # A training folder alone leaves the splits open.
        split = split_named(name) if len(splits) > 1 else None
        contents.recordings += [replace(item, split=split) for item in part.recordings]
        contents.noises += part.noises
        contents.skipped += part.skipped
        contents.notes += [note for note in part.notes if note not in contents.notes]
    used = f"the folders {', '.join(levels)} are taken for splits, the folders in them for words"
    contents.notes.insert(0, used)
    return contents


def _in_words(top: _Level, layout: Layout | None, known: Mapping[str, _Level]) -> Contents:
    """Read folders named after words, or after speakers and words; some may be listed already."""
    contents = Contents(skipped=_root_faults(top))
    _take_special(top, contents)
    levels = [known.get(path.name) or _listed(path) for path in top.below if _may_be_word(path.name)]
    deep = layout or _layout_of(top.path, levels)
    if deep is None:
        for level in levels:
            _take(contents, level, level.path.name, None)
            for path in level.below:
                contents.skipped += _too_deep(path)
        _advise_on_depth(top.path, contents)
        return contents
    if layout is None:
        contents.notes.append(f"folders lie in folders: taken as {deep}; if that is wrong, give --layout")
    for level in levels:
        outer = level.path.name
        if deep == "word/speaker" and level.sounds:
            _take(contents, level, outer, None)
        else:
            contents.skipped += [*level.faults, *(Skipped(path, f"is not in {deep}") for path in level.sounds)]
        for path in level.below:
            inner = _listed(path)
            if path.name == NOISE_FOLDER:
                contents.noises += inner.sounds
                contents.skipped += inner.faults
                continue
            word, speaker = (outer, path.name) if deep == "word/speaker" else (path.name, outer)
            _take(contents, inner, word, speaker)
            for further in inner.below:
                contents.skipped += _too_deep(further)
    return contents


def _may_be_word(name: str) -> bool:
    return not name.startswith("_") or name in (SILENCE, UNKNOWN)


def _take(contents: Contents, level: _Level, word: str, speaker: str | None) -> None:
    """Take the sound files directly in a folder."""
    if not _may_be_word(word):
        contents.skipped.append(Skipped(level.path, "a folder whose name starts with _ is not a word"))
        return
    name = speaker and nfc(speaker)
    contents.recordings += [Recording(path, nfc(word), name) for path in level.sounds]
    contents.skipped += level.faults
    if not level.sounds and not any(fault.path == level.path for fault in level.faults):
        contents.skipped.append(Skipped(level.path, NOTHING))


def _take_special(top: _Level, contents: Contents) -> None:
    """Take the background noise, and skip the other folders that are no words."""
    for path in top.below:
        if path.name == NOISE_FOLDER:
            level = _listed(path)
            contents.noises += level.sounds
            # The official noise folder holds a README.
            contents.skipped += [fault for fault in level.faults if not _DOCUMENT.fullmatch(fault.path.name)]
            for below in level.below:
                contents.skipped += _too_deep(below)
        elif not _may_be_word(path.name):
            contents.skipped.append(Skipped(path, "a folder whose name starts with _ is not a word"))


def _root_faults(top: _Level) -> list[Skipped]:
    faults = [fault for fault in top.faults if not _DOCUMENT.fullmatch(fault.path.name)]
    return faults + [Skipped(path, "is outside the word folders") for path in top.sounds]


def _layout_of(root: Path, levels: Sequence[_Level]) -> Layout | None:
    """Find out which of two levels names the words; None if there is only one level."""
    pairs = [(level.path.name, path.name) for level in levels for path in level.below if _listed(path).sounds]
    if not pairs or any(level.sounds for level in levels):
        return None
    outer = {name for name, _ in pairs}
    inner = {name for _, name in pairs if _may_be_word(name)}
    under: defaultdict[str, set[str]] = defaultdict(set)
    for above, name in pairs:
        under[name].add(above)
    for decides in (_words_of, _not_speakers):
        found = [bool(decides(names)) for names in (outer, inner)]
        if found == [True, False]:
            return "word/speaker"
        if found == [False, True] and len(outer) > 1:
            return "speaker/word"
    if len(outer) > 1 and len(pairs) > len(outer) and all(len(found) == 1 for found in under.values()):
        # No word is said by one speaker alone.
        return "word/speaker"
    first = next(iter(sorted(outer)))
    if len(outer) == 1:
        raise CorpusError(
            f"{root} holds one folder, {first}, with folders in it: if these are the words, give {root / first}; "
            f"if {first} is a word and they are its speakers, add --layout word/speaker"
        )
    raise CorpusError(
        f"{root} holds folders in folders, such as {first}/{min(inner, default='')}: if {first} is a word, add "
        "--layout word/speaker; if it is a speaker, add --layout speaker/word"
    )


def _words_of(names: Iterable[str]) -> set[str]:
    """Return the names that are words wherever they stand."""
    return _WORDS & {name.casefold() for name in names}


def _not_speakers(names: Iterable[str]) -> bool:
    """Return whether names are not all of the form that the names of speakers have."""
    return not all(map(_SPEAKERISH.fullmatch, names))


def _advise_on_depth(root: Path, contents: Contents) -> None:
    """Say what helps if most sound files lie too deep."""
    deep = [item.path for item in contents.skipped if item.reason == _TOO_DEEP and folders.is_sound(item.path.name)]
    if len(deep) <= len(contents.recordings):
        return
    place, option = deep[0].parent, ""
    if all(len(path.relative_to(root).parts) == 3 for path in deep):
        option = " add --layout word/speaker or --layout speaker/word, or"
    contents.notes.append(
        f"{len(deep)} sound files lie deeper than FOLDER/<word>/<file>, such as {deep[0]}:{option} give the "
        f"folder that holds the word folders, perhaps {place.parent}"
    )


def _listed(folder: Path, root_files: bool = False) -> _Level:
    """List a folder; with `root_files`, an error if it cannot be read."""
    try:
        entries = folders.entries(folder)
    except OSError as error:
        if root_files:
            raise CorpusError(f"cannot read the corpus {folder}: {error.strerror}; {EXPECTED}") from error
        return _Level(folder, (), (), (Skipped(folder, f"cannot be read: {error.strerror}"),))
    sounds, below, faults = [], [], []
    for entry in entries:
        path = folder / entry.name
        if folders.is_folder(entry):
            below.append(path)
        elif reason := folders.fault(entry):
            faults.append(Skipped(path, reason))
        else:
            sounds.append(path)
    return _Level(folder, tuple(sounds), tuple(below), tuple(faults))


def _too_deep(folder: Path) -> list[Skipped]:
    """Return all files in and below a folder inside a word folder; a link is not followed but returned itself."""
    paths = [str(folder)] if folder.is_symlink() else folders.walk(str(folder), everything=True)
    return [Skipped(Path(path), _TOO_DEEP) for path in paths]
