"""A real browser for tests of pages: Debian's Chromium, controlled by Playwright."""

import asyncio
import itertools
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

# Nothing may use the network, not even the browser itself.
OFFLINE = (
    "--disable-background-networking", "--disable-component-update", "--disable-gpu", "--disable-quic",
    "--disable-sync", "--no-first-run", "--no-sandbox",
)  # fmt: skip
DESKTOP, PHONE = 1280, 360
SCHEMES = ("light", "dark")

# Contrast of every visible text with the background behind it, as defined in WCAG 2.
CONTRAST = """
() => {
  const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const known = new Map();
  const rgba = colour => {
    if (!known.has(colour)) {
      canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
      known.set(colour, [...canvas.getImageData(0, 0, 1, 1).data]);
    }
    return known.get(colour);
  };
  const luminance = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const over = (front, back) => front.slice(0, 3).map((v, i) => v * front[3] / 255 + back[i] * (1 - front[3] / 255));
  const behind = element => {
    const layers = [];
    for (let e = element; e; e = e.parentElement) layers.push(rgba(getComputedStyle(e).backgroundColor));
    return layers.reduceRight((back, front) => over(front, back), [255, 255, 255]);
  };
  const bad = [], texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let seen = 0;
  while (texts.nextNode()) {
    const text = texts.currentNode.textContent.trim(), element = texts.currentNode.parentElement;
    const box = element.getBoundingClientRect();
    if (!text || !box.width || !box.height || element.closest("script, style, noscript, title, .skip")) continue;
    const shown = getComputedStyle(element);
    if (shown.visibility === "hidden") continue;
    const back = behind(element);
    const colour = rgba(element.closest("svg") ? shown.fill : shown.color);
    const [high, low] = [luminance(over(colour, back)), luminance(back)].sort((a, b) => b - a);
    const ratio = (high + 0.05) / (low + 0.05), size = parseFloat(shown.fontSize);
    const large = size >= 24 || (size >= 18.66 && +shown.fontWeight >= 700);
    seen += 1;
    if (ratio < (large ? 3 : 4.5)) bad.push(`${text.slice(0, 40)}: ${ratio.toFixed(2)}`);
  }
  return {seen, bad};
}
"""

# Texts of a plot that lie on one another, or outside of it. Texts may be turned, so their boxes are compared along the
# axes that may separate them; the space above and below the letters does not count.
OVERLAPPING = """
() => {
  const corners = text => {
    const {x, y, width, height} = text.getBBox(), m = text.getScreenCTM();
    const top = y + 0.2 * height, foot = y + 0.8 * height;
    return [[x, top], [x + width, top], [x + width, foot], [x, foot]]
      .map(([a, b]) => [m.a * a + m.c * b + m.e, m.b * a + m.d * b + m.f]);
  };
  const apart = (one, other) => [one, other].some(box => box.some(([x, y], i) => {
    const [u, v] = box[(i + 1) % 4], size = Math.hypot(u - x, v - y) || 1, normal = [(v - y) / size, (x - u) / size];
    const [a, b] = [one, other].map(all => all.map(point => point[0] * normal[0] + point[1] * normal[1]));
    return Math.max(...a) < Math.min(...b) + 0.5 || Math.max(...b) < Math.min(...a) + 0.5;
  }));
  return [...document.querySelectorAll("svg.plot")].flatMap(plot => {
    const whole = plot.getBoundingClientRect();
    const texts = [...plot.querySelectorAll("text")]
      .filter(text => text.textContent.trim() && text.getBoundingClientRect().width)
      .map(text => [text.textContent, corners(text)]);
    const cut = texts.filter(([, box]) => box.some(([x, y]) =>
      x < whole.left - 1 || x > whole.right + 1 || y < whole.top - 1 || y > whole.bottom + 1));
    const over = texts.flatMap(([one, a], i) => texts.slice(i + 1).filter(([, b]) => !apart(a, b))
      .map(([other]) => `${one} | ${other}`));
    return [...cut.map(([text]) => `cut: ${text}`), ...over];
  });
}
"""

# Formulas, titles and key figures whose content is wider or higher than they are, so that some of it cannot be seen.
CLIPPED = """
() => [...document.querySelectorAll(".formula, h1, h2, h3, h4, h5, caption, figcaption, dt, dd, summary, button, li")]
  .filter(element => {
    const box = element.getBoundingClientRect();
    if (!box.width) return false;
    const parts = [...element.querySelectorAll("math, math *")].map(part => part.getBoundingClientRect());
    return element.scrollWidth > element.clientWidth + 1 && getComputedStyle(element).display !== "inline" ||
      parts.some(part => part.width && (part.left < box.left - 1 || part.right > box.right + 1 ||
        part.top < box.top - 1 || part.bottom > box.bottom + 1));
  }).map(element => element.textContent.trim().slice(0, 60))
"""

# Every picture of a page must be drawn and have an alternative text.
PICTURES = """
() => [...document.querySelectorAll("img, svg[role=img]")].map(picture => ({
  alt: picture.getAttribute("alt") ?? picture.getAttribute("aria-label") ?? "",
  drawn: picture.tagName === "IMG" ? picture.complete && picture.naturalWidth > 0 : picture.childElementCount > 0,
}))
"""


@contextmanager
def launched() -> Iterator["Browser"]:
    """Start the browser, or skip the test where there is none."""
    import pytest

    api = pytest.importorskip("playwright.sync_api", reason="needs the package playwright, as in sayso[dev]")
    program = shutil.which("chromium")
    if not program:
        pytest.skip("needs the program chromium, as in Debian's package of that name")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(OFFLINE))
        yield browser
        browser.close()


@contextmanager
def without_its_loop() -> Iterator[None]:
    """Hide the event loop that a browser keeps running in this thread from code that starts one of its own."""
    loop = asyncio._get_running_loop()
    asyncio._set_running_loop(None)
    try:
        yield
    finally:
        asyncio._set_running_loop(loop)


@contextmanager
def opened(
    browser: "Browser", path: Path, width: int = DESKTOP, scheme: str = "light", height: int = 800, **options
) -> Iterator["Page"]:
    """Open a page; at the end assert that there was no error in the console and no request to the network."""
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, offline=True, **options
    )
    page = context.new_page()
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if message.type != "log" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda request: problems.append(request.url) if request.url.startswith("http") else None)
    page.goto(path.resolve().as_uri())
    yield page
    context.close()
    assert not problems


def check(browser: "Browser", path: Path) -> None:
    """Check what holds for every page: pictures are drawn, it fits a phone, and text is readable in light and dark."""
    for scheme in SCHEMES:
        with opened(browser, path, PHONE, scheme) as page:
            page.evaluate("document.querySelectorAll('details').forEach(part => { part.open = true; })")
            assert page.evaluate("document.documentElement.scrollWidth") <= PHONE
            contrast = page.evaluate(CONTRAST)
            assert contrast["seen"] > 20
            assert not contrast["bad"]
    with opened(browser, path) as page:
        pictures = page.evaluate(PICTURES)
        assert pictures
        assert all(picture["drawn"] and picture["alt"] for picture in pictures)
        assert page.locator("h1").count() == 1
        levels = page.locator("h1, h2, h3, h4").evaluate_all("all => all.map(h => +h.tagName[1])")
        assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
        duplicates = page.evaluate(
            "() => { const ids = [...document.querySelectorAll('[id]')].map(e => e.id);"
            " return ids.filter((id, i) => ids.indexOf(id) !== i); }"
        )
        assert not duplicates
