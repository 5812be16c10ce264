"""What counts as damage of content from elsewhere, and how errors show foreign values."""

import errno
import json
import tokenize

import pytest

from cases import case
from sayso.errors import LONGEST_REASON, LONGEST_SHOWN, DamageError, ModelError, SettingsError, shown, untrusted


def refusal(reason: str) -> ModelError:
    return ModelError(f"the file is damaged ({reason})")


def test_every_exception_of_a_parser_becomes_the_one_error() -> None:
    for error, reason in (
        (OverflowError("int too large to convert to float"), "int too large"),
        (RecursionError("maximum recursion depth exceeded"), "it is nested too deeply"),
        (MemoryError(), "it needs more memory than there is"),
        (RuntimeError("File is encrypted"), "File is encrypted"),
        (NotImplementedError(), "NotImplementedError"),
        (SyntaxError("invalid syntax"), "invalid syntax"),
        (tokenize.TokenError("EOF in multi-line statement"), "EOF in multi-line"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"), "invalid start byte"),
        (KeyError("labels"), "'labels' is missing"),
        (StopIteration(), "StopIteration"),
        (OSError("Invalid data stream"), "Invalid data stream"),
        (OSError(errno.EINVAL, "Invalid argument"), "Invalid argument"),
        (SettingsError("epochs is 0"), "epochs is 0"),
        (ValueError("two\n lines\t\nof text"), r"\(two lines of text\)"),
    ):
        with case(repr(error)), pytest.raises(ModelError, match=f"damaged .*{reason}") as caught, untrusted(refusal):
            raise error
        assert caught.value.__cause__ is error
    with pytest.raises(DamageError, match="Expecting value"), untrusted():
        json.loads("nothing")


def test_faults_of_the_machine_and_clear_errors_pass() -> None:
    for error in (
        OSError(errno.ENOSPC, "No space left on device"),
        PermissionError(errno.EACCES, "Permission denied"),
        ModelError("it has a newer format"),
        KeyboardInterrupt(),
    ):
        with case(repr(error)), pytest.raises(type(error)) as caught, untrusted(refusal):
            raise error
        assert caught.value is error
    with pytest.raises(TypeError), untrusted(refusal, TypeError, LookupError):
        raise TypeError


def test_a_foreign_value_is_shown_in_a_few_characters() -> None:
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    for value, text in (
        ("yes", "'yes'"),
        (None, "None"),
        ("x" * 5_000, "'xxx"),
        (10**400, "1000"),
        (16**5_000, "a int too large to show"),
        (deep, "a list too large to show"),
    ):
        with case(type(value)):
            assert shown(value).startswith(text)
            assert len(shown(value)) <= LONGEST_SHOWN + 1
    with pytest.raises(DamageError) as caught, untrusted():
        raise ValueError("x" * 5_000)
    assert len(str(caught.value)) <= LONGEST_REASON + 1
