"""Download a data set so that it is either complete or not there at all.

It is unpacked into a hidden folder, which is then renamed, so even a power failure never leaves an incomplete data set
under its name.
"""

import contextlib
import json
import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

from sayso.download.archive import remove, unpack
from sayso.download.catalogue import MARKER, DataSet, is_complete
from sayso.download.http import Report, discard, fetch, size_of, verify
from sayso.errors import DownloadError, StorageError
from sayso.system.atomic_files import write_atomically

StagedProgress = Callable[[str, int, int], None]


def download(data_set: DataSet, folder: Path, mirror: str | None, progress: StagedProgress, report: Report) -> Path:
    """Download, verify and unpack a data set, unless that is already done.

    Parameters
    ----------
    data_set : DataSet
        The data set.
    folder : Path
        Where to create the folder of the data set.
    mirror : str, optional
        URL of another folder that holds the archive.
    progress : callable
        Called with the stage ("downloading", "verifying" or "unpacking"), the bytes done, and their total.
    report : callable
        Called with a line of text about what a user should know.

    Returns
    -------
    Path
        The folder of the data set.

    Raises
    ------
    DownloadError
        If the archive cannot be downloaded completely, is not the expected one, or is unsafe; if another process is
        downloading it.
    StorageError
        If there is too little space, or the folder cannot be written.
    """
    from filelock import FileLock, Timeout

    target = folder / data_set.name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f".{data_set.name}.lock", timeout=0):
            if not is_complete(target):
                _download(data_set, target, (mirror or data_set.address).rstrip("/"), progress, report)
    except Timeout as error:
        raise DownloadError(
            f"another sayso is downloading {data_set.name} into {folder}; wait until it has finished"
        ) from error
    except OSError as error:
        raise StorageError(
            f"cannot write into {folder}: {error.strerror or error}; free some space or choose another folder"
        ) from error
    return target


def _download(data_set: DataSet, target: Path, address: str, progress: StagedProgress, report: Report) -> None:
    """Go through all stages; the caller holds the lock."""
    if target.exists():
        raise StorageError(
            f"{target} exists and was not made by `sayso data download`; move it away or choose another folder"
        )
    part = target.with_name(f"{data_set.archive}.part")
    unpacked = target.with_name(f".{data_set.name}.unpacking")
    if unpacked.exists():  # left by a process that was killed
        remove(unpacked)
    check_space(target.parent, max(data_set.size - size_of(part), 0) + data_set.unpacked)
    fetch(f"{address}/{data_set.archive}", part, data_set.size, partial(progress, "downloading"), report)
    if data_set.sha256:
        verify(part, data_set.sha256, partial(progress, "verifying"))
    try:
        # An archive with more than twice the expected content is another one.
        unpack(part, unpacked, 2 * data_set.unpacked, partial(progress, "unpacking"))
    except DownloadError:
        discard(part)
        raise
    try:
        root = _root(unpacked)
        write_atomically(root / MARKER, json.dumps({"archive": data_set.archive, "sha256": data_set.sha256}).encode())
        if hasattr(os, "sync"):
            # After a crash of the machine, the new name must not stand for files whose content never reached the disk.
            os.sync()
        root.rename(target)
    finally:
        with contextlib.suppress(OSError):
            remove(unpacked)
    discard(part)


def tidy(data_set: DataSet, folder: Path) -> None:
    """Delete what a process left that was killed after its data set was complete, but before it had cleaned up."""
    with contextlib.suppress(OSError):
        discard(folder / f"{data_set.archive}.part")
        remove(folder / f".{data_set.name}.unpacking")


def check_space(folder: Path, needed: int) -> None:
    """Raise a StorageError if the disk has less than the bytes needed."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise StorageError(
            f"{folder} has {free / 1e9:.1f} GB of free space; expected {needed / 1e9:.1f} GB for the archive and its "
            "content; free some space or choose another folder"
        )


def _root(folder: Path) -> Path:
    """Return the folder with the word folders; some archives have a folder around it, and macOS adds __MACOSX."""
    entries = [entry for entry in folder.iterdir() if not entry.name.startswith((".", "__"))]
    return entries[0] if len(entries) == 1 and entries[0].is_dir() else folder
