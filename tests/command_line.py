"""What a command printed and how it ended."""

from typing import NamedTuple


class Result(NamedTuple):
    status: int
    out: str
    err: str
