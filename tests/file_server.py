"""A real HTTP server on this machine, of which a test chooses the files, behaviour and faults."""

import re
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

# Every byte inverted, for `bytes.translate`: another file of the same size.
INVERTED = bytes(range(255, -1, -1))


class FileServer(ThreadingHTTPServer):
    """Serves the files in `files` by the last part of their address.

    Attributes
    ----------
    files : dict of str to bytes
        Name and content of each file.
    validators : dict of str to str
        Response headers such as ETag or Last-Modified; If-Range is compared with them.
    ranges, lengths : bool
        Whether the server sends parts of a file, and whether it sends Content-Length.
    cuts : list of int
        Number of bytes after which each of the next responses is cut off.
    faults : list of tuple
        Status and headers of the next responses, in place of the file.
    hold : threading.Event
        Each response waits in its middle until this is set.
    requests : list of (str, dict)
        Path and headers of each request so far.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.validators: dict[str, str] = {"ETag": '"first"'}
        self.ranges = self.lengths = True
        self.cuts: list[int] = []
        self.faults: list[tuple[int, dict[str, str]]] = []
        self.hold = threading.Event()
        self.hold.set()
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/data"

    def ranges_asked(self) -> list[str | None]:
        return [headers.get("Range") for _, headers in self.requests]

    def stop(self) -> None:
        self.hold.set()
        self.shutdown()
        self.server_close()
        self.thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: FileServer

    def do_GET(self) -> None:
        self.server.requests.append((self.path, dict(self.headers)))
        content = self.server.files.get(urlsplit(self.path).path.rpartition("/")[2])
        if self.server.faults:
            status, headers = self.server.faults.pop(0)
            self._head(status, headers)
            return
        if content is None:
            self._head(404, {})
            return
        status, headers, start = 200, dict(self.server.validators), 0
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if wanted and self.server.ranges and self.headers.get("If-Range") in (None, *self.server.validators.values()):
            start = int(wanted[1])
            status, headers["Content-Range"] = 206, f"bytes {start}-{len(content) - 1}/{len(content)}"
        if self.server.lengths:
            headers["Content-Length"] = str(len(content) - start)
        self._head(status, headers)
        self._body(content[start:])

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _body(self, content: bytes) -> None:
        cut = self.server.cuts.pop(0) if self.server.cuts else len(content)
        middle = min(cut, len(content) // 2 if not self.server.hold.is_set() else cut)
        try:
            self.wfile.write(content[:middle])
            self.server.hold.wait(60)
            self.wfile.write(content[middle:cut])
            if cut < len(content):
                self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the client is gone

    def log_message(self, *arguments: Any) -> None:
        pass
