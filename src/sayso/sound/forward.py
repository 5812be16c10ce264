"""A file that is read forward, as a pipe must be, with some bytes put back."""

from typing import IO

from sayso.errors import AudioError

# Bytes of a header that are kept to begin again; what has a longer one is not read as it comes.
_LONGEST_HEADER = 2**24
_AT_ONCE = 2**16


class Forward:
    """Reads a file forward; what was read can be put back, and until `release` all of it.

    Parameters
    ----------
    file : binary file object
        A file, a pipe, or anything with `read`.
    name : str
        What errors call it.
    size : int, optional
        Bytes of the whole file, if that is known.

    Attributes
    ----------
    position : int
        Bytes that have been read.
    """

    def __init__(self, file: IO[bytes], name: str, size: int | None = None) -> None:
        self.position = 0
        self._file, self._name, self._size = file, name, size
        self._back = b""
        self._kept: list[bytes] | None = []

    def read(self, size: int) -> bytes:
        """Read so many bytes, fewer only at the end of the file.

        Raises
        ------
        AudioError
            If the file cannot be read.
        """
        data, self._back = self._back[:size], self._back[size:]
        try:
            while len(data) < size:
                more = self._file.read(size - len(data))
                if not more:
                    break
                data = data + more if data else more
        except (OSError, ValueError) as error:
            # ValueError: a file that is already closed.
            reason = getattr(error, "strerror", None) or error
            raise AudioError(
                f"cannot read {self._name}: {reason}; give a sound file that exists and may be read"
            ) from error
        self.position += len(data)
        if self._kept is not None:
            self._kept.append(data)
        return data

    def unread(self, data: bytes) -> None:
        """Put the bytes back that were read last."""
        self._back = data + self._back
        self.position -= len(data)

    def peek(self, size: int) -> bytes:
        """Return the next bytes, which will be read again."""
        kept, self._kept = self._kept, None
        data = self.read(size)
        self.unread(data)
        self._kept = kept
        return data

    def skip(self, size: int) -> bool:
        """Read over so many bytes; return whether there were as many, and no more than a header may have."""
        while size > 0:
            if self._kept is not None and self.position > _LONGEST_HEADER:
                return False
            data = self.read(min(size, _AT_ONCE))
            if not data:
                return False
            size -= len(data)
        return True

    def rewind(self) -> None:
        """Put back all that has been read, if it was not released."""
        if self._kept is None:
            raise ValueError("the beginning has been released")
        data, self._kept = b"".join(self._kept), []
        self._back, self.position = data + self._back, 0

    def release(self) -> None:
        """Keep the beginning no longer."""
        self._kept = None

    def left(self) -> int | None:
        """Return how many bytes are left, or None if that is not known."""
        return None if self._size is None else self._size - self.position
