"""Formulas for pages: converts the notation of the docstrings, "dL/dx = W^T dL/dy", into MathML."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

if TYPE_CHECKING:
    from markupsafe import Markup

_FUNCTION = r"(?:log|exp|max|tanh)\b"
# A word that is not the name of a function or variable.
_TEXT = rf"(?!{_FUNCTION})[a-z]{{2,}}"
# Text, a function, or what can have an index and an exponent: a derivative of the loss, a variable, a number, a symbol.
_TOKEN = re.compile(
    rf"(?P<text>{_TEXT})|(?P<function>{_FUNCTION})(?P<space>\s?)|"
    r"(?:dL/d(?P<by>[A-Za-zα-ω])(?:_(?P<part>[A-Za-z0-9]+))?|(?P<variable>[A-Za-zα-ω])|(?P<digits>[0-9.]+)|(?P<sign>[^\s\w]))"
    r"(?:_(?P<index>[A-Za-z0-9]+))?(?:\^(?P<exponent>[A-Za-z0-9]+))?"
)
# Operators before which a line may be broken.
_BETWEEN = ("=", "+", "−", "←", "×")
# Where there is no font for mathematics, an index is only as low as the foot of what it belongs to.
_STRUT = '<mspace depth="0.25em"></mspace>'
_VARIABLE = re.compile(r"\b([b-zB-HJ-Zα-ω])\b")


def mathml(formula: str) -> Markup:
    """Convert a formula.

    Parameters
    ----------
    formula : str
        Single letters are variables; `_` starts an index, `^` an exponent; `dL/dx` is a partial derivative.

    Returns
    -------
    math : Markup
        A `math` element, whose parts are rows: between them the style sheet may continue on the next line.
    """
    from markupsafe import Markup

    elements: list[str] = []
    opened: list[int] = []
    parts: list[int] = []
    before = None
    for found in _TOKEN.finditer(formula):
        if not opened and _may_follow_break(found, before):
            parts.append(len(elements))
        elements.append(_element(found))
        if found["sign"] in _BETWEEN and parts[-1:] == [len(elements) - 1]:
            # At the beginning of a row it would be taken for a sign, and set without space.
            elements[-1] = elements[-1].replace("<mo>", '<mo form="infix">', 1)
        if found["sign"] == "," and not opened:
            elements[-1] = elements[-1].replace("<mo>", '<mo rspace="0.5em">', 1)
        if found["text"] and before and before["text"]:
            elements[-1] = elements[-1].replace("&nbsp;", "", 1)
        before = found
        if found["sign"] == "(":
            opened.append(len(elements) - 1)
        elif found["sign"] == ")" and opened:
            start = opened.pop()
            # Parentheses are as tall as the fractions between them, or else of normal size.
            if not any("<mfrac>" in element for element in elements[start:]):
                for place in (start, -1):
                    elements[place] = elements[place].replace("<mo>", '<mo stretchy="false">', 1)
    spoken = quoteattr(formula.replace("dL/d", "∂L/∂"))
    rows = "".join(f"<mrow>{''.join(elements[start:end])}</mrow>" for start, end in pairwise([*parts, len(elements)]))
    return Markup(f'<math displaystyle="true" alttext={spoken}>{rows}</math>')


def _may_follow_break(found: re.Match[str], before: re.Match[str] | None) -> bool:
    """Return whether a line may be broken before a token outside of parentheses: operators, factors and words."""
    if before is None:
        return True
    if found["sign"]:
        # A sign, as in "= − log p", stays with what precedes it.
        return found["sign"] in _BETWEEN and not before["sign"]
    return (not before["sign"] and not before["function"]) or before["sign"] in (")", ",")


def prose(text: str) -> Markup:
    """Mark the variables of a sentence: all single letters except the words "a", "A" and "I"."""
    from markupsafe import Markup

    return Markup(_VARIABLE.sub(r"<var>\1</var>", escape(text)))


def _element(found: re.Match[str]) -> str:
    if found["by"]:
        below = f"<mi>{found['by']}</mi>"
        if found["part"]:
            below = f"<msub><mrow>{below}{_STRUT}</mrow>{_script(found['part'])}</msub>"
        base = f"<mfrac><mrow><mo>∂</mo><mi>L</mi></mrow><mrow><mo>∂</mo>{below}</mrow></mfrac>"
    elif found["text"]:
        return f"<mtext>&nbsp;{found['text']}&nbsp;</mtext>"
    elif found["function"]:
        return f"<mi>{found['function']}</mi>" + '<mspace width="0.17em"></mspace>' * bool(found["space"])
    elif found["variable"]:
        base = f"<mi>{found['variable']}</mi>"
    elif found["digits"]:
        base = f"<mn>{found['digits']}</mn>"
    else:
        base = f"<mo>{escape(found['sign'])}</mo>"
    index, exponent = (_script(found[name]) if found[name] else "" for name in ("index", "exponent"))
    if index or exponent:
        tag = "msubsup" if index and exponent else "msub" if index else "msup"
        base = f"<mrow>{base}{_STRUT}</mrow>" if index else base
        base = f"<{tag}>{base}{index}{exponent}</{tag}>"
    return {"(": f"<mrow>{base}", ")": f"{base}</mrow>"}.get(found["sign"], base)


def _script(text: str) -> str:
    """Convert an index or exponent; each letter is a separate variable."""
    return f"<mrow>{''.join(f'<mn>{sign}</mn>' if sign.isdigit() else f'<mi>{sign}</mi>' for sign in text)}</mrow>"
