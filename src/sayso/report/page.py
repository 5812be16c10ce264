"""HTML pages: one self-contained file each, and the plots, pictures and sounds that go into it.

The base template has the style: light or dark, as set in the reader's system, and readable from a width of 360 pixels.
"""

from __future__ import annotations

import base64
import hashlib
import io
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from sayso.system.atomic_files import write_atomically
from sayso.system.invocation import called_as
from sayso.version import __version__

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.axis import Axis
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

# Colours of plots on a light page. `svg` replaces each by the variable of that name in the style sheet, which has
# another value on a dark page. All have a contrast of at least 4.5 with the background.
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

# Width of a plot in inches: on the narrowest phone it has this size, elsewhere it is somewhat larger.
WIDTH = 3.6
# Characters of a label beside a plot.
LONGEST_TICK = 20

# Most decimals of a percentage.
MOST_DIGITS = 6

# Colours of pictures. Zero is transparent, so that the same file suits light and dark pages.
_BELOW, _ABOVE, _GREY = (38, 126, 214), (226, 108, 32), (112, 120, 131)
# Steps from zero to the full colour, in both directions. The palette is a large part of a small file.
_STEPS = 63
Scale = Literal["signed", "grey"]

_SVG, _XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"


def render(template: str, **values: Any) -> str:
    """Render a template.

    Parameters
    ----------
    template : str
        File name in the folder `templates`. It extends `base.html`, with the blocks `title`, `style`, `lead`, `main`
        and `script`.
    **values : object
        Variables of the template. Text is escaped; what `svg`, `picture` and `sound` return is not.

    Returns
    -------
    page : str
        The HTML.
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
    return environment.get_template(template).render(version=__version__, called_as=called_as(), **values)


def save(page: str, path: Path) -> None:
    """Write a page to a file, completely or not at all.

    Raises
    ------
    StorageError
        If it cannot be written.
    """
    # File names need not be valid text; invalid bytes are shown as escapes.
    write_atomically(path, page.encode(errors="backslashreplace"))


def percent(share: float) -> str:
    """Format a fraction as a percentage; one that is neither 0 nor 1 is never rounded to either."""
    value = 100 * float(share)
    for digits in range(1, MOST_DIGITS + 1):
        text = f"{value:.{digits}f}"
        if value in (0, 100) or float(text) not in (0, 100):
            return f"{text} %"
    least = 10.0**-MOST_DIGITS
    return f"< {least:.{MOST_DIGITS}f} %" if value < 1 else f"> {100 - least:.{MOST_DIGITS}f} %"


def number(value: float, digits: int = 3) -> str:
    """Format a number with `digits` significant digits, a minus sign, and a power of ten if tiny or huge."""
    text = f"{float(value):.{digits}g}"
    mantissa, _, exponent = text.partition("e")
    if exponent:
        superscript = str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
        text = f"{mantissa} × 10{superscript}"
    return text.replace("-", "−")


@contextmanager
def style() -> Iterator[None]:
    """Set Matplotlib to the style of the pages; create the figure, draw it and call `svg` inside this context."""
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
        # Text is not converted to outlines, so it can be read aloud, searched, and shown in the font of the page.
        "svg.fonttype": "none",
        # A label between dollar signs is a label, not a formula.
        "text.parse_math": False,
        "text.usetex": False,
        "svg.hashsalt": "sayso",
        "svg.image_inline": True,
    }
    with mpl.rc_context(settings), warnings.catch_warnings():
        # A page shows its text in the reader's own fonts.
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        yield


def svg(figure: Figure, alt: str) -> Markup:
    """Convert a figure into SVG for a page.

    Parameters
    ----------
    figure : Figure
        The figure, drawn in `style` and `WIDTH` inches wide, so that its text is readable on a phone.
    alt : str
        Description for people who cannot see it.

    Returns
    -------
    svg : Markup
        An element whose `COLOURS` change with the page between light and dark.
    """
    from markupsafe import Markup

    content = io.BytesIO()
    with style():
        figure.savefig(content, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    for prefix, name in (("", _SVG), ("xlink", _XLINK)):
        ElementTree.register_namespace(prefix, name)
    # Parsing is safe: the XML comes from Matplotlib.
    root = ElementTree.fromstring(content.getvalue())
    for unwanted in (*root.findall(f"{{{_SVG}}}metadata"), *root.findall(f"{{{_SVG}}}defs")):
        if unwanted.tag.endswith("metadata") or unwanted.find(f"{{{_SVG}}}style") is not None:
            root.remove(unwanted)
    for name in ("width", "height"):
        root.attrib.pop(name)
    _restyle(root)
    root.attrib |= {"class": "plot", "role": "img", "aria-label": alt}
    return Markup(ElementTree.tostring(root, encoding="unicode"))


def _restyle(root: ElementTree.Element) -> None:
    """Leave fonts and colours to the page, and make identifiers unique in it.

    Only attributes are changed: all foreign text, such as labels, is between elements and may look like anything.
    """
    mark = hashlib.blake2s(ElementTree.tostring(root), digest_size=4).hexdigest()
    values = [value for element in root.iter() for value in element.attrib.values()]
    used = {found for value in values for found in re.findall(r"(?:^|url\()#([^)]+)", value)}
    for element in root.iter():
        if element.get("id") not in used:
            element.attrib.pop("id", None)
        for name, value in element.attrib.items():
            if name == "id":
                value = f"{value}-{mark}"
            elif name.endswith("href"):
                value = re.sub(r"^#(.+)", rf"#\1-{mark}", value)
            else:
                value = re.sub(r"url\(#([^)]+)\)", rf"url(#\1-{mark})", value)
                value = re.sub(r"font-family: [^;]*;? ?", "", value)
                value = re.sub(r"font: (?:(?:bold|([0-9]00)) )?([0-9.]+px)[^;]*", _own_font, value)
                for colour, code in COLOURS.items():
                    value = value.replace(code, f"var(--{colour})")
            element.attrib[name] = value


def name_ticks(axis: Axis, labels: Sequence[str], **style: Any) -> None:
    """Give the places 0, 1, 2 and so on of an axis these labels, shortened so that the plot keeps its room."""
    shown = [label if len(label) <= LONGEST_TICK else f"{label[: LONGEST_TICK - 1]}…" for label in labels]
    axis.set_ticks(range(len(labels)), labels=shown, **style)


def plain_powers(axis: Axis) -> None:
    """Write the numbers of a logarithmic axis as plain text: by default Matplotlib writes them as formulas."""
    from matplotlib.ticker import LogFormatter

    class Plain(LogFormatter):
        def __call__(self, x: float, pos: int | None = None) -> str:
            return number(x) if super().__call__(x, pos) else ""

    axis.set_major_formatter(Plain())
    axis.set_minor_formatter(Plain(labelOnlyBase=False, minor_thresholds=(1, 0.4)))


def picture(values: NDArray[Any], alt: str, limit: float | None = None, scale: Scale = "signed") -> Markup:
    """Convert an array into a small picture with one pixel per value.

    Parameters
    ----------
    values : ndarray, shape (rows, columns)
        The values; the first row is at the bottom, as on a frequency axis.
    alt : str
        Description for people who cannot see it.
    limit : float, optional
        Absolute value that gets the full colour; by default the largest in the array.
    scale : {"signed", "grey"}
        Signed: orange above zero, blue below, transparent at zero. Grey: larger values are darker, values of zero or
        less are transparent.

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
    """Return the image of `picture` as a data URI, for a script that exchanges images."""
    peak = limit or float(np.abs(values).max(initial=0)) or 1.0
    relative = np.clip(np.nan_to_num(values[::-1]) / peak, -1, 1)
    return indexed_png(np.rint(_STEPS * (1 + relative)).astype(np.uint8), _palette(scale))


