"""Units of systemd, by which sayso runs as long as its user is logged in, or always."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from sayso.errors import SettingsError, shown

# What systemd allows in the name of a unit, except for what it interprets.
_NAME = re.compile(r"[a-zA-Z0-9:_.-]{1,100}")
# Characters that systemd interprets within double quotes, and what stands for them.
_ESCAPES = {"\\": "\\\\", '"': '\\"', "%": "%%", "$": "$$", "\n": "\\n", "\t": "\\t", "\r": "\\r"}

TEMPLATE = """\
# Made by `sayso service`. After a change: systemctl --user daemon-reload, then systemctl --user restart {name}
[Unit]
Description=sayso, {command}
# The sound servers, if there are any.
After=pipewire.service pulseaudio.service
# Try for ever: a microphone or a broker may come back after days.
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart={start}
# Where relative paths in the command lead from.
WorkingDirectory={directory}
# A lost microphone and a lost broker are waited for without ending. What ends it is something else, such as a
# microphone that is missing at the start. Wrong usage (status 2) does not get better by trying again.
Restart=on-failure
RestartSec=5
RestartPreventExitStatus=2
# It ends at SIGTERM within a second or two, with everything delivered and all files closed.
TimeoutStopSec=15
# In the journal, which keeps what it prints: journalctl --user -u {name} -f
SyslogIdentifier={name}
# Recordings and what it writes are for this user only.
UMask=0077
{restrictions}
[Install]
WantedBy=default.target
"""

RESTRICTIONS = """\
# It gains no rights, starts no other programs with more rights, and uses only what an ordinary program needs.
NoNewPrivileges=yes
RestrictSUIDSGID=yes
RestrictNamespaces=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
LockPersonality=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
"""

FREE = """\
# The commands of --exec inherit what is restricted here, so that nothing else is, and are found as in this shell.
Environment={path}
"""


def unit(name: str, arguments: Sequence[str], directory: Path, restricted: bool) -> str:
    """Return a unit for a command of sayso.

    Parameters
    ----------
    name : str
        Name of the unit, without ".service".
    arguments : sequence of str
        What stands behind `sayso`.
    directory : Path
        The folder in which the command runs.
    restricted : bool
        Whether to forbid what sayso itself does not need, and with it the commands that it starts.

    Raises
    ------
    SettingsError
        If the name is not one of a unit.
    """
    check_name(name)
    # -P: a file in that folder is never taken for a module.
    start = [sys.executable, "-P", "-m", "sayso", *arguments]
    return TEMPLATE.format(
        name=name,
        command=_plain(" ".join(arguments)),
        start=" ".join(map(quoted, start)),
        directory=_plain(str(directory)),
        restrictions=RESTRICTIONS if restricted else FREE.format(path=quoted(f"PATH={os.environ.get('PATH', '')}")),
    )


def check_name(name: str) -> None:
    """Refuse what cannot be the name of a unit."""
    if not _NAME.fullmatch(name):
        raise SettingsError(f"{shown(name)} is no name of a unit; use letters, digits, '-', '_', '.' and ':' only")


def quoted(word: str) -> str:
    """Return a word of a command line as systemd reads it."""
    escaped = "".join(_ESCAPES.get(character, character) for character in word)
    return escaped if escaped and re.fullmatch(r"[\w@%+=:,./$-]+", escaped) else f'"{escaped}"'


def _plain(text: str) -> str:
    """Return a text as a value that systemd takes literally, on one line."""
    return " ".join(text.split("\n")).replace("%", "%%")


def units_folder() -> Path:
    """Return the folder of the user's own units."""
    home = os.environ.get("XDG_CONFIG_HOME", "")
    return (Path(home) if Path(home).is_absolute() else Path.home() / ".config") / "systemd" / "user"
