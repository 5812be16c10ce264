"""Signals that ask a program to end: it ends as at Ctrl-C, with all files closed."""

import os
import signal
from collections.abc import Callable
from types import FrameType


def end_as_ctrl_c(end_otherwise: Callable[[], object] | None = None) -> None:
    """Let SIGTERM, and SIGHUP when the terminal is closed, raise KeyboardInterrupt in the main thread, once.

    A SIGHUP that is ignored, as under nohup, remains so.

    Parameters
    ----------
    end_otherwise : callable, optional
        Called instead of raising, where an exception could hit any of the tasks of an event loop.
    """
    terminals = [number for number in range(3) if os.isatty(number)]
    hang_up = getattr(signal, "SIGHUP", None)
    signals = [signal.SIGTERM]
    if hang_up is not None and signal.getsignal(hang_up) == signal.SIG_DFL:
        signals.append(hang_up)

    def end(number: int, frame: FrameType | None) -> None:
        # Some service managers send both, and the second must not interrupt the closing of files.
        for each in signals:
            signal.signal(each, signal.SIG_IGN)
        if number == hang_up:
            # Writing to a terminal that is gone would fail.
            nowhere = os.open(os.devnull, os.O_RDWR)
            for terminal in terminals:
                os.dup2(nowhere, terminal)
        if end_otherwise is None:
            raise KeyboardInterrupt
        end_otherwise()

    for each in signals:
        signal.signal(each, end)
