"""PortAudio, of which a process has one: it is shared by all streams, and searches for devices only when it starts.

Restarting it ends every stream of the process, also those that other code opened with sounddevice. Devices are
therefore searched for again only while no stream is open.
"""

from __future__ import annotations

import contextlib
import gc
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sayso.errors import MicrophoneError

# Held while a stream is opened and while PortAudio is restarted, so that neither happens during the other.
LOCK = threading.RLock()


@contextlib.contextmanager
def silenced_stderr() -> Iterator[None]:
    """Suppress stderr of native code: ALSA and PortAudio print many lines where one message is enough.

    Only one thread at a time may do so, or stderr would be restored to what another has made of it.
    """
    with LOCK:
        with contextlib.suppress(AttributeError, ValueError, OSError):
            sys.stderr.flush()
        try:
            kept = os.dup(2)
        except OSError:
            # A program without stderr has nothing to suppress.
            yield
            return
        try:
            with Path(os.devnull).open("wb") as null:
                os.dup2(null.fileno(), 2)
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def portaudio() -> Any:
    """Import and return the module sounddevice.

    Raises
    ------
    MicrophoneError
        If PortAudio is not installed, or does not start.
    """
    try:
        with silenced_stderr():
            import sounddevice
    # The class of PortAudio's errors belongs to the module that failed to be imported.
    except Exception as error:
        raise MicrophoneError(
            f"PortAudio, which records sound, cannot be used ({error}); on Debian, Ubuntu and Raspberry Pi OS install "
            "it with: sudo apt install libportaudio2"
        ) from error
    return sounddevice


def open_streams() -> int:
    """Count the open streams of this process, whoever opened them.

    sounddevice keeps no list of them, but each is an object of one class.
    """
    library = portaudio()
    opened = library._ffi.typeof("PaStream *")

    def is_open(stream: Any) -> bool:
        # Of a stream that failed to open, the pointer has another type.
        pointer = stream._ptr
        return bool(library._ffi.typeof(pointer) is opened and pointer != library._ffi.NULL)

    return sum(issubclass(type(thing), library._StreamBase) and is_open(thing) for thing in gc.get_objects())


def search_devices() -> None:
    """Search for devices that were connected or removed, unless a stream is open, which it would end."""
    library = portaudio()
    with LOCK:
        if open_streams():
            return
        # sounddevice has no public functions for this.
        with silenced_stderr():
            # PortAudio may not be running because the last start failed.
            with contextlib.suppress(library.PortAudioError):
                library._terminate()
            library._initialize()
