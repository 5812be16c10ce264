"""WAV files that can be read at any moment while they are recorded, and have no largest length."""

import struct
from pathlib import Path

from sayso.sound.stream import Samples

# Largest size that a WAV file can declare, in bytes. A longer one becomes RF64 (EBU Tech 3306), which declares it in a
# chunk whose place a chunk of junk keeps until then.
LARGEST = 2**32 - 1
# A size that says that the right one stands in that chunk.
_ELSEWHERE = 2**32 - 1
# Seconds of sound between two updates of the header.
UPDATE = 1.0
_CHUNK = struct.Struct("<4sI")
_SIZES = struct.Struct("<QQQI")
_FORMAT = struct.Struct("<HHIIHH")
_HEADER = 12 + _CHUNK.size + _SIZES.size + _CHUNK.size + _FORMAT.size + _CHUNK.size


class WavWriter:
    """Writes a new WAV file of one channel and 16 bits; its header is right to a second if the program is killed.

    Parameters
    ----------
    path : Path
        The file.
    sample_rate : int
        Samples per second.

    Raises
    ------
    OSError
        If the file cannot be created or written; also from the methods.
    """

    def __init__(self, path: Path, sample_rate: int) -> None:
        self._rate, self._bytes, self._declared = sample_rate, 0, 0
        # Without a buffer, what is written survives the process.
        self._file = path.open("wb", buffering=0)
        self._declare()

    def write(self, samples: Samples) -> None:
        """Append samples; those beyond full scale are clipped."""
        data = (samples * 32_768).round().clip(-32_768, 32_767).astype("<i2").tobytes()
        self._put(data)
        self._bytes += len(data)
        if self._bytes - self._declared >= 2 * UPDATE * self._rate:
            self._declare()

    def close(self) -> None:
        """Complete the header and close the file."""
        try:
            self._declare()
        finally:
            self._file.close()

    def _declare(self) -> None:
        """Write the header for what has been written so far."""
        size = _HEADER - 8 + self._bytes
        if size <= LARGEST:
            start, data = _CHUNK.pack(b"RIFF", size), _CHUNK.pack(b"data", self._bytes)
            sizes = _CHUNK.pack(b"JUNK", _SIZES.size) + bytes(_SIZES.size)
        else:
            start, data = _CHUNK.pack(b"RF64", _ELSEWHERE), _CHUNK.pack(b"data", _ELSEWHERE)
            sizes = _CHUNK.pack(b"ds64", _SIZES.size) + _SIZES.pack(size, self._bytes, self._bytes // 2, 0)
        format_chunk = _CHUNK.pack(b"fmt ", _FORMAT.size) + _FORMAT.pack(1, 1, self._rate, 2 * self._rate, 2, 16)
        self._file.seek(0)
        self._put(start + b"WAVE" + sizes + format_chunk + data)
        self._file.seek(_HEADER + self._bytes)
        self._declared = self._bytes

    def _put(self, data: bytes) -> None:
        """Write all of the data, also where the system takes only a part at a time."""
        rest = memoryview(data)
        while rest:
            rest = rest[self._file.write(rest) :]