def indexed_png(indices: NDArray[np.uint8], palette: Sequence[tuple[int, int, int, int]]) -> str:
    """Return an image as a data URI; each pixel is an index into a palette of (red, green, blue, opacity) up to 255."""
    from PIL import Image

    image = Image.fromarray(indices, "P")
    image.putpalette([channel for *colour, _ in palette for channel in colour])
    content = io.BytesIO()
    image.save(content, "PNG", transparency=bytes(alpha for *_, alpha in palette), optimize=True)
    return _data_uri("image/png", content.getvalue())


def colormap(scale: Scale = "signed") -> Colormap:
    """Return the colours of `picture` for Matplotlib's `imshow`, with values from -limit to limit."""
    from matplotlib.colors import ListedColormap

    return ListedColormap([tuple(channel / 255 for channel in shade) for shade in _palette(scale)])


def _palette(scale: Scale) -> list[tuple[int, int, int, int]]:
    """Return red, green, blue and opacity, from the full colour below zero to the full colour above."""
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
    """Convert samples into an audio player.

    Parameters
    ----------
    samples : ndarray of float32, shape (n,)
        Samples between -1 and 1.
    sample_rate : int
        Samples per second.
    label : str
        Description of the sound.

    Returns
    -------
    player : Markup
        An audio element that contains the sound as FLAC.
    """
    import soundfile
    from markupsafe import Markup

    content = io.BytesIO()
    soundfile.write(content, np.clip(samples, -1, 1), sample_rate, format="FLAC", subtype="PCM_16")
    source = _data_uri("audio/flac", content.getvalue())
    return Markup('<audio controls preload="none" aria-label="{}" src="{}"></audio>').format(label, source)


def _own_font(found: re.Match[str]) -> str:
    """Keep the size and weight of a font; the page determines the family."""
    return f"font-size: {found[2]}" if found[1] is None else f"font-weight: {found[1]}; font-size: {found[2]}"


def _data_uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
