"""The data sets that sayso can fetch, where they lie on this machine, and what a corpus holds.

Nothing is fetched here.
"""

from dataclasses import dataclass
from pathlib import Path

from sayso.errors import DownloadError

# A set that was unpacked whole holds this hidden file, which tells where it comes from.
MARKER = ".sayso.json"


@dataclass(frozen=True)
class DataSet:
    """A data set that can be fetched.

    Attributes
    ----------
    name : str
        What users call it, and its folder.
    about : str
        What it holds.
    address : str
        Folder of the archive on the network.
    archive : str
        Name of the archive.
    size : int
        Bytes of the archive.
    sha256 : str or None
        Hash of the archive, if it is known.
    unpacked : int
        Bytes on disk once unpacked, about.
    """

    name: str
    about: str
    address: str
    archive: str
    size: int
    sha256: str | None
    unpacked: int


_TENSORFLOW = "http://download.tensorflow.org/data"

KNOWN = {
    data_set.name: data_set
    for data_set in (
        DataSet(
            name="speech-commands",
            about="Speech Commands 2: 105,829 clips of 35 words, and noise",
            address=_TENSORFLOW,
            archive="speech_commands_v0.02.tar.gz",
            size=2_428_923_189,
            sha256="af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58",
            unpacked=3_850_000_000,
        ),
        DataSet(
            name="speech-commands-v1",
            about="Speech Commands 1: about 65,000 clips of 30 words, and noise",
            address=_TENSORFLOW,
            archive="speech_commands_v0.01.tar.gz",
            size=1_489_096_277,
            sha256="743935421bb51cccdb6bdd152e04c5c70274e935c82119ad7faeec31780d811d",
            unpacked=2_350_000_000,
        ),
        DataSet(
            name="speech-commands-test",
            about="the official test set of Speech Commands 2: 4,890 clips",
            address=_TENSORFLOW,
            archive="speech_commands_test_set_v0.02.tar.gz",
            size=112_563_277,
            sha256="cc2a00c1147c2254e9be3fa0f779d8c17421dc349b86366567a8edfa9acd51df",
            unpacked=180_000_000,
        ),
        DataSet(
            name="mini-speech-commands",
            about="a part of Speech Commands: 8,000 clips of 8 words",
            address="https://storage.googleapis.com/download.tensorflow.org/data",
            archive="mini_speech_commands.zip",
            size=182_082_353,
            sha256=None,
            unpacked=290_000_000,
        ),
    )
}


def data_folder() -> Path:
    """Return the folder in which data sets are kept unless another is named."""
    from platformdirs import user_data_path

    return user_data_path("sayso", appauthor=False)


def is_whole(folder: Path) -> bool:
    """Tell whether a folder is a data set that was fetched and unpacked to its end."""
    return (folder / MARKER).is_file()


def find(place: Path) -> Path:
    """Return the folder of recordings that is named by its path or, if it was fetched, by the name of a data set.

    Raises
    ------
    DownloadError
        If it is the name of a data set that is not on this machine.
    """
    name = str(place)
    if name not in KNOWN or place.exists():
        return place
    folder = data_folder() / name
    if not is_whole(folder):
        raise DownloadError(f"the data set {name} is not on this machine; run: sayso data download {name}")
    return folder
