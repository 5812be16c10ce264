"""Text files of people: every encoding that a byte order mark can name is read."""

import codecs

import pytest

from cases import case
from sayso.system.text import decoded, is_marked

TEXT = "[training]\nepochs = 3 # für später, बोलो\n"


def test_a_byte_order_mark_names_the_encoding() -> None:
    for encoding, mark in (
        ("utf-8", b""),
        ("utf-8", codecs.BOM_UTF8),
        ("utf-16-le", codecs.BOM_UTF16_LE),
        ("utf-16-be", codecs.BOM_UTF16_BE),
        ("utf-32-le", codecs.BOM_UTF32_LE),
        ("utf-32-be", codecs.BOM_UTF32_BE),
    ):
        for newline in ("\n", "\r\n", "\r"):
            with case(encoding, mark, repr(newline)):
                content = mark + TEXT.replace("\n", newline).encode(encoding)
                assert decoded(content) == TEXT
                assert is_marked(content) == bool(mark)


def test_what_is_not_text_is_refused_or_kept_as_escapes() -> None:
    for content in (b"caf\xe9", b"\xff", codecs.BOM_UTF16_LE + b"x", codecs.BOM_UTF16_BE + b"\xd8\x00"):
        with case(content), pytest.raises(UnicodeDecodeError):
            decoded(content)
    assert decoded(b"caf\xe9", "surrogateescape") == "caf\udce9"
