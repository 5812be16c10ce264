"""The parts that all pages share: numbers, plots, pictures and sounds, and the checks in a browser."""

import base64
import io
import re
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import jinja2
import numpy as np
import pytest
import soundfile
from matplotlib.figure import Figure
from PIL import Image

import browser as browsing
import sounds
from sayso.report import page

if TYPE_CHECKING:
    from playwright.sync_api import Browser

BASE = Path(page.__file__).parent / "templates"


def drawn() -> Figure:
    figure = Figure(figsize=(page.WIDTH, 2.2))
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color=page.BLUE)
    axes.set(title="A line", xlabel="x")
    return figure


def content(element: str) -> bytes:
    return base64.b64decode(re.search(r'src="data:[a-z/]+;base64,([^"]+)"', element)[1])


def test_a_percentage_is_never_rounded_to_0_or_100() -> None:
    for fraction, text in {
        0: "0.0 %", 1: "100.0 %", 0.5: "50.0 %", 0.99999: "99.999 %", 1e-4: "0.01 %", 1e-8: "0.000001 %",
        1e-12: "< 0.000001 %", 1 - 1e-12: "> 99.999999 %",
    }.items():  # fmt: skip
        assert page.percent(fraction) == text, fraction


def test_numbers_have_a_minus_sign_and_powers_of_ten() -> None:
    assert [page.number(value) for value in (0, -1.23456, 1.5e-7, 123456)] == ["0", "−1.23", "1.5 × 10⁻⁷", "1.23 × 10⁵"]


def test_a_plot_follows_the_page_from_light_to_dark() -> None:
    with page.style():
        picture = page.svg(drawn(), 'a "rising" line')
    assert "var(--blue)" in picture
    assert "var(--ink)" in picture
    assert not set(page.COLOURS.values()) & set(re.findall("#[0-9a-f]{6}", picture))
    assert 'aria-label="a &quot;rising&quot; line"' in picture
    assert ">A line</text>" in picture


def test_two_plots_have_no_identifier_in_common() -> None:
    with page.style():
        first, second = drawn(), drawn()
        second.axes[0].set_title("Another")
        identifiers = [set(re.findall(' id="([^"]+)"', page.svg(figure, "a line"))) for figure in (first, second)]
    assert identifiers[0]
    assert not identifiers[0] & identifiers[1]


def test_the_same_plot_gives_the_same_bytes() -> None:
    with page.style():
        assert page.svg(drawn(), "a line") == page.svg(drawn(), "a line")


def test_a_picture_has_the_first_row_at_the_bottom_and_is_transparent_at_zero() -> None:
    image = Image.open(io.BytesIO(content(page.picture(np.array([[1.0, 0.0, -1.0], [0.5, 0.0, 0.0]]), "three"))))
    pixels = np.asarray(image.convert("RGBA"))
    assert pixels.shape == (2, 3, 4)
    assert pixels[1, :, 3].tolist() == [255, 0, 255]
    assert 0 < pixels[0, 0, 3] < 255
    assert pixels[1, 0, 0] > pixels[1, 0, 2]  # orange above zero
    assert pixels[1, 2, 0] < pixels[1, 2, 2]  # blue below


def test_a_grey_picture_shows_only_positive_values() -> None:
    image = Image.open(io.BytesIO(content(page.picture(np.array([[1.0, -1.0]]), "two", scale="grey"))))
    assert np.asarray(image.convert("RGBA"))[0, :, 3].tolist() == [255, 0]


def test_a_player_contains_the_sound() -> None:
    samples = sounds.clip("yes")
    player = page.sound(samples, sounds.RATE, "the word yes")
    decoded, rate = soundfile.read(io.BytesIO(content(player)))
    assert rate == sounds.RATE
    np.testing.assert_allclose(decoded, samples, atol=2 / 2**15)


def test_values_in_a_page_are_escaped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    templates = tmp_path / "templates"
    templates.mkdir()
    monkeypatch.setattr(jinja2, "PackageLoader", lambda *_: jinja2.FileSystemLoader([templates, BASE]))
    (templates / "hostile.html").write_text(
        '{% extends "base.html" %}{% block title %}{{ name }}{% endblock %}{% block main %}{{ name }}{% endblock %}'
    )
    assert "<script>" not in page.render("hostile.html", name="<script>alert(1)</script>")


def test_the_colours_of_plots_are_those_of_the_style_sheet() -> None:
    sheet = (BASE / "style.css").read_text()
    light, dark = re.findall(r":root \{([^}]*)\}", sheet)
    for name, colour in page.COLOURS.items():
        assert f"--{name}: {colour};" in light
        assert f"--{name}: #" in dark


def test_the_contrast_check_finds_pale_text(browser: "Browser", tmp_path: Path) -> None:
    path = tmp_path / "pale.html"
    path.write_text('<body style="background: white"><p style="color: #888">pale</p><p>plain</p>')
    with browsing.opened(browser, path) as view:
        assert view.evaluate(browsing.CONTRAST) == {"seen": 2, "bad": ["pale: 3.54"]}


def test_the_text_of_a_plot_may_look_like_anything() -> None:
    texts = (
        "$\\frac$", "$x", "font-family: z", 'font: 9px z" id="x"', "url(#a)", 'href="#a"', page.INK, "</text><script>",
        "]]>", "&lt;", "<!-- x -->", "{x}", "\\",
    )  # fmt: skip
    figure = Figure(figsize=(page.WIDTH, 4))
    with page.style():
        axes = figure.subplots()
        axes.barh(range(len(texts)), np.arange(len(texts)))
        page.name_ticks(axes.yaxis, texts)
        picture = page.svg(figure, 'font-family: z" onload="x')
    root = ElementTree.fromstring(picture)
    shown = {element.text for element in root.iter() if element.tag.endswith("text")}
    assert {text if len(text) <= page.LONGEST_TICK else text[:19] + "…" for text in texts} <= shown
    assert root.get("aria-label") == 'font-family: z" onload="x'
    assert not [element for element in root.iter() if "onload" in element.attrib or element.tag.endswith("script")]


def test_the_numbers_of_a_logarithmic_axis_are_no_formulas() -> None:
    for scale, values in {"log": [1e-7, 1, 300], "symlog": [0, 1, 3_000], "narrow": [2, 3, 4]}.items():
        figure = Figure(figsize=(page.WIDTH, 2))
        with page.style():
            axes = figure.subplots()
            axes.plot([0, 1, 2], values)
            axes.set_yscale("log" if scale == "narrow" else scale)
            page.plain_powers(axes.yaxis)
            assert "$" not in page.svg(figure, ""), scale


def test_long_labels_leave_room_for_the_plot() -> None:
    figure = Figure(figsize=(page.WIDTH, 2))
    with page.style():
        axes = figure.subplots()
        page.name_ticks(axes.yaxis, ["W" * 64, "語" * 64])
        page.svg(figure, "")
        assert axes.get_window_extent().width > 0.2 * figure.bbox.width
