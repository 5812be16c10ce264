"""The folders that an operating system gives each user, for what programs keep between runs."""

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
