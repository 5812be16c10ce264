"""The errors sayso raises on purpose.

Every message says what was given, what was expected and what to do; the command line prints it as one line.
"""


class SaysoError(Exception):
    """Root of all errors that a user can cause and mend."""


class AudioError(SaysoError):
    """A sound file or an array of samples that cannot be used."""


class FormatError(AudioError):
    """A sound file of a format that cannot be read here."""


class CorpusError(SaysoError):
    """A folder of recordings that cannot be trained or measured on."""


class DownloadError(SaysoError):
    """A data set that is not on this machine, or cannot be fetched whole and unpacked safely."""


class MicrophoneError(SaysoError):
    """A microphone that is missing, cannot be opened, or is ambiguous."""


class ModelError(SaysoError):
    """A file that is not a usable model, or a name that no shipped model bears."""


class SettingsError(SaysoError, ValueError):
    """A setting that is unknown, out of range or contradicts another; it is a ValueError, too, as usual in Python."""


class StorageError(SaysoError):
    """A file that cannot be written."""


class WorkerError(SaysoError):
    """Processes or machines that were to share the work, and cannot."""
