"""Compressed sounds that were joined end to end in one file: where each begins, as decoders stop after the first."""

import io
import re
from typing import BinaryIO

from sayso.errors import AudioError

# The first frame of MPEG sound may hold an index instead, with "Xing" or "Info" behind the frame's side information.
_XING = re.compile(rb"\xff[\xe2-\xff][^\xf0-\xff].(?:.{9}|.{17}|.{32}|.{11}|.{19}|.{34})(?:Xing|Info)", re.DOTALL)
# Beginnings of files whose format has no such index.
_BEGINNINGS = {
    b"fLaC": re.compile(rb"fLaC[\x00\x80]\x00\x00\x22"),
    b"RIFF": re.compile(rb"RIFF.{4}WAVE", re.DOTALL),
    b"FORM": re.compile(rb"FORM.{4}(?:AIFF|AIFC|8SVX)", re.DOTALL),
    b"caff": re.compile(rb"caff\x00\x01.{2}desc", re.DOTALL),
    b".snd": re.compile(rb"\.snd\x00\x00.{6}\x00\x00\x00.", re.DOTALL),
}
# Bytes searched at a time, and how far a mark may reach into the next.
_BLOCK, _OVERLAP = 2**20, 64
_OGG_HEADER = 27
_OGG_FIRST = 2
# The longest frame of MPEG sound, by which some headers declare too much; and the tag behind the sound.
_MPEG_FRAME, _ID3V1 = 1_441, 128


def beginnings(content: BinaryIO, size: int, name: str) -> list[int]:
    """Return where sounds begin in a file, the first of them at 0; the file may then be anywhere.

    Parameters
    ----------
    content : binary file object
        A file that can seek.
    size : int
        Its bytes.
    name : str
        What errors call it.

    Raises
    ------
    AudioError
        If an Ogg file ends within a page.
    """
    content.seek(0)
    start = content.read(4)
    if start == b"OggS":
        return _ogg(content, size, name)
    if mark := _BEGINNINGS.get(start):
        return [0, *(at for at, _ in _found(content, mark, 4))]
    if start[:3] == b"ID3" or (len(start) > 1 and start[0] == 0xFF and start[1] >= 0xE0):
        return _mpeg(content, size, name)
    return [0]


def _ogg(content: BinaryIO, size: int, name: str) -> list[int]:
    """Go from page to page; a first page of a stream behind pages with sound begins another sound."""
    found, at, sound = [0], 0, False
    while at + _OGG_HEADER <= size:
        content.seek(at)
        header = content.read(_OGG_HEADER)
        if not header.startswith(b"OggS"):
            # Damage within, or something else behind the last page.
            behind = [place for place, _ in _found(content, re.compile(b"OggS\0"), at)]
            if not behind:
                break
            at = behind[0]
            continue
        segments = content.read(header[26])
        length = _OGG_HEADER + header[26] + sum(segments)
        if at + length > size:
            raise AudioError(
                f"{name} is truncated: its last page has {length} bytes, not {size - at}; copy or record it again"
            )
        first = bool(header[5] & _OGG_FIRST)
        if first and sound:
            found.append(at)
        sound = not first
        at += length
    return found


def _mpeg(content: BinaryIO, size: int, name: str) -> list[int]:
    """Go from index to index, each of which knows how many bytes its sound has; without one, decoders read on."""
    marks = dict(_found(content, _XING, 0))
    found, at = [], 0
    while True:
        found.append(at)
        place = _behind_tag(content, at)
        if place not in marks:
            return found
        content.seek(place + len(marks[place]))
        flags = int.from_bytes(content.read(4), "big")
        content.seek(4 * (flags & 1), io.SEEK_CUR)
        length = int.from_bytes(content.read(4), "big") if flags & 2 else 0
        if place + length > size + _MPEG_FRAME:
            raise AudioError(
                f"{name} is truncated: its header declares {length} bytes, not {size - place}; copy or record it again"
            )
        at = place + length if length else min((mark for mark in marks if mark > place), default=size)
        content.seek(at)
        if content.read(3) == b"TAG":
            at += _ID3V1
        content.seek(at)
        start = content.read(3)
        if not (start == b"ID3" or (start[:1] == b"\xff" and start[1:2] >= b"\xe0")):
            return found


def _behind_tag(content: BinaryIO, at: int) -> int:
    """Return where an ID3 tag ends that may be at a place."""
    content.seek(at)
    head = content.read(10)
    if head[:3] != b"ID3" or len(head) < 10:
        return at
    high, *rest = (byte & 0x7F for byte in head[6:10])
    for byte in rest:
        high = high << 7 | byte
    return at + 10 + high


def _found(content: BinaryIO, mark: re.Pattern[bytes], start: int) -> list[tuple[int, bytes]]:
    """Return where a mark stands from `start` on, and what it is."""
    places: list[tuple[int, bytes]] = []
    at, rest = start, b""
    content.seek(start)
    while block := content.read(_BLOCK):
        text = rest + block
        for match in mark.finditer(text):
            place = at - len(rest) + match.start()
            if not places or place > places[-1][0]:
                places.append((place, match.group()))
        at += len(block)
        rest = text[-_OVERLAP:]
    return places
