"""Headers of uncompressed sound: WAV (also RF64, extensible and big-endian), AU, AIFF and CAF."""

import math
import struct
from typing import NamedTuple

from sayso.sound.forward import Forward

# Chunks of WAV, AIFF and CAF that may follow the sound.
_NAMES = """
    LIST INFO id3 ID3 bext cue fact PEAK smpl inst INST JUNK junk PAD FLLR fmt iXML axml chna _PMX afsp acid strc levl
    umid DISP SNDM minf elm1 regn r64m plst labl note MARK COMT NAME AUTH ANNO (c) APPL AESD MIDI SAUR COMM FVER CHAN
    info uuid midi mark strg peak ovvw free pakt chan kuki
"""
CHUNK_NAMES = frozenset(f"{name:4}".encode() for name in _NAMES.split())
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
# The end of the identifiers in an extensible header; their first two bytes are the ordinary format.
_GUIDS = (bytes.fromhex("000000001000800000aa00389b71"), bytes.fromhex("000021070ed311644c8c1ca00000"))
_AU_KINDS = {2: "s8", 3: "s16be", 4: "s24be", 5: "s32be", 6: "f32be", 7: "f64be"}
_LONGEST_CHUNK = 2**16


class Layout(NamedTuple):
    """How samples are stored.

    Attributes
    ----------
    kind : str
        As ffmpeg calls it: u8, s8, s16le, s24be, f32le, ...
    channels : int
        Number of channels.
    rate : float
        Sample rate in Hz.
    declared : int or None
        Bytes of samples that the header declares; None if it does not know.
    offset : int
        Bytes before the samples.
    whole : int or None
        Bytes that the whole file has according to its header.
    chunks : str
        Form of the head of a chunk, as `struct` describes it, if chunks may follow the samples.
    """

    kind: str
    channels: int
    rate: float
    declared: int | None = None
    offset: int = 0
    whole: int | None = None
    chunks: str = ""

    @property
    def frame(self) -> int:
        """Bytes of one sample of all channels."""
        return bytes_of(self.kind) * self.channels


def bytes_of(kind: str) -> int:
    """Return the bytes of one sample of a kind."""
    return int(kind[1:].rstrip("lbe")) // 8


def read_header(reader: Forward) -> Layout | None:
    """Read a header, after which the samples follow; return None if it is none of those that are known here."""
    start, name = reader.position, reader.peek(4)
    kind = {b"RIFF": _wav, b"RIFX": _wav, b"RF64": _wav, b"BW64": _wav, b".snd": _au, b"FORM": _aiff, b"caff": _caf}
    read = kind.get(name)
    try:
        layout = read(reader) if read else None
    except struct.error:  # a header that ends too early
        return None
    if layout is None or layout.channels == 0:
        return None
    return layout._replace(offset=reader.position - start)


def _wav(reader: Forward) -> Layout | None:
    name, whole, kind = struct.unpack("<4sI4s", reader.read(12))
    order = ">" if name == b"RIFX" else "<"
    if order == ">":
        whole = int.from_bytes(whole.to_bytes(4, "little"), "big")
    form, long = b"", None
    while kind == b"WAVE":
        chunk, size = struct.unpack(f"{order}4sI", reader.read(8))
        if chunk == b"data":
            break
        if chunk in (b"fmt ", b"ds64"):
            if size > _LONGEST_CHUNK:
                return None
            content = reader.read(size + size % 2)
            form, long = (content, long) if chunk == b"fmt " else (form, content)
        elif not reader.skip(size + size % 2):
            return None
    if len(form) < 16:
        return None
    code, channels, rate, _, frame, bits = struct.unpack_from(f"{order}HHIIHH", form)
    if code == _EXTENSIBLE and len(form) >= 40:
        if form[26:40] not in _GUIDS:
            return None
        (code,) = struct.unpack_from(f"{order}H", form, 24)
    letter = {_PCM: "u" if bits == 8 else "s", _FLOAT: "f"}.get(code)
    if letter is None or bits * channels != 8 * frame:
        return None
    if long is not None and size == 0xFFFF_FFFF:
        whole, size = struct.unpack_from("<QQ", long)
        if not 0 < size < 2**62:
            size = None
    return _layout(letter, bits, "be" if order == ">" else "le", channels, rate, size, whole + 8)


def _layout(
    letter: str, bits: int, order: str, channels: int, rate: float, size: int | None, whole: int
) -> Layout | None:
    if bits not in ((32, 64) if letter == "f" else (8, 16, 24, 32)):
        return None
    kind = f"{letter}{bits}" + (order if bits > 8 else "")
    return Layout(kind, channels, rate, size, 0, whole, f"{'>' if order == 'be' else '<'}4sI")


def _au(reader: Forward) -> Layout | None:
    _, offset, size, code, rate, channels = struct.unpack(">4s5I", reader.read(24))
    kind = _AU_KINDS.get(code)
    if kind is None or not 24 <= offset <= _LONGEST_CHUNK or not reader.skip(offset - 24):
        return None
    return Layout(kind, channels, rate, None if size == 0xFFFF_FFFF else size)


def _aiff(reader: Forward) -> Layout | None:
    _, whole, kind = struct.unpack(">4sI4s", reader.read(12))
    common = b""
    while kind in (b"AIFF", b"AIFC"):
        chunk, size = struct.unpack(">4sI", reader.read(8))
        if chunk == b"SSND":
            break
        if chunk != b"COMM":
            if not reader.skip(size + size % 2):
                return None
        elif size > _LONGEST_CHUNK:
            return None
        else:
            common = reader.read(size + size % 2)
    if len(common) < 18:
        return None
    channels, _, bits, exponent, mantissa = struct.unpack_from(">HIHHQ", common)
    rate = math.ldexp(mantissa, min(exponent, 20_000) - 16_383 - 63) if exponent < 16_500 else 0.0
    letter, order = {
        b"NONE": ("s", "be"), b"twos": ("s", "be"), b"sowt": ("s", "le"), b"fl32": ("f", "be"), b"FL32": ("f", "be"),
        b"fl64": ("f", "be"), b"FL64": ("f", "be"),
    }.get(common[18:22] if kind == b"AIFC" else b"NONE", ("", ""))  # fmt: skip
    before, _ = struct.unpack(">II", reader.read(8))
    if not letter or before > _LONGEST_CHUNK or not reader.skip(before):
        return None
    declared = size if size == 0 or size >= 0xFFFF_FFF0 else max(size - 8 - before, 0)
    layout = _layout(letter, bits, order, channels, rate, declared, whole + 8)
    return layout and layout._replace(chunks=">4sI")


def _caf(reader: Forward) -> Layout | None:
    reader.read(8)
    form = b""
    while True:
        chunk, size = struct.unpack(">4sq", reader.read(12))
        if chunk == b"data":
            break
        if chunk == b"desc" and size == 32:
            form = reader.read(32)
        elif size < 0 or not reader.skip(size):
            return None
    if len(form) < 32 or len(reader.read(4)) < 4:
        return None
    rate, code, flags, _, frames, channels, bits = struct.unpack(">d4s5I", form)
    if code != b"lpcm" or frames != 1 or not math.isfinite(rate):
        return None
    layout = _layout("f" if flags & 1 else "s", bits, "le" if flags & 2 else "be", channels, rate, None, 0)
    return layout and layout._replace(declared=None if size < 4 else size - 4, whole=None, chunks=">4sq")
