"""Who is let in: requests that know the token, come from the page itself, and name this machine as their host.

The token is a part of the address, so that nothing has to be stored in the browser. The name of the host is checked
because a page of a stranger could let its own name point to this machine (DNS rebinding).
"""

from __future__ import annotations

import hmac
import ipaddress
import platform
import ssl
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from sayso.errors import SaysoError, ServiceError

# What the page may do and load: nothing that is not its own.
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
        "media-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Guard:
    """Checks requests, as a middleware of aiohttp, and answers errors in JSON.

    Parameters
    ----------
    token : str
        The token.
    host : str
        The name or address that the server was told to listen on.
    """

    def __init__(self, token: str, host: str) -> None:
        self._token = token.encode()
        own = platform.node().casefold()
        self._hosts = {"localhost", host.casefold(), own, f"{own.removesuffix('.local')}.local"}

    def middleware(self) -> Middleware:
        """Return the middleware."""

        @web.middleware
        async def checked(request: web.Request, handler: Handler) -> web.StreamResponse:
            try:
                self._check(request)
                return await handler(request)
            except web.HTTPException as error:
                if error.status < 400:
                    raise
                return refusal(error.status, error.text if error.text and error.status == 403 else error.reason)
            except TimeoutError:
                return refusal(408, "the request took too long")
            except SaysoError as error:
                return refusal(400, str(error))

        return checked

    def _check(self, request: web.Request) -> None:
        """Raise HTTPForbidden for a request that is not let in."""
        if not self._is_here(request.headers.get(hdrs.HOST, "")):
            raise web.HTTPForbidden(text="this name is not one of this machine; open the address that sayso printed")
        given = request.path.split("/")[1].encode(errors="replace")
        if not hmac.compare_digest(given, self._token):
            raise web.HTTPForbidden(text="open the whole address that sayso printed; it is another after each start")
        origin = request.headers.get(hdrs.ORIGIN)
        changes = request.method != hdrs.METH_GET or hdrs.UPGRADE in request.headers
        if (origin is None and changes) or origin not in (None, f"{request.scheme}://{request.host}"):
            raise web.HTTPForbidden(text="this request does not come from the page itself")

    def _is_here(self, host: str) -> bool:
        """Return whether a Host header names this machine; an address in numbers cannot be made to point elsewhere."""
        try:
            name = (urlsplit(f"//{host}").hostname or "").casefold()
        except ValueError:
            return False
        return name in self._hosts or _is_address(name)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def refusal(status: int, reason: str) -> web.Response:
    """Return an answer that says in one line what is wrong."""
    return web.json_response({"error": reason}, status=status)


async def add_headers(_: web.BaseRequest, response: web.StreamResponse) -> None:
    """Add the headers that every answer has."""
    response.headers.update(HEADERS)


def encryption(certificate: Path, key: Path | None) -> ssl.SSLContext:
    """Return what encrypts connections with a certificate and its key, which may be in the same file.

    Raises
    ------
    ServiceError
        If they cannot be read, do not belong together, or need a password.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except (OSError, ValueError) as error:
        # Errors of OpenSSL begin with their codes.
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
        files = f"{certificate} and {key}" if key else str(certificate)
        raise ServiceError(
            f"cannot use the certificate in {files}: {reason}; give a certificate and its key as PEM files"
        ) from error
    return context


def _no_password() -> str:
    raise ValueError("the key is encrypted")


def address_of(scheme: str, host: str, port: int, token: str) -> str:
    """Return the address of the page."""
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}/{token}/"
