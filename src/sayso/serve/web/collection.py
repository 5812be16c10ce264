"""The recordings of the page: a folder for each word, as `sayso record` makes them, and the model taught from them."""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
import threading
import zipfile
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO

from sayso.batch.names import safe_name
from sayso.config.labels import UNKNOWN, can_be_label, label_of
from sayso.corpus.layouts import NOISE_FOLDER
from sayso.errors import ModelError, SettingsError, StorageError, shown
from sayso.live.guidance import RATE
from sayso.live.takes import TakeFiles, check_name
from sayso.model import model_file, plain
from sayso.model.model_file import Model
from sayso.model.shipped import SUFFIX
from sayso.sound.folder import entries, is_folder, is_sound
from sayso.sound.stream import Samples

# The page is for words of one's own; larger folders are for the command line.
MOST_TAKES, MOST_WORDS = 2_000, 100


@dataclass(frozen=True)
class StoredTake:
    """A recording in the folder.

    Attributes
    ----------
    identity : str
        What the page calls it; no part of it is a path.
    word : str
        The name of its folder.
    speaker : str
        Who speaks.
    path : Path
        The file.
    """

    identity: str
    word: str
    speaker: str
    path: Path


class Collection:
    """The recordings and the taught model; its methods may be called from any thread.

    Parameters
    ----------
    folder : Path
        The folder of the recordings, which is created with the first of them.

    Attributes
    ----------
    folder : Path
        The folder.
    model_path : Path
        Where the taught model is, beside the folder.

    Raises
    ------
    StorageError
        If the folder cannot be read or holds too much, or if something else lies where the model is to be saved.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.model_path = self.folder.with_name(f"{self.folder.name}{SUFFIX}")
        self._lock = threading.Lock()
        self._files: dict[str, TakeFiles] = {}
        if len(self.takes()) > MOST_TAKES:
            raise StorageError(
                f"{folder} holds more than {MOST_TAKES} recordings; the page is for words of your own: give another "
                "folder with -o, or use `sayso teach`"
            )
        self.model()

    def model(self) -> Model | None:
        """Return the taught model, if there is one.

        Raises
        ------
        StorageError
            If there is something else in its place.
        """
        if not self.model_path.exists():
            return None
        with contextlib.suppress(ModelError):
            model = model_file.load(self.model_path)
            if last_lesson(model).get("corpus") == self.folder.resolve().name:
                return model
        raise StorageError(
            f"{self.model_path}, where the taught model is kept, is not a model taught from {self.folder.name}; move "
            "it away, or give another folder with -o"
        )

    def takes(self) -> list[StoredTake]:
        """Return all recordings, by word and name.

        Raises
        ------
        StorageError
            If the folder cannot be read.
        """
        if not self.folder.exists():
            return []
        try:
            return [
                StoredTake(identity_of(word.name, take.name), word.name, _speaker(take.name), Path(take.path))
                for word in entries(self.folder)
                if is_folder(word)
                for take in entries(word.path)
                if is_sound(take.name) and take.is_file()
            ]
        except OSError as error:
            reason = error.strerror or error
            raise StorageError(f"cannot read {self.folder}: {reason}; give another folder with -o") from error

    def find(self, identity: str) -> StoredTake | None:
        """Return the recording that the page calls so, if there is one."""
        return next((take for take in self.takes() if take.identity == identity), None)

    def word_named(self, text: str, labels: tuple[str, ...]) -> str:
        """Return the word for what a person typed: one that differs in case alone from a known one is that one.

        Raises
        ------
        SettingsError
            If it cannot be a label, or the name of a folder on any system.
        """
        word = check_name("word", " ".join(text.split()))
        if not can_be_label(word) or safe_name(word) != word:
            raise SettingsError(f"the word {shown(word)} cannot be used; give another, of at most 64 characters")
        known = label_of(word, (*labels, *(set(self._words()) - set(labels))))
        return word if known == UNKNOWN else known

    def save(self, word: str, speaker: str, samples: Samples) -> None:
        """Save a recording of a word, or of noise, by a speaker whose name was checked.

        Raises
        ------
        StorageError
            If it cannot be written, or there are too many.
        """
        with self._lock:
            words, takes = self._words(), self.takes()
            if len(takes) >= MOST_TAKES or (word not in words and len(words) >= MOST_WORDS):
                raise StorageError(
                    f"{self.folder} holds {MOST_TAKES} recordings or {MOST_WORDS} words, and the page keeps no more; "
                    "delete some, or give another folder with -o"
                )
            if speaker not in self._files:
                names, started = [take.path.name for take in takes], datetime.now()
                # Another session of this speaker may have begun within this second.
                while any(f"_{started:%Y%m%dT%H%M%S}-" in name for name in names):
                    started += timedelta(seconds=1)
                self._files[speaker] = TakeFiles(self.folder, speaker, RATE, started)
            self._files[speaker].save(word, samples)

    def save_noise(self, speaker: str, samples: Samples) -> None:
        """Save a recording of background noise, as `save` does."""
        self.save(NOISE_FOLDER, speaker, samples)

    def delete(self, identity: str) -> None:
        """Delete a recording, and the folder of its word if it was the last; one that is gone is no error."""
        with self._lock:
            if take := self.find(identity):
                take.path.unlink(missing_ok=True)
                with contextlib.suppress(OSError):
                    take.path.parent.rmdir()

    def zipped(self) -> IO[bytes]:
        """Return an archive of all recordings, as an anonymous file at its beginning."""
        file = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
        with zipfile.ZipFile(file, "w") as archive:
            for take in self.takes():
                with contextlib.suppress(FileNotFoundError):
                    archive.write(take.path, f"{self.folder.name}/{take.word}/{take.path.name}")
        file.seek(0)
        return file

    def _words(self) -> list[str]:
        return sorted({take.word for take in self.takes()} - {NOISE_FOLDER})


def last_lesson(model: Model) -> dict[str, object]:
    """Return what a model file tells of the last time that it was taught; it may hold anything."""
    lessons = model.training.get("taught")
    return plain.table(lessons[-1], MOST_WORDS) if isinstance(lessons, list) and lessons else {}


def identity_of(word: str, name: str) -> str:
    """Return what the page calls a recording, from the names of its folder and its file."""
    return hashlib.sha256(f"{word}/{name}".encode(errors="surrogateescape")).hexdigest()[:20]


def _speaker(name: str) -> str:
    """Return who speaks in a file, as far as its name tells."""
    speaker, mark, _ = name.partition("_nohash_")
    return speaker if mark else ""
