"""Words over the Wyoming protocol, for Home Assistant and satellites: speech to text, and wake words.

A client asks what is offered (`describe`), says what it wants of the sound that follows (`transcribe` or `detect`), and
sends it. Each client has a stream of its own; if there are several, a few threads compute the steps of all streams in
the order in which their sound comes.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from sayso.config import SILENCE, UNKNOWN
from sayso.errors import SaysoError, ServiceError, shown
from sayso.model.metadata import training_of
from sayso.model.model_file import Model
from sayso.recognition.decision import Detection
from sayso.recognition.recognizer import Recognizer
from sayso.serve.addresses import cannot_listen
from sayso.serve.client_sound import ClientSound
from sayso.serve.events import MOST_LINE, PeerError, end, keep_alive, read_event, tell, write_event
from sayso.version import __version__

if TYPE_CHECKING:
    from wyoming.event import Event, Eventable
    from wyoming.info import Info

T = TypeVar("T")

# Clients at a time, of which more are sent away; and connections with those that are leaving, of which more are cut.
MOST_CLIENTS, MOST_CONNECTIONS = 64, 128
# Words of a transcript; of sound without end, the last ones.
MOST_WORDS = 100
# Messages about clients that are sent away in a minute; more are only counted, so that no peer fills a log.
MOST_COMPLAINTS = 100


def information(model: Model, name: str, languages: Sequence[str], wake: Collection[str] = ()) -> Info:
    """Describe what is offered: words as text, and wake words.

    Parameters
    ----------
    model : Model
        The model.
    name : str
        What it is called.
    languages : sequence of str
        The languages that Home Assistant offers it for; at least one.
    wake : collection of str
        The labels that are wake words and nothing else; without any, those that were taught, or else all.

    Raises
    ------
    ServiceError
        If the package of the protocol is missing.
    """
    try:
        from wyoming.info import AsrModel, AsrProgram, Attribution, Info, WakeModel, WakeProgram
    except ImportError as error:
        raise ServiceError('the Wyoming protocol needs its package: pip install "sayso[wyoming]"') from error

    author = Attribution("sayso", "")
    common: dict[str, Any] = {"attribution": author, "installed": True, "version": __version__}
    commands = [word for word in spoken(model) if word not in wake]
    described = {**common, "description": f"sayso, {name}: {', '.join(commands)}"}
    asr = AsrModel(name=name, languages=list(languages), **described)
    chosen = wake or {word for word, _ in training_of(model.training).taught}
    waking = [
        WakeModel(name=word, description=word, phrase=word, languages=list(languages), **common)
        for word in spoken(model)
        if not chosen or word in chosen
    ]
    return Info(
        asr=[AsrProgram(name="sayso", models=[asr], **described)],
        wake=[WakeProgram(name="sayso", models=waking, **described)],
    )


def spoken(model: Model) -> list[str]:
    """Return the labels that are words."""
    return [label for label in model.labels if label not in (SILENCE, UNKNOWN)]


class Service:
    """A service that listens to clients; made by `serving`.

    Parameters
    ----------
    load : callable
        Makes the recogniser, in another thread.
    info : Info
        The answer to `describe`, which does not wait for the recogniser.
    notify : callable
        Called with a message about a client that is sent away.
    wake : collection of str
        The labels that are wake words and nothing else, and stand in no transcript.

    Attributes
    ----------
    port : int
        The port on which it listens.
    wake : collection of str
        As given.
    connections : int
        Number of connections, with those of clients that are leaving.
    offered : set of str
        The wake words that clients may ask for, and get if they name none.
    recognizer : asyncio.Future of Recognizer
        The recogniser, when it is ready.
    """

    def __init__(
        self, load: Callable[[], Recognizer], info: Info, notify: Callable[[str], None], wake: Collection[str]
    ) -> None:
        self.info, self.wake, self._notify = info, wake, notify
        self.offered = {model.name for program in info.wake for model in program.models}
        self.port = 0
        self._clients: set[asyncio.Task[None] | None] = set()
        self.connections, self._closing = 0, False
        # When the latest messages about clients were, and how many were left out since.
        self._complaints: deque[float] = deque(maxlen=MOST_COMPLAINTS)
        self._untold = 0
        self._threads = ThreadPoolExecutor(os.cpu_count() or 1, "sayso-wyoming")
        self.recognizer = asyncio.get_running_loop().run_in_executor(self._threads, load)

    async def run(self) -> None:
        """Serve until the task is cancelled, or the recogniser cannot be made."""
        await self.recognizer
        await asyncio.Event().wait()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a client until it leaves, or does what it may not."""
        if self._closing or self.connections == MOST_CONNECTIONS:
            writer.transport.abort()
            return
        self.connections += 1
        self._clients.add(asyncio.current_task())
        try:
            if len(self._clients) > MOST_CLIENTS:
                raise PeerError(f"there are {MOST_CLIENTS} other clients")
            keep_alive(writer)
            client = _Client(self, writer)
            while event := await read_event(reader):
                await client.take(event)
                # Events that are there already are read at once; the others have their turn.
                await asyncio.sleep(0)
        except (OSError, asyncio.CancelledError):
            # It has left, or the service ends.
            pass
        except SaysoError as error:
            address, *_ = writer.get_extra_info("peername") or ("an unknown address",)
            self._complain(f"sent away the client at {address}: {error}")
            with contextlib.suppress(asyncio.CancelledError):
                await tell(writer, str(error))
        finally:
            self._clients.discard(asyncio.current_task())
            await end(writer)
            self.connections -= 1

    def _complain(self, text: str) -> None:
        now = asyncio.get_running_loop().time()
        if len(self._complaints) == MOST_COMPLAINTS and now - self._complaints[0] < 60:
            self._untold += 1
            return
        self._complaints.append(now)
        self._notify(f"{text}; {self._untold} more before it" if self._untold else text)
        self._untold = 0

    async def in_turn(self, function: Callable[..., T], *arguments: Any) -> T:
        """Compute something for a client, in a thread if there are others to serve meanwhile."""
        if len(self._clients) == 1:
            return function(*arguments)
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)

    async def close(self) -> None:
        """Send all clients away, and end the threads."""
        # One that was accepted at the last moment finds nothing to be served with.
        self._closing = True
        leaving = [client for client in self._clients if client]
        for client in leaving:
            client.cancel()
        await asyncio.gather(*leaving, return_exceptions=True)
        self._threads.shutdown(wait=False, cancel_futures=True)


