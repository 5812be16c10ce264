"""The exceptions that sayso raises deliberately.

Every message says what was given, what was expected and what to do; the command line prints it as one line. What counts
as damage of content from elsewhere is decided here, too, by `untrusted`.
"""

import contextlib
import errno
from collections.abc import Callable, Iterator

# Characters of a foreign value, and of another library's message, that an error shows.
LONGEST_SHOWN, LONGEST_REASON = 80, 300


class SaysoError(Exception):
    """Base class of all errors that a user can cause and correct."""


class ArgumentError(SaysoError, TypeError):
    """An argument of a type that cannot be used; also a TypeError, as is usual in Python."""


class AudioError(SaysoError):
    """A sound file or an array of samples that cannot be used."""


class ExportError(SaysoError):
    """A model that cannot be exported, or a format whose package is not installed."""


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


class ServiceError(SaysoError):
    """A broker that cannot be used, or an address on which no service can be offered."""


class SettingsError(SaysoError, ValueError):
    """A setting that is unknown, out of range or contradicts another; also a ValueError, as is usual in Python."""


class StorageError(SaysoError):
    """A file that cannot be written."""


class WorkerError(SaysoError):
    """Processes or machines that the work cannot be distributed to."""


class DamageError(SaysoError):
    """Content from elsewhere that is not what it should be; usually replaced by an error that names the source."""


@contextlib.contextmanager
def untrusted(refusal: Callable[[str], SaysoError] = DamageError, *passing: type[Exception]) -> Iterator[None]:
    """Interpret content that may be damaged or hostile: whatever goes wrong inside becomes one clear error.

    Parsers and NumPy raise almost every kind of exception on damaged content, including OverflowError, RecursionError,
    MemoryError and SyntaxError, so all kinds count as damage, with two exceptions: an OSError with an error number is a
    fault of the machine, such as a full disk; and an error of the kind that `refusal` returns already says what is
    wrong. Only interpret content inside, as a bug of this program would be reported as damage, too.

    Parameters
    ----------
    refusal : callable
        Makes the error to raise; takes the reason, a part of a sentence.
    *passing : type of Exception
        Errors that the caller handles itself.
    """
    try:
        yield
    except passing:
        raise
    except Exception as error:
        # EINVAL: the content leads to a place before the start of the file.
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise
        refused = refusal(_reason(error))
        if isinstance(error, type(refused)):
            raise
        raise refused from error


def shown(value: object) -> str:
    """Return the representation of a foreign value for a message, shortened if it is long."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):
        # A whole number of thousands of digits, or lists nested without end.
        return f"a {type(value).__name__} too large to show"
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"


def _reason(error: Exception) -> str:
    """Return what an exception says, on one line and not too long."""
    if isinstance(error, MemoryError):
        return "it needs more memory than there is"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    text = " ".join(str(error).split()) or type(error).__name__
    text = text if len(text) <= LONGEST_REASON else f"{text[:LONGEST_REASON]}…"
    return f"{text} is missing" if isinstance(error, KeyError) else text
