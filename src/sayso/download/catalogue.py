"""The data sets that sayso can download, and where they are on this machine; nothing is downloaded here."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sayso.errors import DownloadError
from sayso.system.suggestions import did_you_mean, nearest
from sayso.system.user_folders import user_folder

# A data set that is complete holds this hidden file, which records the archive it comes from.
MARKER = ".sayso.json"


@dataclass(frozen=True)
class DataSet:
    """A data set that can be downloaded.

    Attributes
    ----------
    name : str
        Its name for users, and that of its folder.
    about : str
        What it contains.
    address : str
        URL of the folder with the archive.
    archive : str
        File name of the archive.
    size : int
        Size of the archive in bytes.
    sha256 : str or None
        SHA-256 of the archive, if it is known.
    unpacked : int
        Approximate size on disk in bytes.
    use : {"training", "testing", "negatives"}
        What it is for: to train on its words, to measure on them, or as speech that holds no command (`--negatives`).
    """

    name: str
    about: str
    address: str
    archive: str
    size: int
    sha256: str | None
    unpacked: int
    use: Literal["training", "testing", "negatives"] = "training"


_TENSORFLOW = "http://download.tensorflow.org/data"
_OPENSLR = "https://www.openslr.org/resources/12"

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
            use="testing",
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
        DataSet(
            name="librispeech-dev-clean",
            about="LibriSpeech, dev-clean: 5 hours of read sentences by 40 speakers",
            address=_OPENSLR,
            archive="dev-clean.tar.gz",
            size=337_926_286,
            sha256="76f87d090650617fca0cac8f88b9416e0ebf80350acb97b343a85fa903728ab3",
            unpacked=360_000_000,
            use="negatives",
        ),
        DataSet(
            name="librispeech-train-clean-100",
            about="LibriSpeech, train-clean-100: 100 hours of read sentences by 251 other speakers",
            address=_OPENSLR,
            archive="train-clean-100.tar.gz",
            size=6_387_309_499,
            sha256="d4ddd1d5a6ab303066f14971d768ee43278a5f2a0aa43dc716b0e64ecbbbf6e2",
            unpacked=6_600_000_000,
            use="negatives",
        ),
        DataSet(
            name="librispeech-test-clean",
            about="LibriSpeech, test-clean: 5 hours of read sentences by 40 other speakers",
            address=_OPENSLR,
            archive="test-clean.tar.gz",
            size=346_663_984,
            sha256="39fde525e59672dc6d1551919b1478f724438a95aa55f874b576be21967e6c23",
            unpacked=370_000_000,
            use="negatives",
        ),
    )
}


def data_folder() -> Path:
    """Return the default folder of data sets.

    Raises
    ------
    DownloadError
        If the user has no home folder.
    """
    folder = user_folder("data")
    if folder is None:
        raise DownloadError(
            "there is no folder for data sets, as the user has no home folder; set HOME or XDG_DATA_HOME to a folder, "
            "or give one with --dir"
        )
    return folder


def is_complete(folder: Path) -> bool:
    """Return whether a folder is a data set that was downloaded and unpacked completely."""
    return (folder / MARKER).is_file()


def find(place: Path) -> Path:
    """Return the folder of recordings that a path or the name of a downloaded data set stands for.

    Raises
    ------
    DownloadError
        If it is the name of a data set that is not on this machine, or almost the name of one.
    """
    name = str(place)
    if place.exists() or (name not in KNOWN and len(place.parts) > 1):
        return place
    if name not in KNOWN:
        if nearest(name, KNOWN):
            raise DownloadError(f"there is neither a folder nor a data set {name}{did_you_mean(name, KNOWN)}")
        return place
    folder = data_folder() / name
    if not is_complete(folder):
        raise DownloadError(f"the data set {name} is not on this machine; run `sayso data download {name}`")
    return folder
