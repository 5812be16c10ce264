"""Home Assistant finds the Wyoming service in the network by itself: an announcement by multicast DNS (zeroconf)."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from collections.abc import AsyncIterator, Callable

KIND = "_wyoming._tcp.local."
# Where multicast DNS is spoken: the way there leads over the interface on which others can be reached.
GROUP = ("224.0.0.251", 5353)
# Bytes of a part of a name in DNS.
LONGEST_NAME = 63


def reachable(host: str) -> str | None:
    """Return the IPv4 address at which other machines reach a service that listens on `host`; None if there is none.

    What listens on all addresses (0.0.0.0) has that of the interface to the local network.
    """
    try:
        address = ipaddress.ip_address(host or "0.0.0.0")
    except ValueError:
        with contextlib.suppress(OSError, UnicodeError):
            address = ipaddress.ip_address(socket.gethostbyname(host))
            return None if address.is_loopback else str(address)
        return None
    if address.is_unspecified:
        with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            # No packet is sent.
            probe.connect(GROUP)
            address = ipaddress.ip_address(probe.getsockname()[0])
    usable = address.version == 4 and not address.is_loopback and not address.is_unspecified
    return str(address) if usable else None


@contextlib.asynccontextmanager
async def announced(name: str, address: str, port: int, notify: Callable[[str], None]) -> AsyncIterator[None]:
    """Announce a service as long as the context lasts; what hinders that is told, and hinders nothing else.

    Parameters
    ----------
    name : str
        What it is called; another service of that name gets a number behind it.
    address : str
        The IPv4 address at which it is reached, and over whose interface it is announced.
    port : int
        Its port.
    notify : callable
        Called with a message if it cannot be announced.
    """
    try:
        from zeroconf import ServiceInfo
        from zeroconf.asyncio import AsyncZeroconf
    except ImportError:
        notify('the service is not announced in the network, which needs zeroconf: pip install "sayso[wyoming]"')
        yield
        return
    label = name.encode()[:LONGEST_NAME].decode(errors="ignore").replace(".", " ")
    info = ServiceInfo(KIND, f"{label}.{KIND}", addresses=[socket.inet_aton(address)], port=port)
    zeroconf = None
    try:
        zeroconf = AsyncZeroconf(interfaces=[address])
        await zeroconf.async_register_service(info, allow_name_change=True)
    except Exception as error:
        notify(
            f"the service is not announced in the network: {error or type(error).__name__}; give its address by hand"
        )
    try:
        yield
    finally:
        if zeroconf:
            await zeroconf.async_unregister_all_services()
            await zeroconf.async_close()
