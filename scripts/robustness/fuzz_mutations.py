"""Damage bytes, numbers and texts at random, for the inputs of `fuzz.py`."""

import io
import json
import struct
import tarfile
import zipfile
from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any, TypeVar

import numpy as np

Rng = np.random.Generator
T = TypeVar("T")

WHOLE = (0, 1, 2, 3, 7, 8, 16, 127, 255, 256, 999, 65_535, 65_536, 2**24, 2**31 - 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1)
VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 0.5, -0.0, 2, 7, 100, 1_000, 65_536, 65_537, 10**6, 2**31, 2**63, 10**30, 10**400,
    1e-300, 1e308, float("nan"), float("inf"), -float("inf"), "", "x", "yes", "\x1b[31m", "\ud800", "\u202e",
    "a" * 999, [], {}, [[]], [1, 1], [0.5] * 3, [1] * 300, {"a": 1}, {"kind": "ReLU"}, "../../canary/x", "/",
)  # fmt: skip
# A number that Python does not convert back to decimal digits.
HUGE = "0x" + "f" * 5_000
LINES = (
    "", "\t", "0\t1\tyes", "1\t0\tyes", "nan\tinf\tyes", "-1\t-0.5\tno", "1e400\t2e400\tyes", "0,5\t1,0\tno", "0\t1",
    "a\tb", "0\t1\t\x1b[2J", "0.2\t0.8\tyes\tmore", "\\\t100\t200", "3\t4\t" + "x" * 5_000, "yes/0.wav", "../canary/x",
    "/etc/passwd", "\ufeff0\t1\tyes", "\x00", "9" * 400 + "\t1\tyes", "0\t1\t_silence_", "yes/", "#", "=", "yes\\0.wav",
)  # fmt: skip
NAMES = (
    "../canary/x", "/canary/x", "..", ".", "", "/", "a/../../canary/x", "a//b", "./a", "a\\..\\x", "C:x", "a\0b",
    "a\x1b[2J", "x" * 300, "yes/0.wav", "yes", ".sayso.json", "a\nb", "\udcff", "con", "a/" * 200 + "x",
    "b/" * 1_200 + "x", "y" * 300 + "/x",
)  # fmt: skip


# Texts that could be taken for formulas, markup, styles or control sequences.
TEXTS = (
    "$\\frac$", "$x", "$$", "font-family: z", "</script><script>alert(1)</script>", "]]>", "<!--", "&amp;", "url(#a)",
    "#1b1f24", 'a" onload="x', "{{ 1 }}", "{% x %}", "\x1b[2J", "\ud800", "語" * 64, "W" * 64, "x" * 5_000, "\\", "",
    " ", "_x", "%s", "\u0301", "\u200d",
)  # fmt: skip


def pick(rng: Rng, things: Sequence[T]) -> T:
    """Choose one item."""
    return things[int(rng.integers(len(things)))]


def damaged(rng: Rng, content: bytes) -> bytes:
    """Damage bytes in one to three ways."""
    for _ in range(int(rng.integers(1, 4))):
        damage: Callable[[Rng, bytes], bytes] = pick(rng, DAMAGES)
        content = damage(rng, content)
    return content


def _place(rng: Rng, content: bytes) -> int:
    """Choose a position, half of the time among the first bytes, where headers are."""
    end = len(content) + 1
    return int(rng.integers(min(end, 64) if rng.random() < 0.5 else end))


def _truncate(rng: Rng, content: bytes) -> bytes:
    return content[: _place(rng, content)]


def _flip(rng: Rng, content: bytes) -> bytes:
    changed = bytearray(content)
    for _ in range(int(rng.integers(1, 9))):
        if changed:
            changed[_place(rng, content[:-1])] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def _number(rng: Rng, content: bytes) -> bytes:
    size, place = pick(rng, (1, 2, 4, 8)), _place(rng, content)
    number = int.to_bytes(pick(rng, WHOLE) % 256**size, size, "little")
    return content[:place] + (number if rng.random() < 0.5 else number[::-1]) + content[place + size :]


def _cut_out(rng: Rng, content: bytes) -> bytes:
    start, end = sorted((_place(rng, content), _place(rng, content)))
    return content[:start] + content[end:]


def _repeat(rng: Rng, content: bytes) -> bytes:
    start, end = sorted((_place(rng, content), _place(rng, content)))
    return content[:end] + content[start:end] + content[end:]


def _insert(rng: Rng, content: bytes) -> bytes:
    place = _place(rng, content)
    return content[:place] + rng.bytes(int(rng.integers(1, 99))) + content[place:]


def _overwrite(rng: Rng, content: bytes) -> bytes:
    place, size = _place(rng, content), int(rng.integers(1, 33))
    return content[:place] + pick(rng, (bytes(size), b"\xff" * size, rng.bytes(size))) + content[place + size :]


DAMAGES: tuple[Callable[[Rng, bytes], bytes], ...] = (
    _truncate, _flip, _flip, _number, _number, _cut_out, _repeat, _insert, _overwrite,
)  # fmt: skip


