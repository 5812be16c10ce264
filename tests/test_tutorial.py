"""The tutorial and the exercises run, and print the output that they show below each listing."""

import contextlib
import io
import re
from pathlib import Path

import numpy as np
import pytest

from cases import case

ROOT = Path(__file__).parent.parent
LISTING = re.compile(r"```python\n(?P<code>.*?)```\n(?:\n```text\n(?P<output>.*?)```\n)?", re.DOTALL)
NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?(?:e[-+]\d+)?")


def last_place(number: str) -> float:
    """Return the place value of the last digit of a number as it is written."""
    digits, _, exponent = number.partition("e")
    decimals = len(digits.partition(".")[2])
    return float(10.0 ** (int(exponent or 0) - decimals))


def same(printed: str, shown: str) -> bool:
    """Whether two texts agree except for the last digits of numbers, which processors may round differently."""
    found, wanted = ([text.replace(",", "") for text in NUMBER.findall(side)] for side in (printed, shown))
    return NUMBER.sub("#", printed) == NUMBER.sub("#", shown) and all(
        abs(float(one) - float(other)) <= 1.01 * last_place(other) for one, other in zip(found, wanted, strict=True)
    )


def listings(page: str) -> list[re.Match[str]]:
    """Return the listings of a page of the documentation, each with the output below it."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    found = list(LISTING.finditer(text))
    assert len(found) == text.count("```python")
    assert sum(listing["output"] is not None for listing in found) == text.count("```text")
    return found


def run(listing: re.Match[str], session: dict[str, object]) -> None:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), np.errstate(all="raise", under="ignore"):
        exec(listing["code"], session)
    assert same(printed.getvalue(), listing["output"] or ""), f"{listing['code']}\nprints\n{printed.getvalue()}"


def test_the_tutorial_prints_what_it_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    found, session = listings("tutorial.md"), {}
    assert len(found) > 15
    for listing in found:
        run(listing, session)


def test_the_solution_of_each_exercise_runs_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    found = listings("exercises.md")
    text = (ROOT / "docs/exercises.md").read_text(encoding="utf-8")
    assert len(found) == len(re.findall("^## [0-9]", text, re.MULTILINE)) == text.count("<summary>Solution") == 6
    for number, listing in enumerate(found, 1):
        with case("exercise", number):
            run(listing, {"__name__": "exercise"})


def test_outputs_are_compared_to_the_last_digit() -> None:
    for printed, shown, agree in (
        ("loss 0.502", "loss 0.503", True),
        ("loss 0.502", "loss 0.504", False),
        ("loss 0.502", "cost 0.502", False),
        ("8e-08", "9e-08", True),
        ("8e-08", "8e-07", False),
        ("86,796", "86,796", True),
        ("1 2", "1", False),
    ):
        with case(printed, shown):
            assert same(printed, shown) is agree
