"""Formulas for pages: what docstrings write as "dL/dx = W^T dL/dy", as MathML, which browsers set by themselves."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

if TYPE_CHECKING:
    from markupsafe import Markup

# Something that can bear an index and an exponent: a derivative of the loss, a word, a number, or any other sign.
_TOKEN = re.compile(
    r"(?:dL/d(?P<by>[A-Za-zα-ω])(?:_(?P<part>[A-Za-z0-9]+))?|(?P<word>[A-Za-zα-ω]+)|(?P<digits>[0-9.]+)|(?P<sign>[^\s\w]))"
    r"(?:_(?P<index>[A-Za-z0-9]+))?(?:\^(?P<exponent>[A-Za-z0-9]+))?"
)
# Words of a sentence, as opposed to names of functions and variables.
_PROSE = ("where", "else")
_VARIABLE = re.compile(r"\b([b-zB-HJ-Zα-ω])\b")


def mathml(formula: str) -> Markup:
    """Set a formula.

    Parameters
    ----------
    formula : str
        Single letters are variables; `_` puts what follows below, `^` above; `dL/dx` is a partial derivative.

    Returns
    -------
    math : Markup
        A `math` element, in which spaces mean nothing.
    """
    from markupsafe import Markup

    inside = "".join(_element(found) for found in _TOKEN.finditer(formula))
    spoken = quoteattr(formula.replace("dL/d", "∂L/∂"))
    return Markup(f'<math displaystyle="true" alttext={spoken}><mrow>{inside}</mrow></math>')


def prose(text: str) -> Markup:
    """Set a sentence whose single letters, but for the words "a", "A" and "I", are variables."""
    from markupsafe import Markup

    return Markup(_VARIABLE.sub(r"<var>\1</var>", escape(text)))


def _element(found: re.Match[str]) -> str:
    if found["by"]:
        below = f"<mi>{found['by']}</mi>"
        if found["part"]:
            below = f"<msub>{below}{_script(found['part'])}</msub>"
        base = f"<mfrac><mrow><mo>∂</mo><mi>L</mi></mrow><mrow><mo>∂</mo>{below}</mrow></mfrac>"
    elif found["word"] in _PROSE:
        return f"<mtext>&nbsp;{found['word']}&nbsp;</mtext>"
    elif found["word"]:
        base = f"<mi>{found['word']}</mi>"
    elif found["digits"]:
        base = f"<mn>{found['digits']}</mn>"
    else:
        base = f"<mo>{escape(found['sign'])}</mo>"
    index, exponent = (_script(found[name]) if found[name] else "" for name in ("index", "exponent"))
    if index and exponent:
        return f"<msubsup>{base}{index}{exponent}</msubsup>"
    if index or exponent:
        tag = "msub" if index else "msup"
        return f"<{tag}>{base}{index}{exponent}</{tag}>"
    return base


def _script(text: str) -> str:
    """Set an index or exponent letter by letter, so that each is a variable."""
    return f"<mrow>{''.join(f'<mn>{sign}</mn>' if sign.isdigit() else f'<mi>{sign}</mi>' for sign in text)}</mrow>"