def wav(rng: Rng, samples: bytes) -> bytes:
    """Write a WAV file whose header declares whatever it likes."""
    kind = pick(rng, (1, 1, 1, 3, 6, 7, 2, 17, 49, 80, 85, 0xFFFE, 0, 9))
    channels = pick(rng, (1, 1, 1, 2, 3, 64, 65, 0, 255, 1_024, 65_535))
    rate = pick(rng, (16_000, 16_000, 44_100, 8_000, 1_000, 999, 768_000, 768_001, 0, 1, 2**31 - 1, 2**32 - 1))
    bits = pick(rng, (16, 16, 8, 24, 32, 64, 0, 1, 12, 4, 65_535))
    block = pick(rng, (channels * bits // 8 % 65_536, 2, 0, 1, 65_535))
    extra = rng.bytes(22) if kind == 0xFFFE else b""
    form = struct.pack("<HHIIHH", kind, channels, rate, rate * block % 2**32, block, bits) + extra
    size = pick(rng, (len(samples), len(samples), 0, 1, len(samples) + 1, 2 * len(samples), 2**31 - 1, 2**32 - 1))
    chunks = [b"fmt " + struct.pack("<I", pick(rng, (len(form), 16, 18, 0, 2**32 - 1))) + form]
    if rng.random() < 0.3:
        name = pick(rng, (b"LIST", b"fact", b"PEAK", b"cue ", b"smpl", b"bext", b"\0\0\0\0", b"data"))
        chunks.insert(int(rng.integers(2)), name + struct.pack("<I", pick(rng, (0, 4, 5, 2**32 - 1))) + rng.bytes(4))
    body = b"".join(chunks) + b"data" + struct.pack("<I", size) + samples
    total = pick(rng, (len(body) + 4, len(body) + 4, 0, 2**32 - 1, 36))
    return pick(rng, (b"RIFF", b"RIFF", b"RIFF", b"RIFX", b"RF64")) + struct.pack("<I", total) + b"WAVE" + body


def tree(rng: Rng, root: Any) -> Any:
    """Put an unlikely value somewhere into nested mappings and lists, or remove or repeat an item."""
    node: Any = {"": root}
    whole, key = node, ""
    while isinstance(node[key], dict | list) and node[key] and rng.random() < 0.85:
        node = node[key]
        key = pick(rng, list(node) if isinstance(node, dict) else range(len(node)))
    change = int(rng.integers(8))
    if change == 0 and node is not whole:
        node.pop(key)
    elif change == 1 and isinstance(node[key], list) and node[key]:
        node[key] *= int(rng.integers(2, 40))
    elif change == 2 and isinstance(node[key], int | float) and abs(node[key]) < 1e300:
        node[key] = node[key] * pick(rng, (-1, 2, 10, 1_000, 0.5, 0.001))
    elif change == 3 and isinstance(node[key], dict):
        node[key][pick(rng, ("x", "kind", "\x1b[2J", "layers"))] = deepcopy(pick(rng, VALUES))
    else:
        # A copy, as later changes could put a shared list or table into itself.
        node[key] = deepcopy(pick(rng, VALUES))
    return whole[""]


def safetensors(rng: Rng, content: bytes) -> bytes:
    """Damage a model or a checkpoint: its bytes, its description of the arrays, its header, or its numbers."""
    way = int(rng.integers(5))
    if way == 0:
        return damaged(rng, content)
    (size,) = struct.unpack("<Q", content[:8])
    description, body = json.loads(content[8 : 8 + size]), content[8 + size :]
    if way == 1:
        description = tree(rng, description)
    elif way == 2:
        numbers = np.frombuffer(body[: len(body) // 4 * 4], np.float32).copy()
        start = int(rng.integers(len(numbers)))
        count = pick(rng, (1, 1, 50, len(numbers)))
        numbers[start : start + count] = pick(
            rng, (0.0, -1.0, 1e-40, 1e10, -1e10, 3e38, -3e38, np.nan, np.inf, -np.inf, 1e4)
        )
        body = numbers.tobytes() + body[len(numbers) * 4 :]
    else:
        (name,) = description["__metadata__"]
        header = json.loads(description["__metadata__"][name])
        for _ in range(pick(rng, (1, 1, 1, 3))):
            header = tree(rng, header)
        description["__metadata__"][name] = json.dumps(header)
    text = json.dumps(description).encode()
    return struct.pack("<Q", len(text)) + text + body


def metadata(rng: Rng, content: bytes) -> bytes:
    """Change only what a model tells of itself: labels, record of the training, scores and versions."""
    (size,) = struct.unpack("<Q", content[:8])
    description, body = json.loads(content[8 : 8 + size]), content[8 + size :]
    (name,) = description["__metadata__"]
    header = json.loads(description["__metadata__"][name])
    for _ in range(int(rng.integers(1, 5))):
        part = pick(rng, ("training", "training", "training", "scores", "labels", "versions"))
        if part == "labels":
            header["labels"][int(rng.integers(len(header["labels"])))] = pick(rng, TEXTS)
        elif part == "scores" and rng.random() < 0.7:
            score: Any = {"accuracy": 0.5, "interval": [0.4, 0.6], "clips": 10}
            count = pick(rng, (1, 3, 30, 20_000))
            names = [f"{pick(rng, (*TEXTS, 'test'))}, noise at {number - 9} dB" for number in range(count)]
            header["scores"] = {"test": score, **dict.fromkeys(names, score)}
            header["scores"][pick(rng, names)] = tree(rng, dict(score)) if rng.random() < 0.7 else pick(rng, VALUES)
        else:
            header[part] = tree(rng, header[part])
    training = header["training"]
    if isinstance(training, dict) and rng.random() < 0.3:
        training["layers"] = [pick(rng, TEXTS)] * pick(rng, (1, 3, 5, 1_000))
    description["__metadata__"][name] = json.dumps(header)
    text = json.dumps(description).encode()
    return struct.pack("<Q", len(text)) + text + body


def toml(rng: Rng, content: str) -> str:
    """Damage a file of settings: a value, a line, or a few characters."""
    lines = content.splitlines()
    for _ in range(int(rng.integers(1, 3))):
        place = int(rng.integers(len(lines)))
        name, equals, _ = lines[place].partition(" = ")
        way = int(rng.integers(5))
        if equals and way < 3:
            number = pick(
                rng,
                (0, 1, -1, 2, 3, 17, 512, 4_000, 10**6, 10**12, 10**400, 0.001, 0.5, 0.999, 1.5, 60.0, 1e-9, 1e300,
                 "nan", "inf", "true", '""', '"dense"', '"x"', "[]", "[0]", "[8, 8]", "[3.0, 1.0]", "[1000000]", "{}"),
            )  # fmt: skip
            lines[place] = f"{name} = {pick(rng, (number, HUGE)) if rng.random() < 0.1 else number}"
        elif way == 3:
            lines[place] = pick(rng, ("", "[", "[network]", "x = 1", lines[place] * 2, "=", "\x00", "[a]\n[a]"))
        else:
            spot = int(rng.integers(len(lines[place]) + 1))
            lines[place] = lines[place][:spot] + chr(int(rng.integers(1, 300))) + lines[place][spot + 1 :]
    return pick(rng, ("", "", "\ufeff")) + "\n".join(lines)


def text_lines(rng: Rng, good: Sequence[str]) -> bytes:
    """Write lines, good ones and bad ones, in one encoding or another."""
    lines = [pick(rng, LINES) if rng.random() < 0.3 else pick(rng, good) for _ in range(int(rng.integers(0, 12)))]
    encoding = pick(rng, ("utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1"))
    content = str(pick(rng, ("\n", "\n", "\r\n", "\r", "\x00"))).join(lines).encode(encoding, "replace")
    return damaged(rng, content) if rng.random() < 0.2 else content


def archive(rng: Rng, clip: bytes) -> bytes:
    """Write a zip or tar.gz archive of odd entries, and sometimes damage it."""
    names = [
        pick(rng, NAMES) if rng.random() < 0.3 else f"yes/{number}.wav" for number in range(int(rng.integers(1, 6)))
    ]
    content = (_tar if rng.random() < 0.5 else _zip)(rng, names, clip)
    return damaged(rng, content) if rng.random() < 0.6 else content


def _tar(rng: Rng, names: Sequence[str], clip: bytes) -> bytes:
    packed = io.BytesIO()
    form = pick(rng, (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT))
    records = {f"key{number}": pick(rng, ("x", "9" * 5_000, "")) for number in range(pick(rng, (0, 0, 3, 3_000)))}
    records |= {"size": pick(rng, ("-1", "9" * 5_000, "x"))} if rng.random() < 0.1 else {}
    with tarfile.open(fileobj=packed, mode="w:gz", format=form) as file:
        for name in names:
            entry = tarfile.TarInfo(name.replace("\0", ""))
            entry.type = pick(rng, (*[tarfile.REGTYPE] * 8, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE,
                                    tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.GNUTYPE_SPARSE))  # fmt: skip
            entry.linkname = pick(rng, ("", "../canary/x", "/etc/passwd"))
            entry.mode = pick(rng, (0o644, 0o4777, 0))
            entry.size = len(clip) if entry.isreg() else 0
            entry.pax_headers = records
            file.addfile(entry, io.BytesIO(clip))
    return packed.getvalue()


METHODS = (
    zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA,
)  # fmt: skip


def _zip(rng: Rng, names: Sequence[str], clip: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        for name in names:
            entry = zipfile.ZipInfo(name.encode("utf-8", "replace").decode())
            entry.external_attr = pick(rng, (0, 0, 0o644, 0o120777, 0o060644, 0o040755)) << 16
            entry.compress_type = pick(rng, METHODS)
            file.writestr(entry, clip)
    return packed.getvalue()
