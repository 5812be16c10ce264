"""Pages for people to look at: one HTML file each, with everything in it and no need of a network.

The base template carries the style: light or dark as the reader's system has it, readable from 360 pixels on. What goes
into a page (plots, pictures, sounds) is made here, so that all pages look alike.
"""

from __future__ import annotations

import base64
import hashlib
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from sayso.system.atomic_files import write_atomically
from sayso.version import __version__

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

# Colours to draw with, as they are on a light page. A plot names them, and `svg` replaces each by the style sheet's
# variable of that name, which has another value on a dark page. All have a contrast of at least 4.5 with the paper.
COLOURS = {
    "ink": "#1b1f24",
    "muted": "#57606a",
    "line": "#d3d9df",
    "paper": "#fdfdfc",
    "blue": "#0a62b4",
    "orange": "#ad4b0c",
    "green": "#1f7a4d",
    "purple": "#7b45c4",
    "red": "#c02b3b",
}
INK, MUTED, LINE, PAPER, BLUE, ORANGE, GREEN, PURPLE, RED = COLOURS.values()

# Inches of a plot: on the narrowest telephone it is shown at this size, elsewhere somewhat larger.
WIDTH = 3.6

# Digits behind the point of a percentage, at most.
MOST_DIGITS = 6

# Pictures are drawn in these colours upon the page's own: nought is transparent, so the same bytes suit light and dark.
_BELOW, _ABOVE, _GREY = (38, 126, 214), (226, 108, 32), (112, 120, 131)
# Steps from nought to the full colour, either way. The palette is a good part of a small picture's bytes.
_STEPS = 63
Scale = Literal["signed", "grey"]

_SVG, _XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"


