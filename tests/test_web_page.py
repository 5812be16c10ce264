"""The page to record, teach and try, in a real browser with a file as its microphone."""

import itertools
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile

import sounds
from browser import CLIPPED, CONTRAST, DESKTOP, OFFLINE, PHONE, SCHEMES
from sayso.model import model_file
from sayso.serve.web import studio
from web_server import running

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

# Controls without a name that a screen reader can say.
NAMELESS = """
() => [...document.querySelectorAll("button, a, input, summary, progress, [role=meter]")]
  .filter(element => !(element.getAttribute("aria-label") || element.labels?.length || element.textContent.trim()))
  .map(element => element.outerHTML)
"""


@contextmanager
def microphone(browser: "Browser", path: Path, samples: np.ndarray) -> Iterator["Browser"]:
    """Start a browser whose microphone plays these samples again and again."""
    soundfile.write(path, samples, sounds.RATE)
    options = [
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={path}",
    ]
    # Another process of the same program, as a microphone is an option of the whole browser.
    other = browser.browser_type.launch(executable_path=shutil.which("chromium"), args=[*OFFLINE, *options])
    yield other
    other.close()


@contextmanager
def visited(browser: "Browser", address: str, width: int = DESKTOP, scheme: str = "light") -> Iterator["Page"]:
    """Open the page; at the end assert that nothing was loaded from elsewhere, and the console has no error."""
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page = context.new_page()
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if message.type != "log" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda request: None if request.url.startswith(address) else problems.append(request.url))
    page.goto(address)
    page.locator("#folder", has_text="recordings").wait_for()
    yield page
    context.close()
    assert not problems


def test_words_in_the_microphone_are_shown_in_their_order(
    browser: "Browser", tiny_model_path: Path, tmp_path: Path
) -> None:
    said = sounds.stream(["yes", "no", "zero", "up"], gap=0.6)[0]
    with (
        running(tiny_model_path, tmp_path / "recordings") as address,
        microphone(browser, tmp_path / "microphone.wav", said) as hearing,
        visited(hearing, address) as page,
    ):
        page.get_by_role("button", name="Turn the microphone on").click()
        page.locator("#heard li").nth(3).wait_for()
        words = page.locator("#heard strong").all_inner_texts()[::-1]
        order = itertools.cycle(["yes", "no", "up"])
        assert words[0] in ("yes", "no", "up")
        while next(order) != words[0]:
            pass
        assert words == [words[0], *itertools.islice(order, len(words) - 1)]
        assert page.get_by_role("log", name="Heard").count() == 1
        assert page.locator("#likely > div").count() == 4
        assert -70 < float(page.get_by_role("meter", name="Level").get_attribute("aria-valuenow") or 0) < 0
        page.get_by_role("button", name="Turn the microphone off").click()
        page.get_by_role("button", name="Turn the microphone on").wait_for()
        page.locator("#level[aria-valuenow='-70']").wait_for()


def test_a_word_is_recorded_taught_heard_and_still_there_after_a_reload(
    browser: "Browser", tiny_model_path: Path, tiny_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A speaker who needs no time to get ready.
    monkeypatch.setattr(studio, "COUNT", 0.02)
    monkeypatch.setattr(studio, "TAKE", 1.2)
    folder = tmp_path / "recordings"
    (folder / "zero").mkdir(parents=True)
    for path in sorted((tiny_corpus / "zero").iterdir())[:10]:
        shutil.copy(path, folder / "zero")
    said = sounds.stream(["zero"], gap=0.6)[0]
    with (
        running(tiny_model_path, folder) as address,
        microphone(browser, tmp_path / "microphone.wav", said) as hearing,
        visited(hearing, address) as page,
    ):
        assert page.locator("#speaker").input_value() == "anna"
        page.locator("#speaker").fill("ben")
        page.locator("#series").uncheck()
        # By keyboard alone.
        page.locator("#name").fill(" Zero ")
        page.locator("#name").press("Enter")
        # The word may lie across an end of the recording, of which the speaker is told.
        page.locator("#keep:visible, #prompt:has-text('is saved')").first.wait_for()
        if page.locator("#doubt").is_visible():
            assert page.evaluate("document.activeElement.id") == "again"
            page.get_by_role("button", name="Keep it anyway").click()
        page.get_by_text("“zero” is saved").wait_for()
        assert len(list((folder / "zero").glob("ben_nohash_*.wav"))) == 1
        page.locator("#takes summary").click()
        page.get_by_role("button", name="Play zero, recording 11").wait_for()
        page.get_by_role("button", name="Delete zero, recording 1", exact=True).click()
        page.get_by_role("button", name="Play zero, recording 11").wait_for(state="detached")
        assert len(list((folder / "zero").iterdir())) == 10
        assert page.evaluate("document.activeElement.tagName") == "SUMMARY"

        page.get_by_role("button", name="Teach the words").click()
        page.get_by_role("button", name="Stop").wait_for()
        page.locator("#report table").wait_for(timeout=60_000)
        assert page.locator("#report tbody th").all_inner_texts() == ["zero"]
        # The new model is tried at once, and the microphone is on since the recording.
        assert page.locator("input[value=taught]").is_checked()
        page.locator("#heard strong", has_text="zero").first.wait_for(timeout=20_000)
        with page.expect_download() as download:
            page.get_by_role("link", name="Download the model").click()
        assert "zero" in model_file.load(download.value.path()).labels

        page.reload()
        page.locator("#report table").wait_for()
        assert page.locator("#speaker").input_value() == "ben"
        assert page.locator("#takes summary").inner_text().split()[:2] == ["zero", "10"]
        for scheme, width in itertools.product(SCHEMES, (PHONE, DESKTOP)):
            page.emulate_media(color_scheme=scheme)
            page.set_viewport_size({"width": width, "height": 800})
            page.evaluate("document.querySelectorAll('details').forEach(part => { part.open = true; })")
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            contrast = page.evaluate(CONTRAST)
            assert contrast["seen"] > 40
            assert not contrast["bad"]
            assert not page.evaluate(CLIPPED)
        assert not page.evaluate(NAMELESS)
