"""Standard input, output and error for programs that were started without them: by a service manager, by pythonw."""

import os
import sys
from pathlib import Path

_MODES = {"stdin": "r", "stdout": "w", "stderr": "w"}


def ensure_standard_streams() -> None:
    """Give this process the standard streams that it lacks: nothing to read, and nowhere to write.

    Their numbers are taken, too: the next file to be opened would get the number of a closed stream, and receive what
    libraries of the system print there.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # The lowest free number is given, which is this one: those below are open by now.
            os.open(os.devnull, os.O_RDWR)
    for name, mode in _MODES.items():
        stream = getattr(sys, name)
        if stream is None or stream.closed:
            nowhere = Path(os.devnull).open(mode, encoding="utf-8")  # noqa: SIM115 - it stays open until the end
            setattr(sys, name, nowhere)
