"""The exceptions that sayso raises deliberately.

Every message says what was given, what was expected and what to do; the command line prints it as one line.
"""


class SaysoError(Exception):
    """Base class of all errors that a user can cause and correct."""


class ArgumentError(SaysoError, TypeError):
    """An argument of a type that cannot be used; also a TypeError, as is usual in Python."""


class AudioError(SaysoError):
    """A sound file or an array of samples that cannot be used."""


class FormatError(AudioError):
    """A sound file of a format that cannot be read here."""


class CorpusError(SaysoError):
    """A folder of recordings that cannot be used for training or evaluation."""


class DownloadError(SaysoError):
    """A data set that is not on this machine, or cannot be downloaded completely and unpacked safely."""


class MicrophoneError(SaysoError):
    """A microphone that is missing, cannot be opened, or is ambiguous."""


class ModelError(SaysoError):
    """A file that is not a usable model, or a name that is not that of a shipped model."""


class SettingsError(SaysoError, ValueError):
    """A setting that is unknown, out of range or contradicts another; also a ValueError, as is usual in Python."""


class StorageError(SaysoError):
    """A file that cannot be written."""


class WorkerError(SaysoError):
    """Processes or machines that the work cannot be distributed to."""
