"""What all open pages share: the models, the recordings, and the teaching that runs."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from sayso.config import SILENCE, UNKNOWN
from sayso.corpus.layouts import NOISE_FOLDER
from sayso.errors import SaysoError, ServiceError
from sayso.live.guidance import COUNT, COUNT_NEW, LONG_TAKE, NOISE, TAKE
from sayso.model import plain
from sayso.recognition.recognizer import Recognizer
from sayso.serve.web.collection import MOST_WORDS, Collection, StoredTake, identity_of, last_lesson
from sayso.serve.web.lesson import taught
from sayso.system.text import printable
from sayso.training.holding_out import FEWEST_CLIPS
from sayso.version import __version__

P = ParamSpec("P")
T = TypeVar("T")


class Studio:
    """The models, the recordings and the teaching.

    Parameters
    ----------
    base : Path
        The file of the model to start from.
    collection : Collection
        The recordings.
    speaker : str
        Who is taken to speak, unless a page says otherwise.
    load : callable
        Makes a recogniser from the file of a model.

    Attributes
    ----------
    collection : Collection
        The recordings.
    recognizers : dict of str to Recognizer
        The recognisers: "base", and "taught" once there is one.
    pages : set of asyncio.Event
        One for each open page; all are set when the state changes.
    """

    def __init__(self, base: Path, collection: Collection, speaker: str, load: Callable[[Path], Recognizer]) -> None:
        self.collection, self._base, self._speaker, self._load = collection, base, speaker, load
        self.recognizers = {"base": load(base)}
        if collection.model():
            self.recognizers["taught"] = load(collection.model_path)
        self.pages: set[asyncio.Event] = set()
        self._threads = ThreadPoolExecutor(os.cpu_count() or 1, "sayso-web")
        self._lesson: asyncio.Task[None] | None = None
        self._lessons, self._step, self._trouble = 0, "", ""
        self._warnings: list[str] = []
        self._doubtful: list[str] = []

    async def in_turn(self, function: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """Call a function in one of the threads, so that nobody waits for it but the caller."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, lambda: function(*arguments, **named))

    @contextlib.contextmanager
    def visited(self) -> Iterator[asyncio.Event]:
        """Return an event for a page that is set whenever the state changes, and at once."""
        event = asyncio.Event()
        event.set()
        self.pages.add(event)
        try:
            yield event
        finally:
            self.pages.discard(event)

    def changed(self) -> None:
        """Let all pages know that the state has changed."""
        for event in self.pages:
            event.set()

    def teach(self) -> None:
        """Begin to teach the words of the recordings.

        Raises
        ------
        ServiceError
            If it is being done already.
        """
        if self._lesson:
            raise ServiceError("the words are being taught already; wait for the end")
        self._step, self._trouble = "starting", ""
        self._lesson = asyncio.create_task(self._teach())
        self.changed()

    def stop_teaching(self) -> None:
        """End the teaching, if it runs; the model stays as it was."""
        if self._lesson:
            self._lesson.cancel()

    async def _teach(self) -> None:
        try:
            result = await taught(self.collection.folder, self._base, self.collection.model_path, self._told)
            recognizer = await self.in_turn(self._load, self.collection.model_path)
        except (SaysoError, OSError) as error:
            self._trouble = str(error)
        else:
            self.recognizers["taught"] = recognizer
            self._warnings = result.warnings
            self._lessons += 1
            self._doubtful = [identity_of(path.parent.name, path.name) for path in result.doubtful]
        finally:
            self._lesson = None
            self.changed()

    def _told(self, step: str) -> None:
        self._step = step
        self.changed()

    async def close(self) -> None:
        """End the teaching and the threads."""
        if lesson := self._lesson:
            lesson.cancel()
            await asyncio.gather(lesson, return_exceptions=True)
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def state(self) -> dict[str, Any]:
        """Return everything that a page shows beside its own sound."""
        takes = await self.in_turn(self.collection.takes)
        return {
            "type": "state",
            "version": __version__,
            "folder": printable(str(self.collection.folder)),
            "speaker": self._speaker,
            "guidance": {
                "count": COUNT_NEW,
                "fewest": FEWEST_CLIPS,
                "step": COUNT,
                "take": TAKE,
                "phrase": LONG_TAKE,
                "noise": NOISE,
            },
            "models": {name: self._described(name) for name in self.recognizers},
            "words": self._by_word([take for take in takes if take.word != NOISE_FOLDER]),
            "noises": self._by_word([take for take in takes if take.word == NOISE_FOLDER]),
            "teaching": self._step if self._lesson else None,
            "lessons": self._lessons,
            "trouble": self._trouble,
            "warnings": self._warnings,
        }

    def _described(self, name: str) -> dict[str, Any]:
        model = self.recognizers[name].model
        words = [label for label in model.labels if label not in (SILENCE, UNKNOWN)]
        if name == "base":
            return {"name": printable(self._base.stem), "words": words}
        lesson = last_lesson(model)
        learned = plain.table(lesson.get("clips"), MOST_WORDS)
        expected = plain.table(lesson.get("expected"), MOST_WORDS)
        rows = [(word, count, plain.table(expected.get(word), MOST_WORDS)) for word, count in learned.items()]
        report = [
            {
                "word": word,
                "takes": plain.whole(count),
                "held_out": plain.whole(entry.get("takes")),
                "heard": plain.whole(entry.get("heard")),
                "alarms": plain.number(entry.get("false_alarms_per_hour")),
            }
            for word, count, entry in rows
        ]
        return {"name": "your words", "words": words, "report": report}

    def _by_word(self, takes: list[StoredTake]) -> list[dict[str, Any]]:
        words: dict[str, list[dict[str, Any]]] = {}
        for take in takes:
            entry = {
                "id": take.identity,
                "speaker": printable(take.speaker),
                "doubtful": take.identity in self._doubtful,
            }
            words.setdefault(printable(take.word), []).append(entry)
        return [{"word": word, "takes": entries} for word, entries in words.items()]
