"""Where an MQTT broker is, and the password for it, which stands neither on a command line nor in a log."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from sayso.errors import ServiceError, shown

# The environment variable that may hold the password.
PASSWORD = "SAYSO_MQTT_PASSWORD"
# Ports by scheme, without and with TLS.
PORTS = {"mqtt": 1883, "mqtts": 8883}
# A line longer than this is no password but some other file.
LONGEST_PASSWORD = 65_535


@dataclass(frozen=True)
class Broker:
    """The address of an MQTT broker.

    Attributes
    ----------
    host : str
        Its name or address.
    port : int
        Its port.
    user : str or None
        The user name to log in with.
    tls : bool
        Whether the connection is encrypted, and the broker's certificate checked.
    """

    host: str
    port: int
    user: str | None = None
    tls: bool = False

    @classmethod
    def parse(cls, address: str) -> Broker:
        """Read an address of the form ``mqtt[s]://[USER@]HOST[:PORT]``.

        Raises
        ------
        ServiceError
            If it has another form, or holds a password.
        """
        try:
            parts = urlsplit(address)
            port, password = parts.port, parts.password
        except ValueError:
            parts, port, password = urlsplit(""), None, None
        if password is not None:
            raise ServiceError(
                "the address holds a password, which others can see in the list of processes; put it into a file and "
                f"give --password-file FILE, or set {PASSWORD}"
            )
        if parts.scheme not in PORTS or not parts.hostname or parts.path.strip("/") or parts.query or parts.fragment:
            raise ServiceError(
                f"{shown(address)} is no address of a broker; expected mqtt[s]://[USER@]HOST[:PORT], as in "
                "mqtts://anna@homeassistant.local"
            )
        user = unquote(parts.username) if parts.username else None
        return cls(parts.hostname, port or PORTS[parts.scheme], user, parts.scheme == "mqtts")

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'mqtts' if self.tls else 'mqtt'}://{host}:{self.port}"


def read_password(path: Path | None) -> str | None:
    """Return the first line of a file, or without one what the environment holds, if anything.

    Raises
    ------
    ServiceError
        If the file cannot be read, or its first line is no password.
    """
    if path is None:
        return os.environ.get(PASSWORD)
    try:
        with path.open(encoding="utf-8") as file:
            line = file.readline(LONGEST_PASSWORD + 2).rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text in UTF-8"
        raise ServiceError(f"cannot read the password in {path}: {reason}; give a file with one line") from error
    if not 0 < len(line) <= LONGEST_PASSWORD:
        raise ServiceError(
            f"the first line of {path} is {'empty' if not line else 'too long'}; write the password there"
        )
    return line


def readable_by_others(path: Path) -> bool:
    """Return whether other users of this machine may read a file."""
    return os.name == "posix" and bool(path.stat().st_mode & 0o044)
