"""The HTTP server of the page: its files, its recordings, its models, and the connections of open pages."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import ssl
from collections.abc import AsyncIterator, Callable
from importlib import resources

import numpy as np
from aiohttp import web

from sayso.errors import SettingsError
from sayso.live.guidance import NOISE, RATE
from sayso.live.takes import check_name, trimmed
from sayso.serve.addresses import cannot_listen
from sayso.serve.client_sound import RATES
from sayso.serve.web.connection import Connection
from sayso.serve.web.guard import Guard, add_headers, refusal
from sayso.serve.web.studio import Studio
from sayso.sound import audio
from sayso.sound.stream import Samples
from sayso.sound.uncompressed import samples_of

# Open pages and connections at a time; more are sent away.
MOST_PAGES, MOST_CONNECTIONS = 16, 128
# Bytes of a recording: noise at the highest rate. Recordings that are read at a time, the others wait.
MOST_BODY, MOST_UPLOADS = int(2 * (NOISE + 1) * RATES[1]), 4
# Seconds for the sending of a recording, and until an idle connection is closed, or one that asks for nothing.
UPLOAD, IDLE = 60.0, 15.0
# Seconds of the shortest recording.
SHORTEST = 0.1
# The files of the page, by name.
KINDS = {
    "icon.svg": "image/svg+xml",
    "page.js": "text/javascript",
    "microphone.js": "text/javascript",
    "takes.js": "text/javascript",
    "worklet.js": "text/javascript",
}
# Bytes of an archive that are sent at a time.
PART = 2**16


class Server:
    """Answers requests; made by `serving`.

    Parameters
    ----------
    studio : Studio
        What all pages share.
    notify : callable
        Called with a message about a peer that is sent away.
    """

    def __init__(self, studio: Studio, notify: Callable[[str], None]) -> None:
        self._studio, self._notify = studio, notify
        self._connections: set[Connection] = set()
        self._uploads = asyncio.Semaphore(MOST_UPLOADS)
        static = resources.files(__package__) / "static"
        self._files = {name: (kind, (static / name).read_bytes()) for name, kind in KINDS.items()}
        self._files[""] = "text/html", (static / "page.html").read_bytes()
        style = resources.files("sayso.report") / "templates" / "style.css"
        self._files["page.css"] = "text/css", style.read_bytes() + (static / "page.css").read_bytes()

    def application(self, guard: Guard) -> web.Application:
        """Return the application, behind a guard."""
        application = web.Application(middlewares=[guard.middleware()], client_max_size=MOST_BODY)
        application.on_response_prepare.append(add_headers)
        application.on_shutdown.append(self._close)
        application.add_routes(
            [
                web.get("/{token}/socket", self._connect),
                web.post("/{token}/takes", self._record),
                web.get("/{token}/takes/{take}", self._play),
                web.delete("/{token}/takes/{take}", self._delete),
                web.post("/{token}/lesson", self._teach),
                web.delete("/{token}/lesson", self._stop),
                web.get("/{token}/mine.safetensors", self._model),
                web.get("/{token}/recordings.zip", self._recordings),
                web.get("/{token}/{file:[a-z.]*}", self._file),
            ]
        )
        return application

    async def _file(self, request: web.Request) -> web.Response:
        if (name := request.match_info["file"]) not in self._files:
            raise web.HTTPNotFound
        kind, content = self._files[name]
        return web.Response(body=content, content_type=kind, charset="utf-8")

    async def _connect(self, request: web.Request) -> web.StreamResponse:
        if len(self._connections) >= MOST_PAGES:
            return refusal(503, f"there are {MOST_PAGES} other open pages; close one")
        connection = Connection(self._studio, self._notify)
        self._connections.add(connection)
        try:
            return await connection.run(request)
        finally:
            self._connections.discard(connection)

    async def _record(self, request: web.Request) -> web.Response:
        """Check a recording, and save it if nothing is wrong with it, or if it shall be kept anyway."""
        query = request.query
        labels = self._studio.recognizers["base"].labels
        word = self._studio.collection.word_named(query["word"], labels) if "word" in query else None
        speaker = check_name("speaker", "-".join(query.get("speaker", "").split()))
        rate = query.get("rate", "")
        if not (rate.isascii() and rate.isdecimal() and len(rate) < 7 and RATES[0] <= int(rate) <= RATES[1]):
            raise SettingsError(f"the sound has the rate {rate[:20]!r}; expected {RATES[0]} to {RATES[1]} Hz")
        async with asyncio.timeout(UPLOAD), self._uploads:
            body = await request.read()
            if not SHORTEST * int(rate) <= len(body) // 2 <= (NOISE + 1) * int(rate):
                seconds = len(body) / 2 / int(rate)
                raise SettingsError(f"the recording has {seconds:.1f} s; expected {SHORTEST} to {NOISE:g} s")
            keep = query.get("keep") == "yes"
            answer = await self._studio.in_turn(self._saved, body, int(rate), word, speaker, keep)
        if answer["saved"]:
            self._studio.changed()
        return web.json_response(answer)

    def _saved(self, body: bytes, rate: int, word: str | None, speaker: str, keep: bool) -> dict[str, object]:
        """Do what `_record` says; without a word it is noise."""
        samples: Samples = samples_of(body[: len(body) // 2 * 2], "s16le", 1).astype(np.float32, copy=False)
        samples = audio.from_array(samples, rate, RATE)
        if word is None:
            self._studio.collection.save_noise(speaker, samples)
            problems, seconds = list[str](), len(samples) / RATE
        else:
            take = trimmed(samples, RATE)
            problems, seconds = list(take.problems), len(take.samples) / RATE
            if problems and not keep:
                return {"saved": False, "problems": problems, "word": word}
            self._studio.collection.save(word, speaker, take.samples)
        return {"saved": True, "problems": problems, "word": word, "seconds": round(seconds, 2)}

    async def _play(self, request: web.Request) -> web.StreamResponse:
        take = await self._studio.in_turn(self._studio.collection.find, request.match_info["take"])
        if take is None:
            raise web.HTTPNotFound
        return web.FileResponse(take.path)

    async def _delete(self, request: web.Request) -> web.Response:
        await self._studio.in_turn(self._studio.collection.delete, request.match_info["take"])
        self._studio.changed()
        return web.json_response({})

    async def _teach(self, _: web.Request) -> web.Response:
        self._studio.teach()
        return web.json_response({}, status=202)

    async def _stop(self, _: web.Request) -> web.Response:
        self._studio.stop_teaching()
        return web.json_response({})

    async def _model(self, _: web.Request) -> web.StreamResponse:
        if "taught" not in self._studio.recognizers:
            raise web.HTTPNotFound
        headers = {"Content-Disposition": 'attachment; filename="mine.safetensors"'}
        return web.FileResponse(self._studio.collection.model_path, headers=headers)

    async def _recordings(self, request: web.Request) -> web.StreamResponse:
        file = await self._studio.in_turn(self._studio.collection.zipped)
        with file:
            headers = {"Content-Disposition": 'attachment; filename="recordings.zip"'}
            response = web.StreamResponse(headers=headers)
            response.content_type = "application/zip"
            response.content_length = os.fstat(file.fileno()).st_size
            await response.prepare(request)
            while part := await self._studio.in_turn(file.read, PART):
                async with asyncio.timeout(UPLOAD):
                    await response.write(part)
        return response

    async def _close(self, _: web.Application) -> None:
        await asyncio.gather(*(connection.close() for connection in self._connections))


class _Notifying(logging.Handler):
    """Tells in one line what the HTTP library has to complain about, such as a peer that does not speak HTTP."""

    def __init__(self, notify: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._notify = notify

    def emit(self, record: logging.LogRecord) -> None:
        """Tell a message and its cause."""
        cause = record.exc_info[1] if record.exc_info else None
        reason = f": {' '.join(str(cause).split()) or type(cause).__name__}" if cause else ""
        self._notify(f"{record.getMessage()}{reason}"[:300])


@contextlib.asynccontextmanager
async def serving(
    studio: Studio, token: str, host: str, port: int, notify: Callable[[str], None], tls: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """Serve the page as long as the context lasts.

    Parameters
    ----------
    studio : Studio
        What all pages share.
    token : str
        The secret part of the address.
    host : str
        The address or name to listen on; 127.0.0.1 for this machine only, 0.0.0.0 for all networks.
    port : int
        The port; 0 is any that is free.
    notify : callable
        Called with a message about a peer that is sent away.
    tls : SSLContext, optional
        The certificate and key by which connections are encrypted.

    Yields
    ------
    port : int
        The port.

    Raises
    ------
    ServiceError
        If the address cannot be listened on.
    """
    from threadpoolctl import threadpool_limits

    log = logging.Logger("sayso.web")
    log.addHandler(_Notifying(notify))
    runner = web.AppRunner(
        Server(studio, notify).application(Guard(token, host)), access_log=None, logger=log, auto_decompress=False,
        keepalive_timeout=IDLE, lingering_time=1.0, shutdown_timeout=1.0,
    )  # fmt: skip
    try:
        await runner.setup()
        answering = runner.server
        assert answering

        def accepted() -> asyncio.BaseProtocol:
            return answering() if len(answering.connections) < MOST_CONNECTIONS else _Refusing()

        try:
            server = await asyncio.get_running_loop().create_server(accepted, host, port, ssl=tls)
        except (OSError, OverflowError, UnicodeError) as error:
            raise cannot_listen(host, port, error) from error
        # On several threads, small products are delayed now and then; the pages are what is spread over the cores.
        with threadpool_limits(1, "blas"), contextlib.closing(server):
            yield server.sockets[0].getsockname()[1]
    finally:
        await runner.cleanup()
        await studio.close()


class _Refusing(asyncio.Protocol):
    """Ends a connection that is one too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """End it."""
        transport.close()
