"""The page of `sayso export MODEL -o page.html`, opened as a file in Chromium, hears what Python hears."""

import re
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile

import browser as browsing
from cases import case
from command_line import Result
from sayso.config import DecisionSettings
from sayso.export import html_page
from sayso.export.exported import Exported
from sayso.export.formats import export
from sayso.model import model_file, shipped
from sayso.nn import Dense, Flatten
from sayso.recognition.recognizer import Recognizer
from sayso.sound import audio
from test_export import MFCC, model_of
from test_export_docs import launched, served
from test_readme import ROOT

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

RATE = 16_000
# Recordings of the demo corpus that are clear to the model wherever its windows begin.
SAID = {"yes": 1, "go": 1, "right": 3}
# A browser that cannot change the rate of a microphone, as Firefox.
FIXED_RATE = """
const Real = AudioContext;
window.AudioContext = class extends Real {
  constructor(options) {
    if (options) throw new DOMException("other rates are not supported", "NotSupportedError");
    super();
  }
};
"""
MICROPHONE = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the default model."""
    path = tmp_path_factory.mktemp("page") / "page.html"
    assert export(shipped.find(shipped.DEFAULT), path) == [path]
    return path


@pytest.fixture(scope="module")
def sound(page: Path) -> Path:
    """A recording of three words with pauses around them."""
    path, pause = page.with_name("three words.wav"), np.zeros(7 * RATE // 10, np.float32)
    demo = shipped.bundled("demo")
    clips = [audio.load(sorted((demo / word).iterdir())[take], RATE) for word, take in SAID.items()]
    samples = np.concatenate([pause, *(part for clip in clips for part in (clip, pause))])
    noise = np.random.default_rng(0).normal(0, 1e-4, len(samples))
    soundfile.write(path, samples + noise, RATE, "PCM_16")
    return path


@contextmanager
def ready(browser: "Browser", path: Path, width: int = browsing.DESKTOP, scheme: str = "light") -> Iterator["Page"]:
    """Open a page and wait until its model is there; at the end assert that nothing was asked from the network."""
    with browsing.opened(browser, path, width, scheme) as view:
        view.get_by_text("Ready.").wait_for()
        yield view


def texts(view: "Page", place: str) -> list[list[str]]:
    """Return the parts of each line of a list."""
    return view.locator(f"{place} li").evaluate_all(
        "all => all.map(line => [...line.children].map(e => e.textContent))"
    )


def test_the_commands_of_the_documentation_write_pages(
    sayso: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = re.findall(
        r"^sayso (export .+)$", (ROOT / "docs" / "browser.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert len(commands) == 2
    monkeypatch.chdir(tmp_path)
    for command in commands:
        with case(command):
            assert sayso(*shlex.split(command)).status == 0
    assert all(b"<!doctype html>" in path.read_bytes()[:20] for path in tmp_path.iterdir())


def test_the_page_hears_the_words_of_the_microphone_in_their_order(browser: "Browser", page: Path, sound: Path) -> None:
    assert page.stat().st_size <= 1.5e6
    with (
        launched(browser, *MICROPHONE, f"--use-file-for-fake-audio-capture={sound}") as listening,
        ready(listening, page) as view,
        ready(listening, page) as other,
    ):
        other.add_init_script(FIXED_RATE)
        other.reload()
        other.get_by_text("Ready.").wait_for()
        for each in (view, other):
            each.get_by_role("button", name="Start listening").click()
        for name, each in {"changed rate": view, "fixed rate": other}.items():
            with case(name):
                each.locator("#heard li:nth-child(3)").wait_for()
                heard = texts(each, "#heard")[::-1]
                assert [word for word, *_ in heard[:3]] == list(SAID)
                assert all(re.fullmatch(r"[0-9.]+ %", confidence) for _, _, confidence in heard)
                assert each.get_by_role("meter").get_attribute("aria-valuetext") != "off"
                # On a busy machine it may say that this is too slow.
                assert "microphone" not in (each.locator("#problem").text_content() or "")
                each.get_by_role("button", name="Stop").click()
                each.get_by_text("Not listening.").wait_for()
                assert each.get_by_role("meter").get_attribute("aria-valuetext") == "off"


def test_a_recording_has_the_words_that_python_finds_at_any_sensitivity(
    browser: "Browser", page: Path, sound: Path
) -> None:
    # The page has weights of 8 bits.
    model = Exported.of(model_file.load(shipped.find(shipped.DEFAULT)), "", "", int8=True).model
    with ready(browser, page) as view:
        view.set_input_files("#file", sound)
        for sensitivity in (0.5, 0.0, 0.95):
            with case(sensitivity):
                if sensitivity != 0.5:
                    view.get_by_role("slider").fill(str(sensitivity))
                decision = model.decision.at_sensitivity(sensitivity)
                found = Recognizer(replace(model, decision=decision)).detect([audio.load(sound, RATE)])
                expected = [
                    [each.label, f"{each.start:.1f} to {each.end:.1f} s", f"{100 * each.confidence:.1f} %"]
                    for each in found
                ]
                assert len(expected) >= (3 if sensitivity >= 0.5 else 0)
                view.locator("#found[aria-busy=false]").wait_for(state="attached")
                assert texts(view, "#found") == expected
                number = f"{len(expected) or 'no'} word{'' if len(expected) == 1 else 's'}"
                assert view.locator("#progress").inner_text().endswith(f" s: {number}")
        view.set_input_files("#file", Path(__file__))
        view.get_by_text(
            f"{Path(__file__).name} cannot be used: it is no sound that this browser can decode"
        ).wait_for()
        assert not view.locator("#result").is_visible()


def test_the_page_may_ask_nothing_from_the_network(browser: "Browser", page: Path) -> None:
    with ready(browser, page) as view:
        policy = view.locator("meta[http-equiv]").get_attribute("content") or ""
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
    with served(page.parent) as address:
        view = browser.new_page()
        asked: list[str] = []
        view.on("response", lambda response: asked.append(response.url))
        view.goto(f"{address}/{page.name}")
        view.get_by_text("Ready.").wait_for()
        attempts = (
            "fetch('/x')",
            "new Promise((yes, no) => Object.assign(new Image(), {onload: yes, onerror: no}).src = '/y')",
        )
        for attempt in attempts:
            with case(attempt):
                assert view.evaluate(f"{attempt}.then(() => 'loaded', () => 'refused')") == "refused"
        assert [url for url in asked if not url.startswith("blob:")] == [f"{address}/{page.name}"]
        view.close()


def test_what_keeps_the_microphone_away_is_told(browser: "Browser", page: Path) -> None:
    refused = "The microphone was refused. Allow it for this page"
    missing = "There is no microphone. Connect one"
    for options, message in (((MICROPHONE[1],), refused), ((), missing)):
        with case(message), launched(browser, *options) as other, ready(other, page) as view:
            view.get_by_role("button", name="Start listening").click()
            view.get_by_role("alert").filter(has_text=message).wait_for()
            assert view.get_by_role("button", name="Start listening").is_enabled()
    resolved = "--host-resolver-rules=MAP plain.test 127.0.0.1"
    with served(page.parent) as address, launched(browser, resolved) as other:
        view = other.new_page()
        view.goto(f"{address.replace('localhost', 'plain.test')}/{page.name}")
        view.get_by_role("alert").filter(has_text="only to pages from https").wait_for()
        assert view.get_by_role("button", name="Start listening").is_disabled()


def test_the_page_fits_a_phone_and_is_readable_and_named(browser: "Browser", page: Path, sound: Path) -> None:
    for width, scheme in ((browsing.PHONE, "light"), (browsing.DESKTOP, "dark")):
        with case(width, scheme), ready(browser, page, width, scheme) as view:
            view.set_input_files("#file", sound)
            view.locator("#found li").first.wait_for()
            assert view.evaluate("document.documentElement.scrollWidth") <= width
            assert not view.evaluate(browsing.CLIPPED)
            assert not view.evaluate(browsing.CONTRAST)["bad"]
            for role, name in (
                ("button", "Start listening"), ("meter", "Microphone level"), ("slider", "How easily it hears a word"),
                ("log", "Heard"), ("list", "Words that it knows"), ("button", re.compile("^Drop a sound file here")),
                ("list", "Words in the recording"), ("button", "Play yes"), ("region", "About the model"),
            ):  # fmt: skip
                with case(name):
                    assert view.get_by_role(role, name=name).count() == 1
            told = view.get_by_role("table").inner_text()
            digest = model_file.load(shipped.find(shipped.DEFAULT)).training["data"]["sha256"]
            assert all(fact in told for fact in ("MIT; the model card", "in 8 bits", digest))


def test_hostile_texts_of_a_model_stay_texts(browser: "Browser", tmp_path: Path) -> None:
    hostile = (
        "</script><script>document.title = 'taken'</script>",
        "<!--<script>",
        "<img src=x onerror=alert(1)>",
        "]]>'\"&amp;",
        "後",
    )
    model = model_of(MFCC, [Flatten(), Dense(len(hostile))], hostile)
    data = {"corpus": hostile[0], "sha256": hostile[2], "clips": {hostile[1]: {"yes": 3}}}
    decision = DecisionSettings(words={hostile[0]: 0.9}, anywhere=hostile[:2])
    model = replace(
        model, training={"data": data}, scores={hostile[0]: {"accuracy": 0.5}}, decision=decision, alarms=((0.5, 1.0),)
    )
    path = tmp_path / "hostile.html"
    path.write_bytes(html_page.write(Exported.of(model, hostile[0], hostile[2], int8=True)))
    with ready(browser, path) as view:
        assert view.locator("#words li").all_inner_texts() == list(hostile)
        assert view.title() == f"{hostile[0]}: say a word – sayso"
        assert view.locator("img, script:not([id])").count() == 1
        told = view.get_by_role("table").inner_text()
        assert all(text in told for text in hostile[:3])
