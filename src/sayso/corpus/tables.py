"""Lists of recordings in a table, as CSV or TSV: which file holds which word, and perhaps who says it and its split.

Common Voice comes with such tables, Hugging Face's data sets do, and a spreadsheet writes them.
"""

import csv
import itertools
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sayso.config.labels import nfc
from sayso.corpus.skipped import Skipped
from sayso.corpus.splits import Split
from sayso.errors import CorpusError
from sayso.sound import audio
from sayso.sound import folder as folders
from sayso.system.text import decoded

SUFFIXES = (".csv", ".tsv")
# The tables of Common Voice with the same clips in another order, or those that its users did not accept.
_COMMON_VOICE_REST = {"validated", "invalidated", "other", "reported", "clip_durations", "unvalidated_sentences",
                      "validated_sentences"}  # fmt: skip
_COLUMNS = {
    "path": ("path", "file_name", "filename", "file", "filepath", "file_path", "audio", "audio_path", "wav", "clip",
             "slice_file_name"),
    "word": ("word", "label", "class", "keyword", "command", "category", "target", "sentence", "text", "transcription",
             "transcript"),
    "speaker": ("speaker", "speaker_id", "client_id", "user", "user_id", "spk", "speakerid"),
    "split": ("split", "set", "subset", "partition", "usage"),
}  # fmt: skip
_SPLITS: dict[str, Split] = {
    **dict.fromkeys(("train", "training", "trn"), "training"),
    **dict.fromkeys(("validation", "valid", "val", "dev", "development"), "validation"),
    **dict.fromkeys(("test", "testing", "tst", "eval", "evaluation"), "testing"),
}
# Cells longer than this are no word, and no table is as long as this.
_LONGEST_CELL, _MOST_BYTES = 10_000, 500_000_000


def split_named(name: str) -> Split | None:
    """Return the split that a folder, a table or a cell names, in any of the usual ways, or None."""
    return _SPLITS.get(name.strip().casefold())


class _CommonVoice(csv.excel_tab):
    """Tables with tabs, in which Common Voice writes quotation marks as they are."""

    quoting = csv.QUOTE_NONE


@dataclass(frozen=True)
class Recording:
    """A recording as a layout describes it, before speakers and splits are decided.

    Attributes
    ----------
    path : Path
        The sound file.
    word : str
        What is said in it.
    speaker : str or None
        The speaker, if a folder or a table names one.
    split : {"training", "validation", "testing"} or None
        Its split, if a folder or a table names it.
    """

    path: Path
    word: str
    speaker: str | None = None
    split: Split | None = None


@dataclass
class Contents:
    """What a layout finds in a folder.

    Attributes
    ----------
    recordings : list of Recording
        The recordings of words.
    noises : list of Path
        Recordings of background noise.
    skipped : list of Skipped
        What was left out.
    notes : list of str
        How the folder was understood, if that is not evident.
    """

    recordings: list[Recording] = field(default_factory=list)
    noises: list[Path] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Table:
    """A table of recordings that can be read.

    Attributes
    ----------
    path : Path
        The file.
    rows : list of list of str
        Its rows, without the header.
    columns : dict of str to int
        The column of the path, the word, the speaker and the split, as far as there is one.
    """

    path: Path
    rows: list[list[str]]
    columns: dict[str, int]

    def cell(self, row: Sequence[str], name: str) -> str:
        """Return a cell of a row by what it means, empty if there is none."""
        place = self.columns.get(name)
        return row[place].strip() if place is not None and place < len(row) else ""

    @property
    def words(self) -> set[str]:
        """All words in it."""
        return {_word(self.cell(row, "word")) for row in self.rows}


def _word(text: str) -> str:
    """Return the word in a cell: without the full stop of a sentence, and in one spelling."""
    return nfc(re.sub(r"\s+", " ", text).strip(" .,;:!?…\"'"))