class _Client:
    """One client: what it asked for, and the sound that it is sending.

    Parameters
    ----------
    service : Service
        What it shares with others.
    writer : asyncio.StreamWriter
        Where the answers go.
    """

    def __init__(self, service: Service, writer: asyncio.StreamWriter) -> None:
        self._service, self._writer = service, writer
        self._transcribes = False
        # The wake words that it asked for; None is any.
        self._names: set[str] | None = None
        self._sound: ClientSound | None = None
        self._words: deque[str] = deque(maxlen=MOST_WORDS)

    async def take(self, event: Event) -> None:
        """Do what an event asks for; one that is unknown asks for nothing."""
        from wyoming.ping import Ping, Pong

        match event.type:
            case "describe":
                await self._answer(self._service.info)
            case "ping":
                text = Ping.from_event(event).text
                # Half of a character, which JSON may hold, cannot be sent.
                await self._answer(Pong(text.encode(errors="replace").decode() if isinstance(text, str) else None))
            case "transcribe":
                self._transcribes = True
            case "detect":
                names = event.data.get("names")
                if names is not None and not isinstance(names, list):
                    raise PeerError(f"the names of wake words are {shown(names)}; expected a list, or nothing for any")
                self._transcribes = False
                self._names = {name for name in names if isinstance(name, str)} if names else None
            case "audio-start":
                await self._start(event.data)
            case "audio-chunk":
                if self._sound is None:
                    await self._start(event.data)
                await self._hear(event)
            case "audio-stop":
                await self._stop()

    async def _start(self, data: dict[str, Any]) -> None:
        """Begin a new stream."""
        recognizer = await asyncio.shield(self._service.recognizer)
        self._sound = await self._service.in_turn(ClientSound, recognizer, data)
        self._words.clear()

    async def _hear(self, event: Event) -> None:
        """Process sound, a bit at a time, so that others have their turn."""
        assert self._sound is not None
        for samples in self._sound.pieces(event.data, event.payload or b""):
            await self._found(await self._service.in_turn(self._sound.stream.push, samples))

    async def _stop(self) -> None:
        """Process what is left, and say what there was."""
        from wyoming.asr import Transcript
        from wyoming.wake import NotDetected

        if self._sound is not None:
            await self._found(await self._service.in_turn(self._sound.stream.close))
        self._sound = None
        if self._transcribes:
            await self._answer(Transcript(" ".join(self._words)))
        elif not self._words:
            await self._answer(NotDetected())
        self._words.clear()

    async def _found(self, detections: Sequence[Detection]) -> None:
        """Note words, and report those that the client waits for."""
        from wyoming import wake

        assert self._sound is not None
        for detection in detections:
            if not self._wants(detection.label):
                continue
            self._words.append(detection.label)
            if not self._transcribes:
                await self._answer(wake.Detection(detection.label, self._sound.began + round(1_000 * detection.end)))

    def _wants(self, word: str) -> bool:
        if self._transcribes:
            return word not in self._service.wake
        return word in (self._service.offered if self._names is None else self._names)

    async def _answer(self, event: Eventable) -> None:
        await write_event(event.event(), self._writer)


@contextlib.asynccontextmanager
async def serving(
    load: Callable[[], Recognizer],
    info: Info,
    host: str,
    port: int,
    notify: Callable[[str], None],
    wake: Collection[str] = (),
) -> AsyncIterator[Service]:
    """Listen to clients as long as the context lasts.

    Parameters
    ----------
    load : callable
        Makes the recogniser; until it is ready, sound waits, but `describe` is answered.
    info : Info
        What is offered; see `information`.
    host : str
        The address or name to listen on; 127.0.0.1 for this machine only, 0.0.0.0 for all networks.
    port : int
        The port; 0 is any that is free.
    notify : callable
        Called with a message about a client that is sent away.
    wake : collection of str
        The labels that are wake words and nothing else; see `information`.

    Raises
    ------
    ServiceError
        If the address cannot be listened on.
    """
    from threadpoolctl import threadpool_limits

    service = Service(load, info, notify, wake)
    try:
        try:
            server = await asyncio.start_server(service.accept, host, port, limit=MOST_LINE)
        except (OSError, OverflowError, UnicodeError) as error:
            raise cannot_listen(host, port, error) from error
        service.port = server.sockets[0].getsockname()[1]
        # On several threads, small products are delayed now and then; the clients are what is spread over the cores.
        with threadpool_limits(1, "blas"), contextlib.closing(server):
            yield service
    finally:
        await service.close()
