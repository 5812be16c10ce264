"""The user's name, and the folders that an operating system gives each user, for what programs keep between runs."""

import getpass
from pathlib import Path
from typing import Literal


def user_folder(kind: Literal["cache", "data"]) -> Path | None:
    """Return sayso's folder for caches or for data.

    None if the user has no home folder: neither HOME nor an entry in the list of users, as in some containers.
    """
    import platformdirs

    try:
        path = (
            platformdirs.user_cache_path("sayso")
            if kind == "cache"
            else platformdirs.user_data_path("sayso", appauthor=False)
        )
    except (RuntimeError, KeyError, OSError):
        return None
    # Without a home folder, "~" may stay as it is.
    return path if path.is_absolute() else None


def user_name() -> str:
    """Return the user's name; it is empty if the system does not know it, as in some containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return ""
