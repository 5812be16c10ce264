"""Memory for a process that works on: a hint to the C library that makes every step faster.

A step of training allocates tens of megabytes and frees them again, a look at a second of sound hundreds of kilobytes.
glibc gives such memory back to the operating system, and the next step waits while every page of it is handed out and
cleared once more: up to a fifth of a training's time.
"""

import ctypes
import sys

# From glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3
_MEBIBYTE = 2**20


def keep_freed_memory() -> None:
    """Let this process keep memory that was freed, up to a gibibyte, for what it allocates next.

    Only Linux with glibc has such a setting; elsewhere nothing happens.
    """
    if sys.platform != "linux":
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    mallopt(_M_MMAP_THRESHOLD, 32 * _MEBIBYTE)
    mallopt(_M_TRIM_THRESHOLD, 1024 * _MEBIBYTE)
    mallopt(_M_TOP_PAD, 64 * _MEBIBYTE)
