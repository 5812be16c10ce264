"""Decode uncompressed sound as it comes: read forward once, from a file, a pipe or the network alike.

A header says how the samples are stored. How many there are it only hints at: a recorder that was killed leaves zero, a
program that writes to a pipe the largest number, 32 bits wrap around at 4 GiB. So the sound ends where the file ends,
or where something else begins that is recognised.
"""

import re
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sayso.errors import AudioError
from sayso.sound.forward import Forward
from sayso.sound.headers import CHUNK_NAMES, Layout, bytes_of, read_header
from sayso.sound.stream import Decoded, Level, block_length, check_format

# A program that writes to a pipe does not know the length yet, and declares one near the largest 31- or 32-bit number.
UNDECLARED = 0x7F00_0000
# What follows the sound in some files and is not sound: ID3 and APE tags.
_TAGS = (b"TAG", b"ID3", b"APETAGEX")
_BEGINNINGS = (b"RIFF", b"RIFX", b"RF64", b"BW64", b".snd", b"FORM", b"caff")
# Bytes that are read ahead to tell an unknown chunk from sound.
_AHEAD = 2**20


def decoded(reader: Forward, name: str, chunk: float) -> Decoded | None:
    """Return what decodes a file whose header is known here, else None, with the reader at its beginning again.

    Parameters
    ----------
    reader : Forward
        The file, at its beginning.
    name : str
        What errors call it.
    chunk : float
        Seconds to decode at a time.

    Raises
    ------
    AudioError
        If the rate or number of channels is outside the limits; from the blocks, if bytes that the header declares are
        missing, or others follow that can be neither sound nor tags.
    """
    layout = read_header(reader)
    if layout is None:
        reader.rewind()
        return None
    return as_decoded(reader, layout, name, chunk)


def as_decoded(reader: Forward, layout: Layout, name: str, chunk: float) -> Decoded:
    """Return what decodes samples that are stored in a known way, from where the reader is."""
    check_format(name, layout.rate, layout.channels)
    reader.release()
    level: Level = "float" if layout.kind[0] == "f" else "int32" if "32" in layout.kind else "fixed"
    left = reader.left()
    known = layout.declared if left is None or left == layout.declared else None
    length = None if known is None or known >= UNDECLARED or known == 0 else known // layout.frame
    blocks = _blocks(reader, layout, name, block_length(chunk, layout.rate, layout.channels))
    return Decoded(blocks, layout.channels, layout.rate, length, level)


