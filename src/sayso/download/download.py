"""Fetch a data set so that it is whole or not there at all.

It is unpacked into a hidden folder and renamed, so its name never stands for half of it, whenever the power goes.
"""

import contextlib
import json
import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

from sayso.download.archive import unpack
from sayso.download.catalogue import MARKER, DataSet, is_whole
from sayso.download.http import Tell, fetch, forget, length, verify
from sayso.errors import DownloadError, StorageError
from sayso.system.atomic_files import write_atomically

StagedProgress = Callable[[str, int, int], None]


def download(data_set: DataSet, folder: Path, mirror: str | None, progress: StagedProgress, tell: Tell) -> Path:
    """Fetch, check and unpack a data set; do nothing if that is done already.

    Parameters
    ----------
    data_set : DataSet
        What to fetch.
    folder : Path
        Where to make the folder of the data set.
    mirror : str, optional
        Address of a folder that holds the archive, instead of the usual one.
    progress : callable
        Is told the stage ("downloading", "verifying", "unpacking"), how many bytes are done, and how many there are.
    tell : callable
        Is told in a line what a user should know.

    Returns
    -------
    Path
        The folder of the data set.

    Raises
    ------
    DownloadError
        If the archive cannot be fetched whole, is another than expected, or is unsafe; if another process is at it.
    StorageError
        If there is no space for it, or the folder cannot be written.
    """
    from filelock import FileLock, Timeout

    target = folder / data_set.name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f".{data_set.name}.lock", timeout=0):
            if not is_whole(target):
                _obtain(data_set, target, (mirror or data_set.address).rstrip("/"), progress, tell)
    except Timeout as error:
        raise DownloadError(
            f"another sayso is downloading {data_set.name} into {folder}; wait until it is done"
        ) from error
    except OSError as error:
        raise StorageError(
            f"cannot write into {folder}: {error.strerror or error}; free some space or choose another place"
        ) from error
    return target


def _obtain(data_set: DataSet, target: Path, address: str, progress: StagedProgress, tell: Tell) -> None:
    """Take all steps from the network to the folder; the caller holds the lock."""
    if target.exists():
        raise StorageError(
            f"{target} exists and is not what `sayso data download` makes; move it away or choose another place"
        )
    part = target.with_name(f"{data_set.archive}.part")
    unpacked = target.with_name(f".{data_set.name}.unpacking")
    if unpacked.exists():  # of a process that was killed
        shutil.rmtree(unpacked)
    check_space(target.parent, max(data_set.size - length(part), 0) + data_set.unpacked)
    fetch(f"{address}/{data_set.archive}", part, data_set.size, partial(progress, "downloading"), tell)
    if data_set.sha256:
        verify(part, data_set.sha256, partial(progress, "verifying"))
    try:
        # What holds twice as much as it should is some other archive.
        unpack(part, unpacked, 2 * data_set.unpacked, partial(progress, "unpacking"))
    except DownloadError:
        forget(part)
        raise
    try:
        root = _root(unpacked)
        write_atomically(root / MARKER, json.dumps({"archive": data_set.archive, "sha256": data_set.sha256}).encode())
        if hasattr(os, "sync"):
            # A crash of the machine must not leave the new name with files whose content never reached the disk.
            os.sync()
        root.rename(target)
    finally:
        shutil.rmtree(unpacked, ignore_errors=True)
    forget(part)


def tidy(data_set: DataSet, folder: Path) -> None:
    """Delete what a process left behind that was killed when its data set was whole already, but not yet all done."""
    with contextlib.suppress(OSError):
        forget(folder / f"{data_set.archive}.part")
    shutil.rmtree(folder / f".{data_set.name}.unpacking", ignore_errors=True)


def check_space(folder: Path, needed: int) -> None:
    """Refuse to begin what the disk cannot hold."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise StorageError(
            f"{folder} has {free / 1e9:.1f} GB of free space; expected {needed / 1e9:.1f} GB for the archive and what "
            "is in it; free some space or choose another place"
        )


def _root(folder: Path) -> Path:
    """Return the folder that holds the words; some archives have one around them, and a Mac adds __MACOSX."""
    entries = [entry for entry in folder.iterdir() if not entry.name.startswith((".", "__"))]
    return entries[0] if len(entries) == 1 and entries[0].is_dir() else folder