def render(template: str, **values: Any) -> str:
    """Fill in a template.

    Parameters
    ----------
    template : str
        Its name in the folder `templates`. It extends `base.html`, whose blocks are `title`, `lead`, `main`, and
        `script`.
    **values : object
        What it speaks of. Text is escaped; what `svg`, `picture` and `sound` return is not.

    Returns
    -------
    page : str
        The whole page.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("sayso.report", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": percent, "number": number}
    return environment.get_template(template).render(version=__version__, **values)


def save(page: str, path: Path) -> None:
    """Write a page to a file, wholly or not at all.

    Raises
    ------
    StorageError
        If it cannot be written.
    """
    # A name of a file need not be text; what is not is shown as an escape.
    write_atomically(path, page.encode(errors="backslashreplace"))


def percent(share: float) -> str:
    """Write a share as a percentage; one that is neither 0 nor 1 is never rounded to either."""
    hundredths = 100 * float(share)
    for digits in range(1, MOST_DIGITS + 1):
        text = f"{hundredths:.{digits}f}"
        if hundredths in (0, 100) or float(text) not in (0, 100):
            return f"{text} %"
    least = 10.0**-MOST_DIGITS
    return f"< {least:.{MOST_DIGITS}f} %" if hundredths < 1 else f"> {100 - least:.{MOST_DIGITS}f} %"


def number(value: float, digits: int = 3) -> str:
    """Write a number with so many significant digits, with a true minus sign; tiny and huge ones as powers of ten."""
    text = f"{float(value):.{digits}g}"
    mantissa, _, exponent = text.partition("e")
    if exponent:
        superscript = str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
        text = f"{mantissa} × 10{superscript}"
    return text.replace("-", "−")


@contextmanager
def style() -> Iterator[None]:
    """Let Matplotlib draw in the style of the pages: make the figure, draw it, and call `svg`, all within."""
    import matplotlib as mpl
    from matplotlib.rcsetup import cycler

    # Matplotlib's types list all its settings one by one.
    settings: Any = {
        "font.size": 8.5,
        "axes.titlesize": 9,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "axes.edgecolor": MUTED,
        "axes.labelcolor": MUTED,
        "axes.titlecolor": INK,
        "axes.facecolor": "none",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "axes.prop_cycle": cycler(color=[BLUE, ORANGE, GREEN, PURPLE, RED]),
        "grid.color": LINE,
        "xtick.color": MUTED,
        "ytick.color": MUTED,
        "text.color": INK,
        "legend.frameon": False,
        "legend.fontsize": 8,
        "figure.facecolor": "none",
        "figure.constrained_layout.use": True,
        "image.cmap": "Greys",
        # Text stays text: it can be read aloud, searched for, and is set in the reader's own font.
        "svg.fonttype": "none",
        "svg.hashsalt": "sayso",
        "svg.image_inline": True,
    }
    with mpl.rc_context(settings):
        yield


def svg(figure: Figure, alt: str) -> Markup:
    """Turn a figure into SVG to stand in a page.

    Parameters
    ----------
    figure : Figure
        What was drawn, best within `style` and `WIDTH` inches wide, so that its text stays readable on a telephone.
    alt : str
        What it shows, for those who cannot see it.

    Returns
    -------
    svg : Markup
        An element whose colours, where they are among `COLOURS`, follow the page from light to dark.
    """
    from markupsafe import Markup

    content = io.BytesIO()
    with style():
        figure.savefig(content, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    for prefix, name in (("", _SVG), ("xlink", _XLINK)):
        ElementTree.register_namespace(prefix, name)
    # The source is Matplotlib's own, not a stranger's.
    root = ElementTree.fromstring(content.getvalue())
    for unwanted in (*root.findall(f"{{{_SVG}}}metadata"), *root.findall(f"{{{_SVG}}}defs")):
        if unwanted.tag.endswith("metadata") or unwanted.find(f"{{{_SVG}}}style") is not None:
            root.remove(unwanted)
    for name in ("width", "height"):
        root.attrib.pop(name)
    root.attrib |= {"class": "plot", "role": "img", "aria-label": alt}
    text = ElementTree.tostring(root, encoding="unicode")
    # Names must be unique in the page: those that are referred to get a prefix that belongs to this picture.
    mark = hashlib.blake2s(text.encode(), digest_size=4).hexdigest()
    used = set(re.findall(r"url\(#([^)]+)\)", text)) | set(re.findall(r'href="#([^"]+)"', text))
    text = re.sub(r' id="([^"]+)"', lambda found: f' id="{found[1]}-{mark}"' if found[1] in used else "", text)
    text = re.sub(r"url\(#([^)]+)\)", rf"url(#\1-{mark})", text)
    text = re.sub(r'href="#([^"]+)"', rf'href="#\1-{mark}"', text)
    text = re.sub(r"font-family: [^;\"]*;? ?", "", text)
    text = re.sub(r"font: (?:(?:bold|([0-9]00)) )?([0-9.]+px)[^;\"]*", _own_font, text)
    for name, colour in COLOURS.items():
        text = text.replace(colour, f"var(--{name})")
    return Markup(text)


def picture(values: NDArray[Any], alt: str, limit: float | None = None, scale: Scale = "signed") -> Markup:
    """Turn an array into a small picture, a pixel for each number.

    Parameters
    ----------
    values : ndarray, shape (rows, columns)
        Numbers; the first row is at the bottom, as a frequency axis has it.
    alt : str
        What it shows, for those who cannot see it.
    limit : float, optional
        The size at which a colour is full; by default the largest in the array.
    scale : {"signed", "grey"}
        Signed: orange above nought, blue below, nothing at nought. Grey: the darker, the larger, nothing at nought or
        below.

    Returns
    -------
    picture : Markup
        An image element.
    """
    from markupsafe import Markup

    return Markup('<img class="pixels" alt="{}" src="{}" width="{}" height="{}">').format(
        alt, png(values, limit, scale), values.shape[1], values.shape[0]
    )


def png(values: NDArray[Any], limit: float | None = None, scale: Scale = "signed") -> str:
    """Return what `picture` shows as a data URI, for a script that changes pictures."""
    peak = limit or float(np.abs(values).max(initial=0)) or 1.0
    share = np.clip(np.nan_to_num(values[::-1]) / peak, -1, 1)
    return indexed_png(np.rint(_STEPS * (1 + share)).astype(np.uint8), _palette(scale))


def indexed_png(indices: NDArray[np.uint8], palette: Sequence[tuple[int, int, int, int]]) -> str:
    """Return a picture as a data URI, each pixel by its place in a list of red, green, blue, and opacity up to 255."""
    from PIL import Image

    image = Image.fromarray(indices, "P")
    image.putpalette([channel for *colour, _ in palette for channel in colour])
    content = io.BytesIO()
    image.save(content, "PNG", transparency=bytes(alpha for *_, alpha in palette), optimize=True)
    return _data_uri("image/png", content.getvalue())


def colormap(scale: Scale = "signed") -> Colormap:
    """Return the colours of `picture` for Matplotlib's `imshow`, to be drawn from -limit to limit."""
    from matplotlib.colors import ListedColormap

    return ListedColormap([tuple(channel / 255 for channel in shade) for shade in _palette(scale)])


def _palette(scale: Scale) -> list[tuple[int, int, int, int]]:
    """Return red, green, blue, and opacity from the full colour below nought to that above."""
    shades = range(-_STEPS, _STEPS + 1)
    strengths = [abs(shade) / _STEPS for shade in shades]
    if scale == "grey":
        return [
            (*_GREY, round(255 * strength) if shade > 0 else 0)
            for shade, strength in zip(shades, strengths, strict=True)
        ]
    return [
        (*(_ABOVE if shade > 0 else _BELOW), round(255 * strength**0.8))
        for shade, strength in zip(shades, strengths, strict=True)
    ]


def sound(samples: NDArray[np.float32], sample_rate: int, label: str) -> Markup:
    """Turn samples into a player.

    Parameters
    ----------
    samples : ndarray of float32, shape (n,)
        Sound between -1 and 1.
    sample_rate : int
        Samples a second.
    label : str
        What is heard.

    Returns
    -------
    player : Markup
        An audio element that holds the sound as FLAC.
    """
    import soundfile
    from markupsafe import Markup

    content = io.BytesIO()
    soundfile.write(content, np.clip(samples, -1, 1), sample_rate, format="FLAC", subtype="PCM_16")
    source = _data_uri("audio/flac", content.getvalue())
    return Markup('<audio controls preload="none" aria-label="{}" src="{}"></audio>').format(label, source)


def _own_font(found: re.Match[str]) -> str:
    """Keep size and weight of a font, and leave its family to the page."""
    return f"font-size: {found[2]}" if found[1] is None else f"font-weight: {found[1]}; font-size: {found[2]}"


def _data_uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