def open_table(path: Path) -> Table | None:
    """Read a table; None if it does not say which file holds which word.

    Raises
    ------
    CorpusError
        If it cannot be read.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise CorpusError(f"{path} has more than {_MOST_BYTES:,} bytes; expected a table of recordings")
        text = decoded(path.read_bytes())
    except UnicodeDecodeError as error:
        raise CorpusError(f"cannot read {path}: {error}; save it as UTF-8") from error
    except OSError as error:
        raise CorpusError(f"cannot read {path}: {error.strerror}; expected a table of paths and words") from error
    lines = text.splitlines()
    header = next((line for line in lines if line.strip()), "")
    delimiter = max("\t,;|", key=header.count)
    kind = _CommonVoice if delimiter == "\t" else csv.excel
    try:
        rows = [row for row in csv.reader(lines, kind, delimiter=delimiter) if any(map(str.strip, row))]
    except csv.Error as error:
        raise CorpusError(f"cannot read {path}: {error}; expected a table of paths and words") from error
    if not rows:
        return None
    names = [cell.strip().casefold().replace(" ", "_") for cell in rows[0]]
    columns = {
        kind: place for kind, known in _COLUMNS.items() if (place := _first(names, known)) is not None
    }  # fmt: skip
    if {"path", "word"} <= columns.keys():
        return Table(path, rows[1:], columns)
    # Without a header, one of two columns is the path.
    sounds = [place for place, cell in enumerate(rows[0]) if folders.is_sound(cell.strip())]
    if len(rows[0]) == 2 and len(sounds) == 1:
        return Table(path, rows, {"path": sounds[0], "word": 1 - sounds[0]})
    return None


def _first(names: Sequence[str], known: Sequence[str]) -> int | None:
    return next((names.index(name) for name in known if name in names), None)


def tables_in(root: Path, names: Sequence[str]) -> list[Table]:
    """Return the tables of recordings among the files of a folder; of Common Voice, those that make up its splits."""
    tables = []
    for name in names:
        if Path(name).suffix.casefold() in SUFFIXES and (root / name).is_file():
            try:
                table = open_table(root / name)
            except CorpusError:
                # Any table may lie there; one that is given as the corpus is read with an error.
                continue
            if table and table.rows:
                tables.append(table)
    parts = [table for table in tables if split_named(table.path.stem)]
    rest = [table for table in tables if table not in parts]
    if parts and all(table.path.stem in _COMMON_VOICE_REST for table in rest):
        return parts
    validated = [table for table in rest if table.path.stem == "validated"]
    return validated if validated and not parts else tables


def read_tables(root: Path, tables: Sequence[Table]) -> Contents:
    """Find the recordings that some tables name, within a folder.

    A path is taken from the folder of its table or from `clips` in it, as in Common Voice; failing that, the only file
    of that name anywhere below is taken.
    """
    contents = Contents()
    below: dict[str, list[str]] = {}
    for sound in folders.walk(str(root)):
        below.setdefault(os.path.basename(sound), []).append(sound)  # noqa: PTH119 - a Path for each takes its time
    seen: dict[Path, str] = {}
    for table in tables:
        own = split_named(table.path.stem)
        for number, row in enumerate(table.rows, 2):
            name, word = table.cell(row, "path"), _word(table.cell(row, "word"))
            where = f"row {number} of {table.path.name}"
            if not name or not word or len(name) > _LONGEST_CELL or "\0" in name:
                contents.skipped.append(Skipped(table.path, f"row {number} names no file, or no word"))
                continue
            path = _resolved(root, name, below)
            if path is None:
                contents.skipped.append(Skipped(root / name, f"is named in {where}, but is not there"))
            elif path in seen:
                if seen[path] != word:
                    reason = f"{where} says {word!r}, an earlier row {seen[path]!r}"
                    contents.skipped.append(Skipped(path, f"{reason}; the earlier counts"))
            else:
                seen[path] = word
                speaker = nfc(table.cell(row, "speaker")) or None
                split = split_named(table.cell(row, "split")) or own
                contents.recordings.append(Recording(path, word, speaker, split))
    for unlisted in map(Path, itertools.chain.from_iterable(below.values())):
        if unlisted.parent.name == "_background_noise_":
            contents.noises.append(unlisted)
        elif unlisted not in seen:
            contents.skipped.append(Skipped(unlisted, "is named in no table"))
    contents.noises.sort()
    _merge_cases(contents)
    names = ", ".join(table.path.name for table in tables)
    kinds = [kind for kind in ("speaker", "split") if any(kind in table.columns for table in tables)]
    contents.notes.append(f"words{''.join(f', {kind}s' for kind in kinds)} are taken from {names}, not from folders")
    return contents


def _resolved(root: Path, name: str, below: dict[str, list[str]]) -> Path | None:
    """Return the file that a cell names, or None."""
    name = name.replace("\\", "/")
    for place in (root / name, root / "clips" / name, root / "audio" / name):
        try:
            if place.is_file():
                return place
        except (OSError, ValueError):
            continue
    # Some tables name files without their suffix.
    names = [Path(name).name, *(Path(name).name + suffix for suffix in sorted(audio.SUFFIXES))]
    found = next((below[name] for name in names if name in below), [])
    return Path(found[0]) if len(found) == 1 else None


def _merge_cases(contents: Contents) -> None:
    """Let words of sentences that differ in case alone be one word, in the spelling that is the most frequent."""
    counts: dict[str, dict[str, int]] = {}
    for recording in contents.recordings:
        spellings = counts.setdefault(recording.word.casefold(), {})
        spellings[recording.word] = spellings.get(recording.word, 0) + 1
    usual = {key: max(sorted(spellings), key=spellings.__getitem__) for key, spellings in counts.items()}
    if merged := sorted(usual[key] for key, spellings in counts.items() if len(spellings) > 1):
        contents.notes.append(f"spellings that differ in case alone are one word: {', '.join(merged[:5])}")
    contents.recordings[:] = [
        Recording(item.path, usual[item.word.casefold()], item.speaker, item.split) for item in contents.recordings
    ]