def samples_of(data: bytes, kind: str, channels: int) -> NDArray[np.floating[Any]]:
    """Convert bytes to samples.

    Parameters
    ----------
    data : bytes
        Whole frames.
    kind : str
        How they are stored, as ffmpeg calls it: u8, s8, s16le, s24be, f32le, ...
    channels : int
        Number of channels.

    Returns
    -------
    ndarray of float32, shape (n, channels)
        Integers are divided by their full scale.
    """
    order, width = ">" if kind.endswith("be") else "<", bytes_of(kind)
    if kind[0] == "f":
        with np.errstate(over="ignore"):
            return np.frombuffer(data, f"{order}f{width}").astype(np.float32).reshape(-1, channels)
    if kind == "u8":
        samples = np.frombuffer(data, np.uint8).astype(np.float32)
        samples -= 128
    elif width == 3:
        wide = np.zeros((len(data) // 3, 4), np.uint8)
        # The three bytes are the highest ones of 32 bits; so the sign is where it belongs.
        places = slice(0, 3) if order == ">" else slice(1, 4)
        wide[:, places] = np.frombuffer(data, np.uint8).reshape(-1, 3)
        samples, width = wide.view(f"{order}i4")[:, 0].astype(np.float32), 4
    else:
        samples = np.frombuffer(data, f"{order}i{width}").astype(np.float32)
    samples *= np.float32(2.0 ** (1 - 8 * width))
    return samples.reshape(-1, channels)


def _blocks(reader: Forward, layout: Layout, name: str, size: int) -> Iterator[NDArray[np.floating[Any]]]:
    """Yield the samples, and after them what the header does not count."""
    while True:
        yield from _declared(reader, layout, name, size)
        following = _following(reader, layout)
        if following == "file":
            joined = read_header(reader)
            if joined is None or joined[:3] != layout[:3]:
                raise AudioError(
                    f"{name} holds another sound after the first one, of another format, that was not read "
                    f"({_amount(reader)}); split it there"
                )
            reader.release()
            layout = joined
        elif following == "sound":
            layout = layout._replace(declared=None)
        else:
            return


def _declared(reader: Forward, layout: Layout, name: str, size: int) -> Iterator[NDArray[np.floating[Any]]]:
    """Yield the samples that the header declares, or all if it does not know."""
    declared, frame, count = layout.declared, layout.frame, 0
    while declared is None or count < declared:
        wanted = size * frame if declared is None else min(size * frame, declared - count)
        data = reader.read(wanted)
        count += len(data)
        if whole := len(data) // frame * frame:
            yield samples_of(data[:whole] if whole < len(data) else data, layout.kind, layout.channels)
        if len(data) < wanted:
            break
    if declared is not None and count < declared < UNDECLARED and not _is_whole(layout, count):
        raise AudioError(
            f"{name} is truncated: its header declares {declared} bytes, not {count}; copy or record it again"
        )


def _is_whole(layout: Layout, count: int) -> bool:
    """Return whether nothing is missing of sound that declares more bytes than there are.

    The header then counts itself, or a part of itself, or a byte of padding; or the length of the whole file is right.
    """
    missing = (layout.declared or 0) - count
    return missing < layout.frame or is_miscounted(missing, layout.offset) or layout.whole == layout.offset + count


def is_miscounted(missing: int, offset: int) -> bool:
    """Return whether a header of `offset` bytes seems to have counted itself, all or the parts that writers confuse."""
    return missing in (1, 8, offset - 8, offset, offset + 8) and missing > 0


def _following(reader: Forward, layout: Layout) -> str:
    """Tell what follows the samples: nothing, chunks or tags (which are skipped), another file, or more sound."""
    if layout.declared is None:
        return ""
    pad = reader.read(1) if "I" in layout.chunks and layout.declared % 2 else b""
    start = reader.peek(8)
    if pad and pad != b"\0" and start[:1] and not _is_name(start[:4]) and not start.startswith(_BEGINNINGS):
        reader.unread(pad)
        return "sound"
    while start:
        if start.startswith(_BEGINNINGS):
            return "file"
        if start.startswith(_TAGS) or (not start.strip(b"\0") and _skip_zeros(reader)):
            return ""
        if not layout.chunks or not _skip_chunk(reader, layout.chunks):
            return "sound" if len(reader.peek(layout.frame)) == layout.frame else ""
        start = reader.peek(8)
    return ""


def _is_name(name: bytes) -> bool:
    return re.fullmatch(rb"[ -~]{4}", name) is not None


def _skip_chunk(reader: Forward, form: str) -> bool:
    """Skip a chunk and return True; or return False, and skip nothing, if this is none."""
    length = struct.calcsize(form)
    head = reader.peek(length)
    if len(head) < length:
        return False
    name, size = struct.unpack(form, head)
    size += size % 2 if "I" in form else 0
    if name in CHUNK_NAMES and size >= 0:
        reader.skip(length + size)
        return True
    if not _is_name(name) or not 0 <= size <= _AHEAD:
        return False
    # Sound may look like a name, but hardly with another name, or the end, behind as many bytes as it says.
    content = reader.read(length + size)
    behind = reader.peek(4)
    if len(content) >= length + size - 1 and (not behind or _is_name(behind)):
        return True
    reader.unread(content)
    return False


def _skip_zeros(reader: Forward) -> bool:
    """Skip zeros up to the end and return True; or return False, and skip nothing, if something else comes soon."""
    ahead = reader.read(_AHEAD)
    if ahead.strip(b"\0") or len(ahead) == _AHEAD:
        reader.unread(ahead)
        return False
    return True


def _amount(reader: Forward) -> str:
    left = reader.left()
    return "until its end" if left is None else f"{left} bytes"
